"""``graph map``: the graph as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops.graph.snapshot import snapshot
from redclust.report import Progress, Report
from redclust.sql import query

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from redclust.picture import LabelBox, MapPicture

#: Links drawn of each subreddit at most.
STRONGEST = 10


@dataclass(frozen=True, slots=True)
class MapReport(Report):
    """The picture and what is on it; ``path`` is None where there was nothing to draw.

    ``left_out_in_no_community`` are big enough but related to none above chance;
    ``left_out_without_position`` belong on the map, but precalc gave them no place.
    """

    verb: ClassVar[str] = "graph.map"
    path: str | None
    size_bytes: int
    subreddits: int
    left_out_in_no_community: int
    left_out_without_position: int
    communities: int
    links: int
    labels: tuple[LabelBox, ...]

    @property
    def ok(self) -> bool:
        return self.path is not None


def draw_map(
    database: Database, path: Path, progress: Progress, *, min_users: int = 0, loose: bool = False
) -> MapReport:
    """Draw the subreddits of at least ``min_users`` users with their ``STRONGEST`` links above chance.

    Those in no community only with ``loose``: their places mean nothing, and where there are many they
    fill the page. Reads every link once and sorts those between subreddits (a few seconds for five million).

    Raises:
        UsageError: the suffix is neither .svg nor .png; the file cannot be written.
    """
    # numpy and matplotlib: only who draws waits for them.
    from redclust.picture import draw

    with progress.task("reading the graph"), snapshot(database, bulk=True) as connection:
        selection = {"min_val": min_users, "loose": loose}
        picture = _picture(connection, selection)
        ((alone, unplaced),) = connection.execute(query("graph", "map_left_out"), selection).fetchall()
    if not picture.names:
        return MapReport(None, 0, 0, alone, unplaced, 0, 0, ())
    with progress.task("drawing"):
        labels = draw(picture, path)
    return MapReport(
        path=str(path),
        size_bytes=path.stat().st_size,
        subreddits=len(picture.names),
        left_out_in_no_community=alone,
        left_out_without_position=unplaced,
        communities=len(picture.community_names),
        links=len(picture.source),
        labels=labels,
    )


def _picture(connection: Connection, selection: dict[str, Any]) -> MapPicture:
    import numpy as np

    from redclust.picture import MapPicture

    rows = connection.execute(query("graph", "map_nodes"), selection).fetchall()
    named = connection.execute(query("graph", "map_communities")).fetchall()
    countries = connection.execute(query("graph", "map_countries")).fetchall()
    used = {row[4] for row in rows}
    place = {identity: i for i, (identity, _) in enumerate(c for c in named if c[0] in used)}
    source, target, weight = _backbone(connection, selection, len(rows))
    run = connection.execute(query("graph", "shown_run")).fetchone()
    community = np.array([place.get(row[4], -1) for row in rows], np.int32)
    inside = int(np.count_nonzero(community >= 0))
    told = "Area: users. Lines: more shared users than by chance."
    if inside < len(rows):
        told += f" Grey: {len(rows) - inside:,} in no community."
    if run:
        told = f"Computed {run[0]:%Y-%m-%d %H:%M} UTC. {told}"
    return MapPicture(
        positions=np.array([row[2:4] for row in rows], np.float64).reshape(-1, 2),
        sizes=np.array([row[1] for row in rows], np.float64),
        names=[row[0] for row in rows],
        community=community,
        country=np.array([row[5] for row in rows], np.int32),
        country_names={identity: label.split(", ") for identity, label in countries},
        community_names=[label for identity, label in named if identity in place],
        source=source,
        target=target,
        weight=weight,
        title=f"{inside:,} subreddits in {len(place):,} communities",
        caption=told,
    )


def _backbone(
    connection: Connection, selection: dict[str, Any], n: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    import numpy as np

    from redclust.graph.weights import backbone

    packed = np.dtype([("source", ">i4"), ("target", ">i4"), ("weight", ">f8")])
    blocks = connection.execute(query("graph", "map_links"), selection)
    links = np.concatenate([np.empty(0, packed), *(np.frombuffer(block, packed) for (block,) in blocks)])
    # Of equally strong links the first are kept: the same ones whatever order the database has them in.
    links = links[np.lexsort((links["target"], links["source"]))]
    source, target = links["source"].astype(np.int32), links["target"].astype(np.int32)
    weight = links["weight"].astype(np.float64)
    kept = backbone(source, target, weight, n, STRONGEST)
    return source[kept], target[kept], weight[kept]
