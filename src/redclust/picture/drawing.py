"""A `MapPicture` on paper: grounds, edges, circles, then lettering; and the file it goes to."""

from __future__ import annotations

from contextlib import suppress
from os import fsync
from pathlib import Path
from secrets import token_hex

import numpy as np
import numpy.typing as npt

from redclust.errors import UsageError
from redclust.picture.backend import (
    Affine2D,
    Figure,
    Outline,
    PathCollection,
    PathPatch,
    plain_settings,
    save,
)
from redclust.picture.lettering import Lettering
from redclust.picture.model import LabelBox, MapPicture
from redclust.picture.page import AREA_PT2, Page, lay_out
from redclust.picture.palette import GREY, PALETTE, WHITE, Colours, colour_communities, tint
from redclust.picture.regions import outline

Points = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int64]

SUFFIXES = (".svg", ".png")
DPI = 120
#: Circles smaller than this are dots: many in one path, without a rim each.
DOT_PT = 2.0
EDGES_MAX = 16_000
GROUNDS_MAX = 200
#: Nodes from which on a country has an outline of its own.
COUNTRY_NODES = 10

_DOT_STEP_PT = 0.15
_LINES_A_PATH = 2_000
_KAPPA = 0.5522847498
#: A circle of four cubic curves.
_CIRCLE = np.array(
    [
        *([1, 0], [1, _KAPPA], [_KAPPA, 1], [0, 1], [-_KAPPA, 1], [-1, _KAPPA], [-1, 0]),
        *([-1, -_KAPPA], [-_KAPPA, -1], [0, -1], [_KAPPA, -1], [1, -_KAPPA], [1, 0], [1, 0]),
    ],
    dtype=np.float64,
)
_CIRCLE_CODES = [Outline.MOVETO, *([Outline.CURVE4] * 12), Outline.CLOSEPOLY]


def write_picture(picture: MapPicture, path: Path) -> tuple[LabelBox, ...]:
    """See `redclust.picture.draw`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: a map is written as {' or '.join(SUFFIXES)}, not {suffix or 'without a suffix'}",
            hint=f"name it {path.stem}.svg or {path.stem}.png",
        )
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        with part.open("xb") as file, plain_settings():
            sheet = _Sheet(picture)
            save(sheet.figure, file, suffix, dpi=DPI, title=picture.title or "redclust map")
            file.flush()
            fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return tuple(label.box for label in sheet.lettering.labels)


class _Sheet:
    """One picture being made; the constructor draws it all."""

    def __init__(self, picture: MapPicture) -> None:
        self.picture = picture
        header_pt = 28.0 * bool(picture.title) + 20.0 * bool(picture.caption)
        self.page: Page = lay_out(picture.positions, picture.sizes, header_pt)
        self.members: list[Nodes] = [
            np.flatnonzero(picture.community == c) for c in range(len(picture.community_names))
        ]
        #: Communities that have nodes, the biggest first.
        self.shown = sorted(
            (c for c, group in enumerate(self.members) if len(group)), key=lambda c: -len(self.members[c])
        )
        self.colours = self._colours()
        size = (self.page.width / 72.0, self.page.height / 72.0)
        self.figure = Figure(figsize=size, dpi=DPI, facecolor="white")
        self.to_display = Affine2D().scale(1.0 / 72.0) + self.figure.dpi_scale_trans
        self.countries = self._countries()
        self.lettering = Lettering(picture, self.page, self.members, self.countries, self.colours)
        self._draw_grounds()
        self._draw_edges()
        self._draw_nodes()
        self._draw_labels()

    def _colours(self) -> Colours:
        """One row a community, and grey for those without as the last, which -1 finds."""
        colours = np.tile(GREY, (len(self.members) + 1, 1))
        if self.shown:
            centres = np.array([self.page.points[self.members[c]].mean(axis=0) for c in self.shown])
            colours[self.shown] = PALETTE[colour_communities(centres)]
        return colours

    def _fill(self, shape: Outline, colour: Colours, rim: Colours, rim_pt: float) -> None:
        patch = PathPatch(
            shape,
            facecolor=tuple(colour.tolist()),
            edgecolor=tuple(rim.tolist()),
            linewidth=rim_pt,
            joinstyle="round",
            snap=False,
            transform=self.to_display,
        )
        self.figure.add_artist(patch)

    def _lines(self, ends: Points, colour: Colours, line_pt: float, alpha: float) -> None:
        """Draw (k, 2, 2) lines: x, y of start and end. Where lines of one call cross, no tone is added."""
        for start in range(0, len(ends), _LINES_A_PATH):
            points = ends[start : start + _LINES_A_PATH].reshape(-1, 2)
            patch = PathPatch(
                Outline(points, [Outline.MOVETO, Outline.LINETO] * (len(points) // 2)),
                fill=False,
                edgecolor=tuple(colour.tolist()),
                linewidth=line_pt,
                alpha=alpha,
                capstyle="round",
                snap=False,
                transform=self.to_display,
            )
            self.figure.add_artist(patch)

    def _draw_grounds(self) -> None:
        shown = self.shown[:GROUNDS_MAX]
        # About the distance between neighbours, were they spread over half the page.
        spacing = float(np.sqrt(0.5 * AREA_PT2 / max(1, len(self.page.points))))
        sigma = min(max(0.75 * spacing, 6.0), 17.0)
        self._draw_regions(shown, [self.members[c] for c in shown], sigma, 0.84, 0.55)
        # A shade darker.
        of = [int(self.picture.community[group[0]]) for group in self.countries]
        self._draw_regions(of, self.countries, 0.6 * sigma, 0.76, 0.66)

    def _countries(self) -> list[Nodes]:
        """Those that are not all of their community, the biggest first."""
        groups = (
            group
            for c in self.shown[:GROUNDS_MAX]
            for group in self._parts(self.members[c])
            if len(group) < len(self.members[c])
        )
        return sorted(groups, key=lambda group: -len(group))[:GROUNDS_MAX]

    def _parts(self, members: Nodes) -> list[Nodes]:
        """The countries of a community that are worth an outline."""
        if self.picture.country is None:
            return []
        country = self.picture.country[members]
        counted = zip(*np.unique(country[country >= 0], return_counts=True), strict=True)
        return [members[country == one] for one, count in counted if count >= COUNTRY_NODES]

    def _draw_regions(
        self, of: list[int], groups: list[Nodes], sigma: float, ground: float, rim: float
    ) -> None:
        """The outlines of groups of nodes in the tints of the communities that they are of."""
        for community, rings in zip(
            of, outline(self.page.points, self.page.radii, groups, sigma), strict=True
        ):
            if rings:
                shape = Outline.make_compound_path(
                    *(Outline(np.round(ring, 1), closed=True) for ring in rings)
                )
                colour = self.colours[community]
                self._fill(shape, tint(colour, ground), tint(colour, rim), 0.8)

    def _draw_edges(self) -> None:
        picture = self.picture
        heavy = np.argsort(-picture.weight, kind="stable")[:EDGES_MAX]
        source, target = picture.source[heavy], picture.target[heavy]
        ends = np.round(np.stack([self.page.points[source], self.page.points[target]], axis=1), 1)
        thin = float(np.clip(40.0 / np.sqrt(max(1, len(heavy))), 0.3, 0.7))
        # -1 stands for edges that leave a community: grey, and below the others.
        kind = np.where(picture.community[source] == picture.community[target], picture.community[source], -1)
        for community in np.unique(kind).tolist():
            alpha = 0.30 if community < 0 else 0.42
            self._lines(ends[kind == community], self.colours[community], thin, alpha)

    def _draw_nodes(self) -> None:
        """Big ones below, each with a white rim; dots above, by colour and size."""
        points, radii, community = self.page.points, self.page.radii, self.picture.community
        order = np.argsort(-radii, kind="stable")
        for node in order[radii[order] >= DOT_PT].tolist():
            circle = Outline(np.round(points[node] + radii[node] * _CIRCLE, 2), _CIRCLE_CODES)
            self._fill(circle, self.colours[community[node]], WHITE, 0.7)
        dots = np.flatnonzero(radii < DOT_PT)
        steps = np.rint(radii[dots] / _DOT_STEP_PT).astype(np.int64)
        middles = np.round(points[dots], 1)
        # A very short line with round ends is a dot: a tenth of what a circle takes in an .svg.
        ends = np.stack([middles, middles + np.array([0.01, 0.0])], axis=1)
        for c, step in np.unique(np.stack([community[dots], steps], axis=1), axis=0).tolist():
            here = (community[dots] == c) & (steps == step)
            self._lines(ends[here], self.colours[c], 2.0 * _DOT_STEP_PT * step, 1.0)

    def _draw_labels(self) -> None:
        for i, label in enumerate(self.lettering.labels):
            corner = (label.box.x0 + label.halo_pt, label.box.y0 + label.halo_pt)
            ink = tuple(label.colour.tolist())
            # One outline drawn twice, halo and ink, so that an .svg holds it once.
            text = PathCollection(
                [label.word.outline],
                offsets=[corner, corner],
                offset_transform=self.to_display,
                transform=self.to_display,
                facecolors=["white", ink],
                edgecolors=["white", "none"],
                linewidths=[2.0 * label.halo_pt, 0.0],
                joinstyle="round",
            )
            text.set_gid(f"label-{i}")
            self.figure.add_artist(text)
