"""How many users each pair of subreddits shares, counted from memberships."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from redclust.graph.ordering import stable_order

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
_Pairs = tuple[Int32Array, Int32Array, Int32Array]

#: Increments, and counters, of one block: few enough for its working set to stay in the cache.
_BLOCK = 250_000
#: What a block holds for each increment (two index arrays and a temporary) and for each counter.
_INCREMENT_BYTES = 32
_COUNTER_BYTES = 24
#: With more counters than this for each increment, sorting keys is cheaper than counting them.
_SPARSE_RATIO = 40
#: More threads than this wait for the parts of numpy that hold the interpreter lock.
_MOST_THREADS = 4


#: Two subreddits are small where chance gives them at most one shared user in 2 to this many such pairs.
_SMALL_BITS = 4


class Minimum(NamedTuple):
    """The fewest shared users of a pair that is kept: ``usual``, or ``small`` where both subreddits are.

    Small they are where the product of their sizes is at most a sixteenth of all users, each of the three
    rounded up to a power of two: so it seldom changes which pairs are small ones. To share two users by
    chance is about as rare there as to share three elsewhere, and most subreddits share no more.
    """

    usual: int
    small: int

    def __str__(self) -> str:
        small = "" if self.small == self.usual else f" ({self.small} if both are small)"
        return f"{self.usual}{small}"

    @property
    def least(self) -> int:
        """The fewest shared users of any pair that is kept."""
        return min(self)


@dataclass(frozen=True, slots=True)
class Enough:
    """A :class:`Minimum` for subreddits of known sizes.

    Shapes:
        bits: (n,), the logarithm to 2 of each one's size, rounded up; pairs whose sum is at most ``room``
            are small.
    """

    minimum: Minimum
    bits: npt.NDArray[np.int8]
    room: int

    @classmethod
    def of(cls, users: Int32Array, size: Int64Array, minimum: int | Minimum) -> Enough:
        """``size`` is the number of users of each subreddit, ``users`` has each of them once at least."""
        n_users = int(np.count_nonzero(np.bincount(users))) if len(users) else 1
        return cls.among(n_users, size, minimum)

    @classmethod
    def among(cls, n_users: int, size: Int64Array, minimum: int | Minimum) -> Enough:
        """The same for so many users."""
        if not isinstance(minimum, Minimum):
            minimum = Minimum(minimum, minimum)
        bits = np.ceil(np.log2(np.maximum(size, 1))).astype(np.int8)
        return cls(minimum, bits, max(n_users - 1, 0).bit_length() - _SMALL_BITS)

    def small(self, one: Int32Array | Int64Array, other: Int32Array | Int64Array) -> npt.NDArray[np.bool_]:
        """Which pairs are small."""
        return self.bits[one] + self.bits[other] <= self.room

    def kept(
        self, shared: Int32Array | Int64Array, one: Int32Array | Int64Array, other: Int32Array | Int64Array
    ) -> npt.NDArray[np.bool_]:
        """Which pairs share enough users to be kept."""
        usual, small = self.minimum
        if usual == small:
            return shared >= usual
        return shared >= np.where(self.small(one, other), small, usual)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pairs of subreddits and the users they share: each pair once, source < target, sorted by both."""

    source: Int32Array
    target: Int32Array
    shared: Int32Array


@dataclass(frozen=True, slots=True)
class _Index:
    """Memberships by user, and for each the co-memberships (its *tail*) that follow it.

    Subreddits are renumbered by ascending size (their *rank*): the tails of a small subreddit then end in
    the few large ones, whose counters stay in the cache (measured: 3 times faster than by name).
    """

    rank: Int32Array  # by user, ascending inside each
    position: Int32Array  # in ``rank``, of each membership with a tail; grouped by its rank
    tail: Int32Array  # length, of each position
    start: Int64Array  # increments before each position; one more entry: their total
    row: Int64Array  # first position of each rank; one more entry
    subreddit: Int32Array  # of each rank

    def increments(self, rank: int) -> int:
        """Increments in the rows before ``rank``."""
        return int(self.start[self.row[rank]])

    def reach(self, increments: int) -> int:
        """The last rank before which there are at most so many increments."""
        position = int(np.searchsorted(self.start, increments, side="right")) - 1
        return int(np.searchsorted(self.row, position, side="right")) - 1


@dataclass(frozen=True, slots=True)
class _Block:
    """The rows ``first`` up to ``last`` of the upper triangle of pairs, and how they are to be counted."""

    first: int
    last: int
    dense: bool


def distinct_subreddits(users: Int32Array, n_users: int) -> Int32Array:
    """How many subreddits each user is in: what a cap on bots is applied to.

    Shapes:
        users: (m,) the user of each membership, each (user, subreddit) pair once.
        returns: (n_users,).

    Raises:
        ValueError: a user is negative or not below ``n_users``.
    """
    _require_range("user", users, n_users)
    return np.bincount(users, minlength=n_users).astype(np.int32)


def shared_users(
    users: Int32Array,
    subreddits: Int32Array,
    n_subreddits: int,
    *,
    minimum: int | Minimum,
    memory_bytes: int = 256 * 1024 * 1024,
    progress: Callable[[float], None] | None = None,
) -> Overlap:
    """Count the users that each pair of subreddits shares; exact.

    The cost is one increment for each pair of subreddits of each user, so it grows with the sum of d^2
    over users of d subreddits: leave out users of very many subreddits (bots) before. Besides the
    result (12 bytes a pair, twice while it is sorted) and an index of about 40 bytes a membership,
    the blocks in work take at most ``memory_bytes``, or what one row of ``n_subreddits`` counters takes.

    Blocks are counted in threads, one a core: most of numpy's work on them lets go of the interpreter lock
    (measured on two idle cores: 0.9 s instead of 1.4 s for 133 million increments).

    Shapes:
        users, subreddits: (m,) a membership each, in any order, each pair once.

    ``minimum`` is the fewest shared users of a pair in the result, see :class:`Minimum`. ``progress`` is
    called with the share of the increments done, ascending to 1.

    Raises:
        ValueError: a user is negative, a subreddit is not in ``0 <= s < n_subreddits``, the arrays
            differ in length, a membership is there twice, or ``minimum`` is below 1.
    """
    if users.shape != subreddits.shape or users.ndim != 1:
        raise ValueError(f"users {users.shape} and subreddits {subreddits.shape} must be one length")
    _require_range("user", users, None)
    _require_range("subreddit", subreddits, n_subreddits)
    size = np.bincount(subreddits, minlength=n_subreddits)
    enough = Enough.of(users, size, minimum)
    if enough.minimum.least < 1:
        raise ValueError(f"minimum must be at least 1, not {enough.minimum.least}")
    index = _build_index(users, subreddits, size, enough.minimum.least)
    found: list[_Pairs] = []
    total = max(int(index.start[-1]), 1)
    told = 0.0
    for block, pairs in _counted_blocks(index, enough, memory_bytes):
        found.append(pairs)
        done = index.increments(block.last) / total
        if progress is not None and (done >= told + 0.01 or done >= 1.0 > told):
            progress(done)
            told = done
    if progress is not None and told < 1.0:
        progress(1.0)
    return _in_order(found, n_subreddits)


def _require_range(what: str, values: Int32Array, limit: int | None) -> None:
    if not len(values):
        return
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise ValueError(f"{what} {low} is negative")
    if limit is not None and high >= limit:
        raise ValueError(f"{what} {high} is not below {limit}")


def _build_index(users: Int32Array, subreddits: Int32Array, size: Int64Array, minimum: int) -> _Index:
    n_subreddits = len(size)
    by_size = np.argsort(size, kind="stable").astype(np.int32)
    rank_of = np.empty(n_subreddits, np.int32)
    rank_of[by_size] = np.arange(n_subreddits, dtype=np.int32)
    key = users.astype(np.int64)
    key <<= 32
    key |= rank_of[subreddits]
    key.sort()
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        user, rank = divmod(int(key[twice[0]]), 1 << 32)
        raise ValueError(f"user {user} and subreddit {by_size[rank]} are there twice")
    # The smallest subreddits cannot share ``minimum`` users with any other: away with them.
    dropped = int(np.searchsorted(size[by_size], minimum))
    key = key[(key & 0xFFFFFFFF) >= dropped] if dropped else key
    rank = key.astype(np.uint32).astype(np.int32)
    rank -= np.int32(dropped)
    key >>= 32
    last_of_user = np.ones(len(key), np.bool_)
    np.not_equal(key[1:], key[:-1], out=last_of_user[:-1])
    del key
    end = np.flatnonzero(last_of_user).astype(np.int32)
    tail = np.repeat(end, np.diff(end, prepend=np.int32(-1)))
    tail -= np.arange(len(rank), dtype=np.int32)
    n_ranks = n_subreddits - dropped
    position = np.flatnonzero(tail).astype(np.int32)
    position = position[stable_order(rank[position], n_ranks)]
    tail = tail[position]
    start = np.zeros(len(position) + 1, np.int64)
    np.cumsum(tail, out=start[1:])
    row = np.zeros(n_ranks + 1, np.int64)
    np.cumsum(np.bincount(rank[position], minlength=n_ranks), out=row[1:])
    return _Index(rank, position, tail, start, row, by_size[dropped:])


def _block_limits(memory_bytes: int, n_threads: int) -> tuple[int, int]:
    """The most increments, and counters, of a block when so many threads share the memory."""
    half_bytes = memory_bytes // n_threads // 2
    increments = min(_BLOCK, max(half_bytes // _INCREMENT_BYTES, 1))
    return increments, min(_BLOCK, max(half_bytes // _COUNTER_BYTES, 1))


def _blocks(index: _Index, increments: int, counters: int) -> Generator[_Block]:
    n_ranks = len(index.subreddit)
    first = 0
    while first < n_ranks:
        width = n_ranks - first
        before = index.increments(first)
        by_increments = index.reach(before + increments)
        by_counters = first + counters // width
        last = max(first + 1, min(by_increments, by_counters, n_ranks))
        work = index.increments(last) - before
        dense = work > increments or (last - first) * width <= work * _SPARSE_RATIO
        if not dense:
            last = max(first + 1, min(by_increments, n_ranks))
        yield _Block(first, last, dense)
        first = last


def _counted_blocks(index: _Index, enough: Enough, memory_bytes: int) -> Generator[tuple[_Block, _Pairs]]:
    """Every block with its pairs, in order; a few are in work at a time, so that results do not pile up."""
    n_threads = min(os.cpu_count() or 1, _MOST_THREADS)
    increments, counters = _block_limits(memory_bytes, n_threads)
    waiting: deque[tuple[_Block, Future[_Pairs]]] = deque()
    with ThreadPoolExecutor(n_threads) as threads:
        try:
            for block in _blocks(index, increments, counters):
                waiting.append((block, threads.submit(_count, index, block, enough, increments)))
                if len(waiting) > 4 * n_threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            for done, future in waiting:
                yield done, future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _count(index: _Index, block: _Block, enough: Enough, increments: int) -> _Pairs:
    """The pairs of one block that share enough users, as of :class:`Overlap` but unsorted."""
    minimum = enough.minimum.least
    width = len(index.subreddit) - block.first
    position, stop = int(index.row[block.first]), int(index.row[block.last])
    if block.dense:
        counter = np.zeros((block.last - block.first) * width, np.int64)
        while position < stop:
            reach = np.searchsorted(index.start, int(index.start[position]) + increments, side="right")
            upto = min(max(int(reach) - 1, position + 1), stop)
            counter += np.bincount(_keys(index, block.first, position, upto), minlength=len(counter))
            position = upto
        cell = np.flatnonzero(counter >= minimum)
        shared = counter[cell]
    else:
        key = _keys(index, block.first, position, stop)
        key.sort()
        edge = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1], [True]))) if len(key) else key
        shared = np.diff(edge)
        cell = key[edge[:-1][shared >= minimum]]
        shared = shared[shared >= minimum]
    source, target = cell // width, cell % width
    one, other = index.subreddit[source + block.first], index.subreddit[target + block.first]
    kept = enough.kept(shared, one, other)
    one, other, shared = one[kept], other[kept], shared[kept]
    return np.minimum(one, other), np.maximum(one, other), shared.astype(np.int32)


def _keys(index: _Index, first: int, position: int, upto: int) -> Int64Array:
    """For each increment of the positions, the cell of its pair in a block that begins at rank ``first``."""
    tail = index.tail[position:upto]
    start = index.start[position:upto]
    here = index.position[position:upto]
    member = np.arange(int(index.start[position]), int(index.start[upto]))
    member += np.repeat(here + 1 - start, tail)
    width = len(index.subreddit) - first
    key = np.repeat((index.rank[here].astype(np.int64) - first) * width - first, tail)
    key += index.rank[member]
    return key


def _in_order(found: list[_Pairs], n_subreddits: int) -> Overlap:
    """All pairs sorted by both ends; empties ``found`` on the way, so that they are held once and a bit."""
    n_pairs = sum(len(shared) for _, _, shared in found)
    index_bits = max(n_subreddits - 1, 1).bit_length()
    shared_bits = max((int(shared.max()) for _, _, shared in found if len(shared)), default=1).bit_length()
    if 2 * index_bits + shared_bits > 63:
        source, target, shared = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((target, source))
        return Overlap(source[order], target[order], shared[order])
    # Packed in one integer each, pairs are sorted in place, 5 times faster than by an argsort.
    packed = np.empty(n_pairs, np.int64)
    while found:
        source, target, shared = found.pop()
        n_pairs -= len(shared)
        part = packed[n_pairs : n_pairs + len(shared)]
        part[:] = source
        part <<= index_bits
        part |= target
        part <<= shared_bits
        part |= shared
    packed.sort()
    shared = (packed & ((1 << shared_bits) - 1)).astype(np.int32)
    packed >>= shared_bits
    target = (packed & ((1 << index_bits) - 1)).astype(np.int32)
    packed >>= index_bits
    return Overlap(packed.astype(np.int32), target, shared)
