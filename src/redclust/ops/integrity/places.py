"""Places of rows (ctid), from the server and back to it as they came: reading them as text takes longer."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from psycopg import pq
from psycopg.adapt import Dumper

from redclust.db.connect import Connection

#: An array of them: one dimension, none is NULL, the type of the elements, how many, the first is number 1.
_HEAD = struct.Struct("!iiIii")
_TID, _TID_ARRAY = 27, 1010
#: Four bytes of length, four of the page, two of the row on it.
_PLACE_BYTES = 10


@dataclass(frozen=True, slots=True)
class Places:
    """Some places, packed."""

    packed: bytes

    def __len__(self) -> int:
        return len(self.packed) // _PLACE_BYTES

    @classmethod
    def received(cls, array: bytes) -> Places:
        """From the server's array of places, in binary."""
        return cls(array[_HEAD.size :])

    def part(self, first: int, end: int) -> Places:
        """Those from the one to before the other."""
        return Places(self.packed[first * _PLACE_BYTES : end * _PLACE_BYTES])


class _Array(Dumper):
    format = pq.Format.BINARY
    oid = _TID_ARRAY

    def dump(self, obj: Places) -> bytes:
        return _HEAD.pack(1, 0, _TID, len(obj), 1) + obj.packed


def register(connection: Connection) -> None:
    """Let this session send places to the server."""
    connection.adapters.register_dumper(Places, _Array)
