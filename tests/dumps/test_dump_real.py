"""Real dumps and real API objects, each row against the plainest reading of the same line."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import zstandard
from dump_files import expected, read_all

from redclust.dumps.reasons import Reason


def plain_lines(path: Path) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=2**31)
    with path.open("rb") as packed:
        yield from io.BufferedReader(decoder.stream_reader(packed, read_across_frames=True))


def test_every_real_comment(shared_data: Path) -> None:
    path = shared_data / "RC_2021-04_small.zst"
    reading = read_all(path)
    assert reading.head is not None
    assert reading.head.window_bytes == 2**31
    assert (reading.error, reading.rejects) == (None, [])
    assert reading.rows == [expected(orjson.loads(line)) for line in plain_lines(path)]
    assert len(reading.rows) == 112_387


def test_every_real_submission(shared_data: Path) -> None:
    path = shared_data / "RS_2013_top_100subs.zst"
    reading = read_all(path)
    assert (reading.error, reading.rejects) == (None, [])
    assert reading.rows == [expected(orjson.loads(line)) for line in plain_lines(path)]
    assert len(reading.rows) == 92_381


def test_every_real_pair(shared_data: Path) -> None:
    path = shared_data / "user_subreddit_edges.csv.zst"
    reading = read_all(path)
    assert (reading.error, reading.rejects) == (None, [])
    fields = [line.decode().rstrip("\r\n").split(",") for line in plain_lines(path)][1:]
    assert [(user.lower(), name.lower(), n) for user, name, n in reading.rows] == [
        (user.lower(), name.lower(), int(n)) for user, name, n in fields
    ]
    assert sum(n for _, _, n in reading.rows) == 1_092_291


def test_api_objects_are_rejected_only_for_what_they_lack(shared_data: Path) -> None:
    for name, lacking, reason in (
        ("t1", "link_id", Reason.NO_LINK_ID),
        ("t3", "subreddit", Reason.NO_SUBREDDIT),
    ):
        path = shared_data / "reddit-api-objects" / f"{name}.ndjson.zst"
        things = [orjson.loads(line) for line in plain_lines(path)]
        reading = read_all(path)
        assert Counter(reading.reasons) == {reason: sum(lacking not in one for one in things)}
        assert all(lacking not in things[reject.line - 1] for reject in reading.rejects)
        assert reading.rows == [expected(one) for one in things if lacking in one]
