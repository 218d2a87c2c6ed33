"""Names of subreddits and users to indices, each name once a batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from redclust.dumps.batches import Int32

#: A name: 1 to 100 printable ASCII characters without blanks and slashes.
_NAME = re.compile(r"[!-.0-~]{1,100}")
_NAMES = re.compile(r"(?:[!-.0-~]{1,100}\n)*")

#: How dumps write that an account is gone.
NOBODY: tuple[str | None, ...] = (None, "", "[deleted]", "[removed]")


class _Places(dict[str | None, int]):
    """Gives each new name the next number."""

    def __init__(self, absent: Iterable[str | None]) -> None:
        super().__init__(dict.fromkeys(absent, -1))
        self.names: list[str] = []

    def __missing__(self, name: str) -> int:
        place = self[name] = len(self.names)
        self.names.append(name)
        return place


class NameIndex:
    """Gives each spelling an index; ``absent`` values get -1."""

    def __init__(self, absent: Iterable[str | None] = ()) -> None:
        self._places = _Places(absent)

    def indices(self, values: Sequence[str | None]) -> tuple[Int32, list[int]]:
        """The indices of ``values``, and which of them are no names; then none are learned. Shape: (n,)."""
        places, names = self._places, self._places.names
        before = len(names)
        indices = np.fromiter(map(places.__getitem__, values), np.int32, len(values))
        new = names[before:]
        joined = "\n".join([*new, ""])
        if joined.count("\n") == len(new) and _NAMES.fullmatch(joined):
            return indices, []
        del names[before:]
        for name in new:
            del places[name]
        unfit = {name for name in new if not _NAME.fullmatch(name)}
        return indices, [i for i, value in enumerate(values) if value in unfit]

    def distinct(self, used: Int32) -> tuple[list[str], Int32]:
        """The names that ``used`` refers to, once by lower case, and ``used`` rewritten to refer to them.

        Of several spellings the smallest by code point stays, so that the order of rows does not matter.
        """
        names = self._places.names
        is_used = np.zeros(len(names) + 1, np.bool_)
        is_used[used] = True
        spelling: dict[str, str] = {}
        folded = [name.lower() for name in names]
        if is_used[:-1].all() and len(set(folded)) == len(folded):
            return names, used
        for name, lower, needed in zip(names, folded, is_used[:-1].tolist(), strict=True):
            if needed:
                spelling[lower] = min(spelling.get(lower, name), name)
        place = {lower: i for i, lower in enumerate(spelling)}
        # Index -1, nobody, reaches the last element.
        rewritten = np.array([*(place.get(lower, -1) for lower in folded), -1], np.int32)
        return list(spelling.values()), rewritten[used]
