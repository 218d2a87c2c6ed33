"""Lines, their numbers and places, however the bytes arrive."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from dump_files import comment, expected, lines, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from redclust.dumps.batches import Checkpoint, Reject
from redclust.dumps.comments import CommentRows
from redclust.dumps.compressed import Damaged
from redclust.dumps.lines import Block, Lines
from redclust.dumps.rows import Filters


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"bcd", b"\r", b"\n", b"\r\n", b"\xc3\xa9", b"x" * 40]), max_size=60),
    st.integers(1, 50),
    st.integers(1, 9),
)
def test_lines_numbers_offsets_and_checksums_are_exact(parts: list[bytes], size: int, most: int) -> None:
    data = b"".join(parts)
    source = Lines(chunked(data, size), at=Checkpoint(), block_bytes=32, max_line_bytes=10**6)
    texts: list[bytes] = []
    while (block := source.take(most)) is not None:
        assert isinstance(block, Block)
        assert len(block) <= most
        assert block.line == len(texts)
        assert data[block.offset_bytes :].startswith(block.data)
        texts += [block.text(i) for i in range(len(block))]
        place = source.checkpoint(7)
        end = block.offset_bytes + len(block.data)
        assert place == Checkpoint(end, len(texts), zlib.crc32(data[:end]), 7)
        assert block.ended == block.data.endswith(b"\n")
    split = data.split(b"\n")
    want = split if split[-1] else split[:-1]
    assert texts == [line.removesuffix(b"\r") for line in want]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_character_split_between_chunks_stays_whole(size: int) -> None:
    comments = [comment(i, body="🦀é" * i) for i in range(30)]
    source = Lines(chunked(lines(comments), size), at=Checkpoint(), block_bytes=100)
    rows = CommentRows(Filters(), latest_s=2e9)
    while (block := source.take(10)) is not None:
        assert isinstance(block, Block)
        rows.add(block)
    assert list(rows_of(rows.finish(source.checkpoint(0)))) == [expected(one) for one in comments]


@pytest.mark.parametrize("size", [1, 13, 64])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_too_long_is_passed_over_whole(size: int, end: bytes) -> None:
    data = b"one\n" + b"x" * 1000 + b"\nthree\n" + b"y" * 500 + end
    source = Lines(chunked(data, size), at=Checkpoint(), block_bytes=64, max_line_bytes=256)
    found: list[tuple[int, int, bytes]] = []
    while (item := source.take(100)) is not None:
        if isinstance(item, Reject):
            found.append((item.line, item.offset_bytes, item.raw[:1]))
        else:
            found += [
                (item.line + i + 1, item.offset_bytes + int(item.start[i]), item.text(i))
                for i in range(len(item))
            ]
    assert found == [(1, 0, b"one"), (2, 4, b"x"), (3, 1005, b"three"), (4, 1011, b"y")]
    assert source.checkpoint(0) == Checkpoint(len(data), 4, zlib.crc32(data), 0)


def test_damage_inside_a_long_line_leaves_the_place_before_it() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one\n"
        yield from chunked(b"x" * 1000, 64)
        raise Damaged("cut")

    source = Lines(chunks(), at=Checkpoint(), block_bytes=64, max_line_bytes=256)
    assert isinstance(source.take(100), Block)
    with pytest.raises(Damaged):
        source.take(100)
    assert source.checkpoint(0) == Checkpoint(4, 1, zlib.crc32(b"one\n"), 0)
