"""The ids of subreddits and users by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from psycopg import sql

from redclust.db import tombstones
from redclust.db.connect import Connection
from redclust.sql import query

Table = Literal["subreddits", "users"]

#: In place of the id of an account that is gone, or of its profile: nobody.
GONE = -1
#: In place of the id of one whose texts are gone too.
FORGOTTEN = -2

#: Names whose ids are kept at hand, of subreddits and of users each: some 100 MB.
_REMEMBERED = 1_000_000
#: Accounts whose name says that they are bots.
_BOT = re.compile(
    r"automoderator|autotldr|remindmebot|totesmessenger|sneakpeekbot|imguralbumbot|gifreversingbot|savevideo"
    r"|vredditdownloader|repostsleuthbot|wikitextbot|haikubot-1911|thesaurusbot"
    r"|.*(?:[_-]|auto|mod|moderator|reply|link|info|stats|tldr|image|video)bot"
)
_PROFILE = "u_"


class Names:
    """Looks names up, adds those that are new, and remembers (bounded) what it has looked up.

    What is remembered holds for as long as the lock on references is held, and while the transaction that
    added a name stands.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[Table, dict[str, int]] = {"subreddits": {}, "users": {}}

    def forget(self) -> None:
        """Look everything up again."""
        for known in self._known.values():
            known.clear()

    def ids(self, table: Table, names: Sequence[str]) -> npt.NDArray[np.int32]:
        """The id of each name, ``GONE`` or ``FORGOTTEN`` where there must be none. Shape: (n,)."""
        known = self._known[table]
        if len(known) > _REMEMBERED:
            known.clear()
        self.add(table, [name for name in names if name not in known])
        return np.array([known[name] for name in names], np.int32)

    def add(self, table: Table, names: Sequence[str]) -> int:
        """Look these names up, add those that are new; returns how many were."""
        if not names:
            return 0
        known = self._known[table]
        known.update(self._gone(table, names))
        self._find(table, [name for name in names if name not in known])
        added = self._add(table, [name for name in names if name not in known])
        # Where another writer added a name meanwhile, it is found now.
        self._find(table, [name for name in names if name not in known])
        return added

    def _gone(self, table: Table, names: Sequence[str]) -> dict[str, int]:
        if table == "users":
            gone = tombstones.gone_names(self._connection, names)
            return {name: FORGOTTEN if forgotten else GONE for name, forgotten in gone.items()}
        accounts = {name: name[len(_PROFILE) :] for name in names if name.lower().startswith(_PROFILE)}
        gone = tombstones.gone_names(self._connection, list(accounts.values()))
        return {name: GONE for name, account in accounts.items() if account in gone}

    def _find(self, table: Table, names: Sequence[str]) -> None:
        found = self._run("find_names", table, names).fetchone() if names else None
        if found is None or found[0] is None:
            return
        asked, ids, written = found
        if any(ours < theirs for ours, theirs in zip(asked, written, strict=True)):
            self._run("respell_names", table, names)
        self._known[table].update(zip(asked, ids, strict=True))

    def _add(self, table: Table, names: Sequence[str]) -> int:
        added = self._run("add_names", table, names).fetchone() if names else None
        if added is None or added[0] is None:
            return 0
        ids = dict(zip(added[0], added[1], strict=True))
        self._known[table].update(ids)
        bots = [ids[name] for name in ids if table == "users" and _BOT.fullmatch(name.lower())]
        if bots:
            self._connection.execute(query("store", "mark_bots"), {"ids": bots})
        return len(ids)

    def _run(self, statement: str, table: Table, names: Sequence[str]):
        composed = sql.SQL(query("store", statement)).format(table=sql.Identifier(table))
        return self._connection.execute(composed, {"names": "\n".join(names)})
