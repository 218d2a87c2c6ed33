"""What a file is, is told by its content alone."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dump_files import PACKINGS, Reading, comment, expected, lines, post, read_all, write, zstd

from redclust.dumps.compressed import Damaged
from redclust.dumps.kinds import Kind
from redclust.dumps.read import Filters, fingerprint
from redclust.dumps.source import Format, open_source
from redclust.errors import ArtefactUnusable, UsageError

COMMENTS = [comment(i) for i in range(3000)]
CSV = b"username,subreddit,interactions\n" + b"".join(
    b"u_%d,Sub%d,%d\n" % (i, i % 9, i + 1) for i in range(3000)
)


@pytest.mark.parametrize("packing", PACKINGS)
def test_comments_are_the_same_rows_in_every_packing(packing: str, tmp_path: Path) -> None:
    path = tmp_path / "RC_2021-04.txt"
    path.write_bytes(PACKINGS[packing](lines(COMMENTS)))
    reading = read_all(path)
    assert reading.error is None
    assert reading.rejects == []
    assert reading.rows == [expected(one) for one in COMMENTS]
    assert reading.head is not None
    assert reading.head.kind is Kind.COMMENTS
    assert reading.head.format is Format(packing[:4] if packing[:4] in ("zstd", "gzip") else "plain")
    assert reading.head.total_bytes == path.stat().st_size
    assert reading.head.fingerprint == fingerprint(path)


@pytest.mark.parametrize("packing", sorted(set(PACKINGS) - {"plain without last line end"}))
def test_interactions_are_the_same_rows_in_every_packing(packing: str, tmp_path: Path) -> None:
    path = tmp_path / "edges"
    path.write_bytes(PACKINGS[packing](CSV))
    reading = read_all(path, batch_rows=1000)
    assert (reading.error, reading.rejects) == (None, [])
    assert reading.rows == [(f"u_{i}", f"Sub{i % 9}", i + 1) for i in range(3000)]
    assert reading.head is not None
    assert reading.head.kind is Kind.INTERACTIONS


def test_submissions_are_known_by_their_title(tmp_path: Path) -> None:
    posts = [post(i) for i in range(100)]
    reading = read_all(write(tmp_path / "RC.zst", posts))
    assert reading.head is not None
    assert reading.head.kind is Kind.SUBMISSIONS
    assert reading.rows == [expected(one) for one in posts]


def test_the_first_lines_may_be_broken(tmp_path: Path) -> None:
    reading = read_all(write(tmp_path / "x", [b'{"id":"abc"\n', b"\xff\xfe\n", b"[]\n", comment()]))
    assert len(reading.rows) == 1
    assert len(reading.rejects) == 3


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("subreddit,username,interactions", "golang,ann,3"),
        ("Interactions,SUBREDDIT,Username", "3,golang,ann"),
        ('"username","subreddit","interactions"', '"ann","golang","3"'),
        (" username , interactions,subreddit", "ann,3,golang"),
    ],
)
def test_columns_of_a_csv_stand_in_any_order(header: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(f"{header}\n{row}\n")
    assert read_all(path).rows == [("ann", "golang", 3)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "holds nothing"),
        (zstd(b""), "holds nothing"),
        (b"\n\r\n  \n", "holds blank lines only"),
        (b"id;name\n1;x\n", "text that begins with 'id;name'"),
        (b"username,subreddit\nann,golang\n", "'username,subreddit'"),
        (b"username,subreddit,interactions,more\n", "more"),
        (b"\x00\x01\x02\x03", r"'\x00\x01\x02\x03'"),
        (b'{"kind":"Listing","data":{}}\n', "JSON with the keys kind, data"),
        (b'{"display_name":"golang","title":"Go","id":"2rc7j"}\n', "display_name"),
        (bz2.compress(b"x"), "is bzip2"),
        (lzma.compress(b"x"), "is xz"),
    ],
)
def test_what_is_not_understood_is_named(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "RC_2021-04.zst"
    path.write_bytes(data)
    error = read_all(path).error
    assert error is not None
    assert not isinstance(error, Damaged)
    assert says in str(error)
    assert str(path) in str(error)


def test_a_first_line_beyond_all_bounds_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"{" * (40 * 2**20), 1))
    assert "first line is longer than 16 MiB" in str(read_all(path).error)


def test_a_wide_window_is_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(zstd(lines(COMMENTS), window_log=27))
    reading = read_all(path)
    assert reading.head is not None
    assert reading.head.window_bytes == 2**27
    assert reading.rows == [expected(one) for one in COMMENTS]


def frame(exponent: int, content: bytes) -> bytes:
    """A frame of one raw block, whose window is two to the power of ``exponent``."""
    return (
        b"\x28\xb5\x2f\xfd\x00"
        + bytes([(exponent - 10) << 3])
        + (len(content) << 3 | 1).to_bytes(3, "little")
        + content
    )


def test_a_window_of_2_gib_is_the_widest(tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(frame(31, lines([comment()])))
    assert len(read_all(path).rows) == 1
    path.write_bytes(frame(32, lines([comment()])))
    assert "4,096 MiB; at most 2,048 MiB" in str(read_all(path).error)


def test_a_window_beyond_the_memory_there_is_says_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(frame(31, lines([comment()])))
    script = f"""
import resource
from pathlib import Path
from redclust.dumps.read import Filters, read
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 2**30, -1))
list(read(Path({str(path)!r}), filters=Filters()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "ArtefactUnusable" in done.stderr
    assert "needs 2,048 MiB of memory, 1,0" in done.stderr


def test_standard_input_is_read_as_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(zstd(lines(COMMENTS)))
    script = """
from redclust.dumps.read import Filters, read
head, *batches = read(None, filters=Filters())
print(head.kind.value, head.total_bytes, head.fingerprint, sum(len(b.id) for b in batches))
"""
    with path.open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-c", script], stdin=stream, capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["comments", "None", fingerprint(path), "3000"]


def test_chunks_are_small_however_well_the_data_compresses(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    pack: Callable[[bytes], bytes]
    for pack in (zstd, gzip.compress):
        path.write_bytes(pack(bytes(50 * 2**20)))
        with open_source(path) as source:
            sizes = [len(chunk) for chunk in source.chunks()]
            assert source.read_bytes == path.stat().st_size
        assert sum(sizes) == 50 * 2**20
        assert max(sizes) <= 128 * 1024


def test_interactions_cannot_be_chosen_by_time(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_bytes(CSV)
    with pytest.raises(UsageError, match="have no times"):
        read_all(path, Filters(since=0))


def test_a_file_that_cannot_be_opened_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(ArtefactUnusable, match="No such file"):
        open_source(tmp_path / "missing")
    with pytest.raises(ArtefactUnusable, match="directory"):
        open_source(tmp_path)


def test_a_fingerprint_is_of_the_content_not_of_the_packing(tmp_path: Path) -> None:
    found: set[str] = set()
    for name in ("zstd", "gzip members", "plain"):
        path = tmp_path / name
        path.write_bytes(PACKINGS[name](lines(COMMENTS)))
        found.add(fingerprint(path))
    path.write_bytes(lines(COMMENTS[1:]))
    assert len(found) == 1
    assert fingerprint(path) not in found


def test_an_empty_table_is_a_head_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_bytes(b"username,subreddit,interactions\r\n")
    reading: Reading = read_all(path)
    assert reading.head is not None
    assert (reading.rows, reading.rejects, reading.error) == ([], [], None)
