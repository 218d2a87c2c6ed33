"""The map that is shown: what the next one starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from redclust.db.connect import Connection
from redclust.graph.identity import Before
from redclust.ops.precalc.atlas import Places
from redclust.ops.precalc.snapshot import People
from redclust.sql import query

_NOT_ON_IT = (None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Previous:
    """Where today's subreddits are on the map that is shown, by name; ``fingerprint`` tells its making."""

    fingerprint: str | None
    before: Before
    next_id: int

    def places(self, fingerprint: str) -> Places | None:
        """The whole of it, if it was made from the same and nobody has changed it since; else None."""
        places = Places(self.before.levels, self.before.position, self.next_id)
        return places if self.fingerprint == f"{fingerprint} {places.digest()}" else None


def read(connection: Connection, people: People) -> Previous | None:
    """Fetch it, one row a subreddit; None where there is none, also after it was cleared by hand."""
    row = connection.execute(query("precalc", "previous_fingerprint")).fetchone()
    rows = {row[0]: row[1:] for row in connection.execute(query("precalc", "previous_map"))}
    if row is None or not rows:
        return None
    of_ours = [rows.get(i, _NOT_ON_IT) for i in people.subreddit_ids.tolist()]
    levels = [[-1 if one is None else one for one in some[:3]] for some in of_ours]
    position = [[np.nan if one is None else one for one in some[3:]] for some in of_ours]
    before = Before(
        np.array(position, np.float64).reshape(-1, 2),
        np.ascontiguousarray(np.array(levels, np.int32).reshape(-1, 3).T),
    )
    return Previous(row[0], before, row[1])
