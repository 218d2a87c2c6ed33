"""A cut or changed file is never taken for a whole one, and what is before the damage is read."""

from __future__ import annotations

import errno
import gzip
import io
import random
from pathlib import Path

import pytest
from dump_files import collect, comment, expected, lines, read_all, rest_of, zstd

from redclust.dumps.compressed import Damaged
from redclust.dumps.read import Filters, read_source
from redclust.dumps.reasons import Reason
from redclust.dumps.source import Source

COMMENTS = [comment(i, body=f"{random.Random(i).random()} " * 40) for i in range(700)]
ROWS = [expected(one) for one in COMMENTS]
DATA = lines(COMMENTS)
PACKED = {
    "zstd": zstd(DATA),
    "zstd without checksum": zstd(DATA, checksum=False),
    "zstd frames": zstd(DATA[:200_000]) + zstd(DATA[200_000:]),
    "gzip": gzip.compress(DATA),
    "gzip members": gzip.compress(DATA[:200_000]) + gzip.compress(DATA[200_000:]),
}
#: Cuts there leave a whole file behind: nothing can tell.
WHOLE = {
    "zstd frames": {len(zstd(DATA[:200_000]))},
    "gzip members": {len(gzip.compress(DATA[:200_000]))},
}


@pytest.mark.parametrize("packing", PACKED)
def test_a_cut_file_is_told_and_read_up_to_the_cut(packing: str, tmp_path: Path) -> None:
    packed = PACKED[packing]
    path = tmp_path / "cut"
    chance = random.Random(packing)
    cuts = {1, 4, 6, 9, len(packed) - 1, len(packed) - 4} | {
        chance.randrange(1, len(packed)) for _ in range(50)
    }
    rows = 0
    for cut in sorted(cuts - WHOLE.get(packing, set())):
        path.write_bytes(packed[:cut])
        reading = read_all(path, batch_rows=200)
        assert reading.error is not None, cut
        assert reading.rejects == []
        assert reading.rows == ROWS[: len(reading.rows)]
        assert len(reading.rows) >= rows, "a longer piece gives no fewer rows"
        rows = len(reading.rows)
        if cut > 20:
            assert isinstance(reading.error, Damaged)
            assert f"truncated: it ends inside a {packing[:4].strip()}" in str(reading.error)
            assert f"at compressed byte {cut:,}" in str(reading.error)
    assert rows > 450


@pytest.mark.parametrize("packing", sorted(set(PACKED) - {"zstd without checksum"}))
def test_a_changed_byte_is_told_unless_nothing_is_lost(packing: str, tmp_path: Path) -> None:
    packed = PACKED[packing]
    path = tmp_path / "changed"
    chance = random.Random(packing)
    told = 0
    for _ in range(50):
        place = chance.randrange(len(packed))
        changed = bytearray(packed)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        reading = read_all(path)
        if reading.error is None:
            assert reading.rows == ROWS, place
        else:
            told += 1
    assert told >= 45


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (b"more", "bytes that are no zstd frame follow"),
        (bytes(10), "bytes that are no zstd frame follow"),
        (b"\x28\xb5", "inside the header of a zstd frame"),
        (b"\x53\x2a\x4d\x18\x09\x00\x00\x00none", "inside a skippable zstd frame"),
        (b"\x53\x2a\x4d\x18\x09", "inside a skippable zstd frame"),
    ],
)
def test_what_follows_the_last_frame_is_told(after: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(PACKED["zstd"] + after)
    reading = read_all(path)
    assert reading.rows == ROWS
    assert isinstance(reading.error, Damaged)
    assert says in str(reading.error)


def test_what_follows_the_last_member_is_told(tmp_path: Path) -> None:
    path = tmp_path / "RC.gz"
    path.write_bytes(PACKED["gzip"] + bytes(300_000) + b"more")
    reading = read_all(path)
    assert reading.rows == ROWS
    assert "bytes that are no gzip member follow" in str(reading.error)


def test_every_cut_of_a_plain_json_file_is_told_or_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "RC"
    comments = [comment(i, body="é") for i in range(2)]
    data = lines(comments)
    ends = [i for i, byte in enumerate(data) if byte == 10]
    between = {*ends, *(end + 1 for end in ends)}
    for cut in range(1, len(data)):
        path.write_bytes(data[:cut])
        reading = read_all(path)
        whole = sum(end <= cut for end in ends)
        assert reading.rows == [expected(one) for one in comments[:whole]]
        assert reading.rejects == []
        assert (reading.error is None) == (cut in between), cut
        if cut < ends[0]:
            assert "ends inside line 1" in str(reading.error)


def test_every_cut_of_a_plain_csv_is_told_or_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    header, data = b"username,subreddit,interactions\r\n", b"ann,golang,123\r\nbob,rust,45\r\n"
    for cut in range(1, len(data)):
        path.write_bytes(header + data[:cut])
        reading = read_all(path)
        whole = data[:cut].count(b"\n")
        assert reading.rows == [("ann", "golang", 123), ("bob", "rust", 45)][:whole]
        complete = reading.error is None and not reading.rejects
        assert complete == data[:cut].endswith(b"\n"), data[:cut]
        if reading.rejects:
            assert reading.reasons == [Reason.CUT_LINE]


def test_a_packed_csv_needs_no_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv.gz"
    path.write_bytes(gzip.compress(b"username,subreddit,interactions\nann,golang,1\nbob,rust,23"))
    reading = read_all(path)
    assert reading.rows == [("ann", "golang", 1), ("bob", "rust", 23)]
    assert (reading.rejects, reading.error) == ([], None)


def test_reading_goes_on_in_the_whole_file_where_the_cut_one_ended(tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    for packing in ("zstd", "gzip"):
        path.write_bytes(PACKED[packing][: len(PACKED[packing]) * 2 // 3])
        cut = read_all(path, batch_rows=100)
        path.write_bytes(PACKED[packing])
        assert 0 < len(cut.rows) < len(ROWS)
        assert cut.rows + rest_of(path, cut.batches[-1].checkpoint) == ROWS


def test_the_damage_is_told_again_to_who_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(PACKED["zstd"][: len(PACKED["zstd"]) * 2 // 3])
    first = read_all(path)
    again = read_all(path, resume=first.batches[-1].checkpoint)
    assert (again.rows, str(again.error)) == ([], str(first.error))


class FailingDisk(io.BytesIO):
    """A file that cannot be read beyond half of it."""

    def read(self, size: int | None = -1, /) -> bytes:
        half = len(self.getbuffer()) // 2
        if self.tell() >= half:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(min(size or 0, half - self.tell()))


@pytest.mark.parametrize("packing", ["zstd", "gzip", "plain"])
def test_a_disk_that_fails_is_told_after_what_it_gave(packing: str) -> None:
    data = DATA if packing == "plain" else PACKED[packing]
    with Source(FailingDisk(data), "RC", None) as source:
        reading = collect(read_source(source, filters=Filters()))
    assert isinstance(reading.error, Damaged)
    assert str(reading.error).endswith(
        f"RC: cannot be read beyond byte {len(data) // 2:,}: Input/output error"
    )
    assert 0 < len(reading.rows) < len(ROWS)
    assert reading.rows == ROWS[: len(reading.rows)]
