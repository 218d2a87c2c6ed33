"""The map that is shown: what the next one starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from redclust.db.connect import Connection
from redclust.ops.precalc.atlas import FloatArray, Int32Array, Places
from redclust.ops.precalc.snapshot import People
from redclust.sql import query


@dataclass(frozen=True, slots=True)
class Previous:
    """Where today's subreddits are on the map that is shown, found by name.

    Shapes:
        community: (s,), -1 for a subreddit that is new or in none; position: (s, 2), NaN for a new one.
    """

    fingerprint: str | None
    community: Int32Array
    position: FloatArray

    def places(self, fingerprint: str) -> Places | None:
        """The whole of it, if it was made from the same and is still complete; else None."""
        numbered = np.unique(self.community[self.community >= 0])
        complete = not bool(np.isnan(self.position).any()) and len(numbered) == int(
            self.community.max(initial=-1) + 1
        )
        return Places(self.community, self.position) if complete and fingerprint == self.fingerprint else None

    def seed(self) -> Int32Array | None:
        """The communities to start from; None where there are none."""
        return self.community if bool((self.community >= 0).any()) else None


def read(connection: Connection, people: People) -> Previous:
    """Fetch it; one row a subreddit."""
    n = len(people.subreddit_ids)
    community = np.full(n, -1, np.int32)
    position = np.full((n, 2), np.nan)
    place_of = {subreddit_id: place for place, subreddit_id in enumerate(people.subreddit_ids.tolist())}
    for subreddit_id, community_id, pos_x, pos_y in connection.execute(query("precalc", "previous_map")):
        place = place_of.get(subreddit_id)
        if place is not None:
            community[place] = -1 if community_id is None else community_id
            position[place] = np.nan if pos_x is None else pos_x, np.nan if pos_y is None else pos_y
    row = connection.execute(query("precalc", "previous_fingerprint")).fetchone()
    return Previous(row[0] if row else None, community, position)
