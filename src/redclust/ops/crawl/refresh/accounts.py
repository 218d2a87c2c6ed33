"""Accounts, looked up again by their numbers, and one by one where one seems to be gone."""

from __future__ import annotations

import time
from collections.abc import Mapping

from redclust.db import locks, tombstones
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.ops.crawl.refresh.asking import Asking
from redclust.ops.crawl.refresh.report import Tally
from redclust.ops.crawl.refresh.store import Store
from redclust.reddit.failures import Unavailable, Verdict
from redclust.reddit.names import base36
from redclust.sql import query

#: So long a page of a crawl takes at most.
_PAGES_S = 60.0


class AccountSweep:
    """Asks after accounts. Reddit leaves out suspended ones too, so that each one left out is asked for."""

    def __init__(self, asking: Asking, store: Store, tally: Tally) -> None:
        self._asking, self._store, self._tally = asking, store, tally
        #: Accounts that seem to be gone, by their ids here.
        self._suspects: dict[int, str] = {}
        self._known: set[int] = set()
        self.gone = 0

    @property
    def waiting(self) -> int:
        """Accounts that are to be asked for one by one."""
        return len(self._suspects)

    def suspect(self, accounts: Mapping[int, str]) -> None:
        self._suspects |= {key: name for key, name in accounts.items() if key not in self._known}

    def look(self, ids: Mapping[int, int]) -> None:
        """One request for up to 100 accounts, whose ids here are given by Reddit's numbers."""
        seen_s = time.time()
        names = {f"t2_{base36(number)}": own for number, own in ids.items()}
        found = self._asking.ask(lambda: self._asking.client.partial_redditors(list(names)))
        self._there([own for name, own in names.items() if name in found], seen_s)
        absent = [own for name, own in names.items() if name not in found]
        if absent:
            rows = self._store.run(
                lambda c: c.execute(query("refresh", "names_of"), {"ids": absent}).fetchall()
            )
            self.suspect(dict(rows))

    def confirm(self) -> None:
        """Ask for each that seems to be gone; what is, is written down at once and erased by ``erase``."""
        while self._suspects:
            own, name = next(iter(self._suspects.items()))
            seen_s = time.time()
            if self._is_there(name):
                self._there([own], seen_s)
            else:
                self._store.run(lambda c, name=name: tombstones.add_names(c, [name], reason="account"))
                # It has been asked for all the same, for as long as its row is there.
                self._there([own], seen_s)
                self._tally.accounts_gone += 1
                self.gone += 1
            self._known.add(own)
            del self._suspects[own]

    def erase(self, database: Database) -> None:
        """Take the names of all accounts that are gone out of every table; a pass over posts and comments.

        Raises:
            Locked: somebody who may have looked such a name up before does not end.
        """
        # Until everybody has let go of it once: who looks a name up from then on finds it gone.
        with locks.hold(database.connector, LockName.REFERENCES, wait_s=_PAGES_S):
            pass
        self._store.run(tombstones.apply)
        self.gone = 0

    def _is_there(self, name: str) -> bool:
        try:
            self._asking.ask(lambda: self._asking.client.user_activity(name, limit=1))
        except Unavailable as found:
            if found.verdict is Verdict.MISSING:
                return False
            self._tally.accounts_suspended += 1
        return True

    def _there(self, ids: list[int], seen_s: float) -> None:
        values = {"ids": ids, "seen_s": seen_s}
        self._store.run(lambda c: c.execute(query("refresh", "check_accounts"), values))
        self._tally.accounts += len(ids)
