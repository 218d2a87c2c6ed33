"""Going on inside a file: the same rows as an undisturbed reading, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dump_files import PACKINGS, comment, lines, post, read_all, rest_of, rows_of, write

from redclust.dumps.batches import Checkpoint
from redclust.dumps.read import Filters, ResumeMismatch, read

COMMENTS = [comment(i, **({"score": "x"} if i % 50 == 3 else {})) for i in range(1500)]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("filters", [Filters(), Filters(subreddits=frozenset({"sub2"}))])
def test_from_each_checkpoint_the_rest_is_the_same(packing: str, filters: Filters, tmp_path: Path) -> None:
    path = tmp_path / "RC"
    path.write_bytes(PACKINGS[packing](lines(COMMENTS[:600])))
    whole = read_all(path, filters, batch_rows=53)
    assert len(whole.batches) > 10
    for i, batch in enumerate(whole.batches):
        rest = read_all(path, filters, resume=batch.checkpoint, batch_rows=37)
        later = whole.batches[i + 1 :]
        assert rest.rows == [row for one in later for row in rows_of(one)]
        assert rest.rejects == [reject for one in later for reject in one.rejects]
        assert rest.head == whole.head
        for name in ("rows_read", "rows_filtered"):
            assert sum(getattr(b, name) for b in rest.batches) == sum(getattr(b, name) for b in later)
        if later:
            assert rest.batches[-1].checkpoint == later[-1].checkpoint


def test_a_csv_goes_on_without_its_header(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_bytes(
        b"subreddit,username,interactions\n" + b"".join(b"s%d,u%d,1\n" % (i, i) for i in range(100))
    )
    whole = read_all(path, batch_rows=10)
    for i, batch in enumerate(whole.batches):
        assert rest_of(path, batch.checkpoint) == [
            row for one in whole.batches[i + 1 :] for row in rows_of(one)
        ]


def test_another_file_is_refused_before_its_head(tmp_path: Path) -> None:
    path = write(tmp_path / "RC", COMMENTS)
    checkpoint = read_all(path, batch_rows=500).batches[0].checkpoint
    changed = [*COMMENTS[:400], comment(9), *COMMENTS[401:]]
    for things in (changed, COMMENTS[1:]):
        write(path, things)
        with pytest.raises(ResumeMismatch, match="is another file"):
            next(read(path, filters=Filters(), resume=checkpoint))


def test_a_shorter_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "RC", COMMENTS)
    checkpoint = read_all(path, batch_rows=500).batches[0].checkpoint
    write(path, COMMENTS[:300])
    assert isinstance(read_all(path, resume=checkpoint).error, ResumeMismatch)
    path.write_bytes(PACKINGS["gzip"](lines(COMMENTS))[:5000])
    assert isinstance(read_all(path, resume=checkpoint).error, ResumeMismatch)


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "RC", COMMENTS)
    checkpoint = read_all(path, batch_rows=500).batches[0].checkpoint
    assert isinstance(read_all(path, resume=replace(checkpoint, crc32=1)).error, ResumeMismatch)
    assert read_all(path, resume=Checkpoint()).rows == read_all(path).rows


@pytest.mark.parametrize("batch_rows", [1, 10, 999, 1500, 10**6])
def test_batches_end_by_rows(batch_rows: int, tmp_path: Path) -> None:
    path = write(tmp_path / "RC", COMMENTS[:100])
    batches = read_all(path, batch_rows=batch_rows).batches
    assert [batch.rows_read for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert sum(batch.rows_read for batch in batches) == 100


def test_batches_end_by_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "RS", [post(i, selftext="x" * 100_000) for i in range(100)])
    batches = read_all(path, batch_bytes=2**20).batches
    assert 5 <= len(batches) <= 10
    broken = [b'{"x":"' + b"y" * 100_000 + b'"}\n' for _ in range(100)]
    batches = read_all(write(path, [post(0), *broken]), batch_bytes=2**20).batches
    assert len(batches) > 3
    assert sum(len(batch.rejects) for batch in batches) == 100
    assert all(len(reject.raw) == 64 * 1024 for batch in batches for reject in batch.rejects)


def test_the_last_batch_comes_also_when_it_holds_rejects_only(tmp_path: Path) -> None:
    reading = read_all(write(tmp_path / "RC", [comment(0), comment(1), b"{}\n", b"[]\n"]), batch_rows=2)
    assert [len(batch.rejects) for batch in reading.batches] == [0, 2]
    assert reading.batches[-1].checkpoint.line == 4
