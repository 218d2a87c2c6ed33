"""The map as a picture: labels that never touch and stand where they say, the same bytes every time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pytest
from PIL import Image

from redclust.errors import UsageError
from redclust.picture import LabelBox, MapPicture, draw
from redclust.picture.backend import Outline
from redclust.picture.palette import PALETTE, colour_communities, readable
from redclust.picture.regions import outline

DPI = 120
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


def planted(nodes: int, communities: int, seed: int = 1, *, spread: float = 1.0) -> MapPicture:
    """Discs of communities on a ring, Zipf sizes; every twentieth node belongs to none."""
    rng = np.random.default_rng(seed)
    community = np.arange(nodes) % max(1, communities)
    angle = 2 * np.pi * community / max(1, communities)
    centre = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(nodes)
    way, far = rng.random(nodes) * 2 * np.pi, np.sqrt(rng.random(nodes) * nodes / max(1, communities))
    positions = spread * (centre + far[:, None] * np.stack([np.cos(way), np.sin(way)], axis=1))
    if communities:
        community[::20] = -1
    else:
        community[:] = -1
    ends = rng.integers(0, max(1, nodes), (2, 3 * nodes))
    return MapPicture(
        positions=positions,
        sizes=rng.permutation(40_000 // (np.arange(nodes) + 1)),
        names=[f"Sub{'reddit'[: i % 7]}_{i}" for i in range(nodes)],
        community=community.astype(np.int32),
        community_names=[f"Community {c}" for c in range(communities)],
        source=ends[0].astype(np.int32),
        target=ends[1].astype(np.int32),
        weight=rng.random(3 * nodes),
        title="A planted map",
        caption=f"{nodes:,} nodes, seed {seed}",
    )


def one_node(name: str, **changes: Any) -> MapPicture:
    return replace(planted(1, 0), names=[name], **changes)


def root_of(path: Path) -> Element:
    return fromstring(path.read_text())  # noqa: S314 - written by the test itself


def width_of(path: Path) -> float:
    return float(root_of(path).attrib["width"].removesuffix("pt"))


def touch(a: LabelBox, b: LabelBox) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


@pytest.mark.parametrize(
    ("nodes", "communities", "seed", "spread"),
    [(60, 5, 1, 1.0), (300, 12, 2, 1.0), (300, 12, 3, 0.0), (300, 0, 4, 1.0), (1_500, 45, 5, 1e-3)],
)
def test_no_two_labels_touch_and_all_are_on_the_page(
    tmp_path: Path, nodes: int, communities: int, seed: int, spread: float
) -> None:
    boxes = draw(planted(nodes, communities, seed, spread=spread), tmp_path / "map.svg")
    assert [box.kind for box in boxes[:2]] == ["title", "caption"]
    assert [pair for pair in combinations(boxes, 2) if touch(*pair)] == []
    root = root_of(tmp_path / "map.svg")
    width, height = (float(root.attrib[key].removesuffix("pt")) for key in ("width", "height"))
    assert all(0 < b.x0 < b.x1 < width and 0 < b.y0 < b.y1 < height for b in boxes)
    if spread:
        assert sum(box.kind == "community" for box in boxes) >= 0.9 * communities
        assert sum(box.kind == "node" for box in boxes) >= 40


def drawn_labels(path: Path) -> dict[int, tuple[tuple[float, ...], float]]:
    """Of each label in an .svg: bounds of its outline in points, y upwards, and the width of its halo."""
    root = root_of(path)
    height = float(root.attrib["height"].removesuffix("pt"))
    found: dict[int, tuple[tuple[float, ...], float]] = {}
    for group in root.iter(f"{SVG}g"):
        if not group.get("id", "").startswith("label-"):
            continue
        defined = {f"#{shape.get('id')}": shape.attrib["d"] for shape in group.iter(f"{SVG}path")}
        uses = list(group.iter(f"{SVG}use"))
        shapes = [
            (defined[use.attrib[f"{XLINK}href"]], float(use.attrib["x"]), float(use.attrib["y"]), use)
            for use in uses
        ] or [(shape.attrib["d"], 0.0, 0.0, shape) for shape in group.iter(f"{SVG}path")]
        assert len(shapes) == 2  # halo, then ink
        bounds: set[tuple[float, ...]] = set()
        for data, x, y, _ in shapes:
            points = np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", data), dtype=float).reshape(-1, 2)
            low, high = points.min(axis=0), points.max(axis=0)
            bounds.add((x + low[0], height - y - high[1], x + high[0], height - y - low[1]))
        (bound,) = bounds
        halo, ink = (shape.attrib["style"] for *_, shape in shapes)
        assert "stroke: #ffffff" in halo
        assert "stroke" not in ink or "stroke-width: 0" in ink
        width = re.search(r"stroke-width: ([\d.]+)", halo)
        found[int(group.attrib["id"].removeprefix("label-"))] = (bound, float(width[1]) if width else 1.0)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_boxes_are_the_outlines_in_the_file_with_their_halo(tmp_path: Path, seed: int) -> None:
    boxes = draw(planted(200, 8, seed), tmp_path / "map.svg")
    drawn = drawn_labels(tmp_path / "map.svg")
    assert set(drawn) == set(range(len(boxes)))
    for i, box in enumerate(boxes):
        bound, halo = drawn[i]
        inked = (box.x0 + halo / 2, box.y0 + halo / 2, box.x1 - halo / 2, box.y1 - halo / 2)
        assert bound == pytest.approx(inked, abs=0.03), box


def test_boxes_hold_all_the_ink_of_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Finer pixels, and names that begin and end with an upright stroke: both ends fill whole pixels.
    monkeypatch.setattr("redclust.picture.drawing.DPI", 200)
    picture = replace(planted(100, 6), names=[f"Pl{i}all" for i in range(100)])
    boxes = draw(picture, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    inked = pixels.max(axis=2) < 50  # no node and no community's name is as dark
    scale = 200 / 72
    free = np.ones((height, width), dtype=bool)
    for box in boxes:
        if box.kind not in {"title", "node"}:
            continue
        x0, x1 = box.x0 * scale, box.x1 * scale
        y0, y1 = height - box.y1 * scale, height - box.y0 * scale
        window = (slice(int(y0), int(np.ceil(y1))), slice(int(x0), int(np.ceil(x1))))
        free[window] = False
        rows, columns = (np.flatnonzero(inked[window].any(axis=axis)) for axis in (1, 0))
        gaps = [rows[0] + int(y0) - y0, y1 - int(y0) - rows[-1] - 1]
        gaps += [columns[0] + int(x0) - x0, x1 - int(x0) - columns[-1] - 1]
        # The halo (1 to 1.3 points), and a pixel or two that the ink does not fill.
        assert all(0.8 * scale <= gap <= 1.4 * scale + 2.0 for gap in gaps), (box, gaps)
    assert inked.sum() > 10_000
    assert not (inked & free).any()


def test_a_png_opens(tmp_path: Path) -> None:
    from matplotlib.image import imread

    boxes = draw(planted(60, 3), tmp_path / "map.png")
    pixels = np.asarray(imread(tmp_path / "map.png"))
    assert pixels.shape[0] / DPI * 72 > max(box.y1 for box in boxes)
    assert pixels.shape[1] / DPI * 72 > max(box.x1 for box in boxes)
    assert (pixels[[0, -1]] == 1.0).all()  # a white margin


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        k: v for k, v in os.environ.items() if k not in {"MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}
    }
    return subprocess.run(
        [sys.executable, "-c", f"import {__name__} as test; from pathlib import Path; {program}"],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_same_bytes_in_every_process_and_nothing_kept_at_home(tmp_path: Path) -> None:
    program = "[test.draw(test.planted(60, 4), Path(f'map.{s}')) for s in ('svg', 'png')]"
    home, scratch, settings = tmp_path / "home", tmp_path / "tmp", tmp_path / "matplotlibrc"
    home.mkdir()
    scratch.mkdir()
    settings.write_text("savefig.bbox: tight\nlines.linewidth: 9\nsvg.fonttype: none\n")
    digests: set[str] = set()
    for number, more in enumerate(
        (
            {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONHASHSEED": "1"},
            # A home that cannot be written to, and settings of the user's own.
            {"HOME": str(settings / "no"), "MATPLOTLIBRC": str(settings), "PYTHONHASHSEED": "2"},
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run(program, folder, **more).stderr == ""
        assert sorted(path.name for path in folder.iterdir()) == ["map.png", "map.svg"]
        for suffix in ("svg", "png"):
            digests.add(hashlib.sha256((folder / f"map.{suffix}").read_bytes()).hexdigest())
    assert len(digests) == 2  # one a format
    assert list(home.iterdir()) == list(scratch.iterdir()) == []


def test_loading_the_package_loads_no_matplotlib_and_drawing_no_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys; import redclust.picture; print('matplotlib' in sys.modules);"
        f"import {__name__} as test; test.draw(test.planted(9, 2), Path('map.svg'));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", f"from pathlib import Path; {program}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_matplotlibs_settings_are_left_as_they_were(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw(planted(9, 2), tmp_path / "map.svg")
    assert dict(matplotlib.rcParams) == before


def test_an_svg_is_all_shapes_and_carries_its_title(tmp_path: Path) -> None:
    draw(planted(200, 8), tmp_path / "map.svg")
    text = (tmp_path / "map.svg").read_text()
    tags = {element.tag.rsplit("}")[-1] for element in root_of(tmp_path / "map.svg").iter()}
    assert "path" in tags
    assert not tags & {"text", "image", "script"}
    assert "<dc:title>A planted map</dc:title>" in text
    assert "dc:date" not in text


@pytest.mark.parametrize("name", ["map.pdf", "map", "map.svg.gz", "png"])
def test_another_suffix_is_refused_and_both_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.svg or \.png") as caught:
        draw(planted(9, 2), tmp_path / name)
    assert name in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    draw(planted(9, 2), tmp_path / "MAP.PNG")
    assert (tmp_path / "MAP.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    picture = planted(9, 2)
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path, reason in (
        (tmp_path / "missing" / "map.png", "No such file or directory"),
        (tmp_path / "file" / "map.png", "Not a directory"),
        (tmp_path / "folder.png", "Is a directory"),
    ):
        with pytest.raises(UsageError, match=f"cannot write .*{path.name}: {reason}"):
            draw(picture, path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_directory_without_permission_is_a_usage_error(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    me = os.geteuid()
    try:
        if me == 0:
            os.seteuid(65_534)  # root may write anywhere
        with pytest.raises(UsageError, match="Permission denied"):
            draw(planted(9, 2), locked / "map.svg")
    finally:
        os.seteuid(me)


def test_a_new_picture_replaces_the_old_one_with_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    path.write_text("old")
    (tmp_path / "probe").touch()
    draw(planted(9, 2), path)
    assert path.read_text().startswith("<?xml")
    assert path.stat().st_mode == (tmp_path / "probe").stat().st_mode


@pytest.mark.parametrize(
    "name", ["$x$", "_", "a_b^c", r"$\frac{1}{$", "%s {0} &amp; <b>", "two\nlines", "日本"]
)
def test_names_are_drawn_literally(tmp_path: Path, name: str) -> None:
    boxes = draw(one_node(name, title=name), tmp_path / "map.svg")
    assert [(box.kind, box.text) for box in boxes] == [
        ("title", name),
        ("caption", boxes[1].text),
        ("node", name),
    ]
    assert width_of(tmp_path / "map.svg") > 500


def test_markup_takes_the_room_of_its_characters(tmp_path: Path) -> None:
    def width(name: str) -> float:
        box = draw(one_node(name), tmp_path / "map.svg")[-1]
        return box.x1 - box.x0

    assert width("$x$") > width("x") + 1.4 * (width("$$") - width("$"))
    assert width("x_2") > width("x2")


def test_what_has_nothing_to_show_is_left_out(tmp_path: Path) -> None:
    boxes = draw(one_node("  ", title="", caption="\t"), tmp_path / "map.png")
    assert boxes == ()


def test_a_title_too_long_is_set_smaller(tmp_path: Path) -> None:
    boxes = draw(one_node("a", title="long " * 100, caption="c" * 400), tmp_path / "map.svg")
    width = width_of(tmp_path / "map.svg")
    assert all(0 < box.x0 < box.x1 < width for box in boxes)
    assert [box.kind for box in boxes] == ["title", "caption", "node"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_smallest_maps(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"map.{suffix}"
    assert [box.kind for box in draw(planted(0, 0), path)] == ["title", "caption"]
    assert [box.kind for box in draw(planted(1, 1), path)] == ["title", "caption", "node"]
    in_one = replace(planted(1, 1), community=np.zeros(1, dtype=np.int32))
    assert [box.kind for box in draw(in_one, path)] == ["title", "caption", "community", "node"]
    line = replace(planted(5, 1), positions=np.stack([np.arange(5.0), np.zeros(5)], axis=1))
    assert sum(box.kind == "node" for box in draw(line, path)) == 5
    nothing = np.empty(0, dtype=np.int32)
    bare = replace(planted(5, 2), source=nothing, target=nothing, weight=np.empty(0), sizes=np.zeros(5))
    assert sum(box.kind == "node" for box in draw(bare, path)) == 5


def test_thirty_thousand_nodes_stay_a_file_that_a_browser_opens(tmp_path: Path) -> None:
    boxes = draw(planted(30_000, 120), tmp_path / "map.svg")
    assert (tmp_path / "map.svg").stat().st_size < 5_000_000
    assert sum(box.kind == "community" for box in boxes) > 40


def test_the_biggest_are_named_first(tmp_path: Path) -> None:
    picture = planted(400, 5)
    boxes = draw(picture, tmp_path / "map.svg")
    named = {box.text for box in boxes if box.kind == "node"}
    biggest = [picture.names[i] for i in np.argsort(-picture.sizes)[:10]]
    assert len(named.intersection(biggest)) >= 9


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": ["a"]},
        {"sizes": np.array([1.0, 2.0])},
        {"sizes": np.full(9, -1.0)},
        {"positions": np.full((9, 2), np.nan)},
        {"community": np.full(9, 2, dtype=np.int32)},
        {"source": np.full(27, 9, dtype=np.int32)},
        {"target": np.full(27, -1, dtype=np.int32)},
        {"weight": np.zeros(3)},
    ],
)
def test_parts_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fit|differ|finite|negative|outside"):
        replace(planted(9, 2), **wrong)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_grounds_hold_their_circles_and_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.random((200, 2)) * 500
    group = (points[:, 0] // 170 + 3 * (points[:, 1] // 255)).astype(int)
    members = [np.flatnonzero(group == c) for c in range(6)]
    radii = rng.random(200) * 6
    grounds = outline(points, radii, members, 15.0)
    covers = [
        Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings)) for rings in grounds
    ]
    for cover, nodes in zip(covers, members, strict=True):
        assert cover.contains_points(points[nodes]).mean() > 0.95
    probes = rng.random((20_000, 2)) * 600 - 50
    held = np.sum([cover.contains_points(probes) for cover in covers], axis=0)
    assert held.max() >= 1
    assert (held > 1).mean() < 1e-3


def test_a_lone_big_circle_lies_within_its_ground() -> None:
    ((ring,),) = outline(np.array([[100.0, 100.0]]), np.array([21.0]), [np.array([0])], 6.0)
    away = np.hypot(*(ring - 100.0).T)
    assert 22.0 < away.min() <= away.max() < 27.0


def test_colours_are_reused_only_far_away() -> None:
    rng = np.random.default_rng(1)
    centres = rng.random((80, 2))
    chosen = colour_communities(centres)
    assert sorted(chosen[:27].tolist()) == list(range(27))
    near = [
        np.hypot(*(centres[a] - centres[b])) for a, b in combinations(range(80), 2) if chosen[a] == chosen[b]
    ]
    assert min(near) > 0.1
    assert len({tuple(colour) for colour in np.round(PALETTE, 3).tolist()}) == 27


def test_letters_in_a_communitys_colour_can_be_read() -> None:
    def luminance(colour: np.ndarray) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert all(1.05 / (luminance(readable(colour)) + 0.05) >= 4.5 for colour in PALETTE)


def test_countries_have_grounds_of_their_own(tmp_path: Path) -> None:
    picture = planted(400, 2)
    halves = (picture.community * 2 + (picture.positions[:, 1] > 0)).astype(np.int32)
    alone = np.where(picture.community == 0, 0, -1).astype(np.int32)
    paths: list[int] = []
    for country in (None, alone, halves):
        labels = draw(replace(picture, country=country), tmp_path / "map.svg")
        assert {"Community 0", "Community 1"} <= {label.text for label in labels}
        paths.append((tmp_path / "map.svg").read_text().count("<path"))
    # A country that is all of its community has none; of the halves each has one.
    assert paths[1] == paths[0]
    assert paths[2] >= paths[0] + 3
    # Each half is named in its own ground, by as many of its members as have room, and by nobody else.
    called = {number: [f"Leader {number}", "a very long name " * 20] for number in range(4)}
    labels = draw(replace(picture, country=halves, country_names=called), tmp_path / "map.svg")
    named = [label for label in labels if label.kind == "country"]
    assert sorted(label.text for label in named) == [f"Leader {number}" for number in range(4)]
    assert [pair for pair in combinations(labels, 2) if touch(*pair)] == []
    with pytest.raises(ValueError, match="country does not fit"):
        replace(picture, country=np.zeros(3, np.int32))
