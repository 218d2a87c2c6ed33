"""Rows of every era, and each reason for which a line is no row."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dump_files import base36, comment, expected, lines, post, read_all, write
from hypothesis import given, settings
from hypothesis import strategies as st

from redclust.dumps.batches import CommentBatch
from redclust.dumps.read import Filters
from redclust.dumps.reasons import Reason

#: Forms that dumps of 2005 to today have, or that programs which rewrite dumps make of them.
ERAS: dict[str, dict[str, Any]] = {
    "times as text": {"created_utc": "1430438400", "retrieved_on": "1432703079"},
    "times as fractions": {"created_utc": 1411010034.0, "retrieved_on": 1411010035.5},
    "times as text with fractions": {"created_utc": "1411010034.25"},
    "the first day": {"created_utc": 1119552233},
    "retrieved under another name": {"retrieved_on": ..., "retrieved_utc": 1_700_000_000},
    "never retrieved": {"retrieved_on": ...},
    "retrieved is null": {"retrieved_on": None, "retrieved_utc": None},
    "no author": {"author": ...},
    "author is null": {"author": None},
    "author is empty": {"author": ""},
    "author is gone": {"author": "[deleted]"},
    "author is removed": {"author": "[removed]"},
    "odd author": {"author": "<USERNAME>"},
    "no score": {"score": ...},
    "score is null": {"score": None},
    "score is a fraction": {"score": 7.0},
    "great scores": {"score": 2**31 - 1},
    "small scores": {"score": -(2**31) + 1},
    "greatest id": {"id": "1y2p0ij32e8e7"},
    "smallest id": {"id": "0"},
    "id with zeros": {"id": "0000c0001"},
    "a subreddit that is a user's": {"subreddit": "u_some-one_"},
    "extra keys": {"_meta": {"a": [1, {"b": None}]}, "edited": 1430438400.0, "x": "\\ud800"},
}
COMMENT_ERAS: dict[str, dict[str, Any]] = {
    "bare link_id": {"link_id": "h1b2c"},
    "parent is a number": {"parent_id": 36**6},
    "parent is null": {"parent_id": None},
    "no parent": {"parent_id": ...},
    "body is gone": {"body": "[removed]"},
    "empty body": {"body": ""},
    "long body": {"body": "lang " * 8000},
}
POST_ERAS: dict[str, dict[str, Any]] = {
    "no selftext": {"selftext": ...},
    "selftext is null": {"selftext": None},
    "no url": {"url": ...},
    "url is null": {"url": None},
    "no flair": {"link_flair_text": ...},
    "unknown whether self": {"is_self": ...},
    "self is null": {"is_self": None},
    "empty title": {"title": ""},
}


@pytest.mark.parametrize("era", [*ERAS, *COMMENT_ERAS])
def test_a_comment_of_any_era_is_a_row(era: str, tmp_path: Path) -> None:
    odd = comment(1, **(ERAS | COMMENT_ERAS)[era])
    reading = read_all(write(tmp_path / "RC", [comment(0), odd, comment(2)]))
    assert reading.reasons == []
    assert reading.rows == [expected(one) for one in (comment(0), odd, comment(2))]


@pytest.mark.parametrize("era", [*ERAS, *POST_ERAS])
def test_a_submission_of_any_era_is_a_row(era: str, tmp_path: Path) -> None:
    odd = post(1, **(ERAS | POST_ERAS)[era])
    reading = read_all(write(tmp_path / "RS", [post(0), odd, post(2)]))
    assert reading.reasons == []
    assert reading.rows == [expected(one) for one in (post(0), odd, post(2))]


def test_all_eras_in_one_file(tmp_path: Path) -> None:
    odd = [comment(i, **changes) for i, changes in enumerate((ERAS | COMMENT_ERAS).values())]
    assert read_all(write(tmp_path / "RC", odd)).rows == [expected(one) for one in odd]


def half_pair(key: str) -> bytes:
    return lines([comment(1, **{key: "@"})]).replace(b'"@"', b'"cut \\ud83d"')


def test_half_a_surrogate_pair_in_a_key_that_nobody_reads_is_let_through(tmp_path: Path) -> None:
    reading = read_all(write(tmp_path / "RC", [comment(0), half_pair("author_flair_text"), comment(2)]))
    assert (len(reading.rows), reading.reasons) == (3, [])


REJECTED: list[tuple[bytes | dict[str, Any], Reason]] = [
    (b"{\n", Reason.MALFORMED_JSON),
    (lines([comment(1)])[:-2] + b"\n", Reason.MALFORMED_JSON),
    (lines([comment(1)])[:-1] + lines([comment(2)]), Reason.MALFORMED_JSON),
    (lines([comment(1)]).replace(b"}", b"},"), Reason.MALFORMED_JSON),
    (b'{"score": NaN}\n', Reason.MALFORMED_JSON),
    (b'{"body": "a\tb"}\n', Reason.MALFORMED_JSON),
    (b'{"x":' + b"[" * 100_000 + b"\n", Reason.MALFORMED_JSON),
    (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", Reason.MALFORMED_JSON),
    (b"\x00\x00\x00\n", Reason.MALFORMED_JSON),
    (b"null\n", Reason.NOT_AN_OBJECT),
    (b"[1, 2]\n", Reason.NOT_AN_OBJECT),
    (b'"text"\n', Reason.NOT_AN_OBJECT),
    (lines([comment(1)]).replace("é".encode(), b"\xc3"), Reason.BROKEN_UTF8),
    (lines([comment(1, x="@")]).replace(b"@", b"\xed\xa0\x80"), Reason.BROKEN_UTF8),
    (half_pair("body"), Reason.BROKEN_UTF8),
    (half_pair("author"), Reason.BAD_AUTHOR),
    (half_pair("id"), Reason.BAD_ID),
    (comment(1, body="a\0b"), Reason.NUL_BYTE),
    (comment(1, id=...), Reason.NO_ID),
    (comment(1, link_id=...), Reason.NO_LINK_ID),
    (comment(1, subreddit=...), Reason.NO_SUBREDDIT),
    (comment(1, created_utc=...), Reason.NO_CREATED_UTC),
    (comment(1, body=...), Reason.NO_BODY),
    *(
        (comment(1, id=bad), Reason.BAD_ID)
        for bad in (
            "",
            "a_b",
            " ab",
            "a b",
            "+1",
            "-1",
            "é",
            "a\0",
            "1y2p0ij32e8e8",
            "zzzzzzzzzzzzz",
            "z" * 14,
            "z" * 10**6,
            "t1_abc",
            12,
            None,
            ["a"],
        )
    ),
    *(
        (comment(1, link_id=bad), Reason.BAD_LINK_ID)
        for bad in ("", "t3_", "t1_abc", "t3_a_b", "t3_" + "z" * 13, None)
    ),
    *(
        (comment(1, parent_id=bad), Reason.BAD_PARENT_ID)
        for bad in (
            "abc",
            "t1_",
            "t3_",
            "t2_abc",
            "t1_a b",
            "t",
            "t1_" + "z" * 13,
            -1,
            2**63,
            1.5,
            True,
            {},
        )
    ),
    *(
        (comment(1, created_utc=bad), Reason.BAD_CREATED_UTC)
        for bad in (
            0,
            -1,
            1117583999,
            time.time() + 90_000,
            1e300,
            10**30,
            "yesterday",
            "",
            "nan",
            "inf",
            True,
            None,
            [],
        )
    ),
    *((comment(1, retrieved_on=bad), Reason.BAD_RETRIEVED) for bad in (0, 10**12, "x", "inf", False, {})),
    (comment(1, retrieved_on=..., retrieved_utc=1), Reason.BAD_RETRIEVED),
    *((comment(1, score=bad), Reason.BAD_SCORE) for bad in (2**31, -(2**31), 1.5, 10**30, "3", True, [1])),
    (lines([comment(1, score="@")]).replace(b'"@"', b"1e999"), Reason.BAD_SCORE),
    *(
        (comment(1, subreddit=bad), Reason.BAD_SUBREDDIT)
        for bad in (
            "",
            "a b",
            "a/b",
            "é",
            "a\nb",
            "a\n",
            "a\0",
            "x" * 101,
            "\x7f",
            None,
            3,
        )
    ),
    *((comment(1, author=bad), Reason.BAD_AUTHOR) for bad in ("a b", "a/b", "é", "a\nb", "x" * 101, 3, {})),
    *((comment(1, body=bad), Reason.BAD_BODY) for bad in (None, 3, [], {"a": 1})),
]
REJECTED_POSTS: list[tuple[bytes | dict[str, Any], Reason]] = [
    (post(1, title=...), Reason.NO_TITLE),
    (post(1, title=None), Reason.BAD_TITLE),
    (post(1, selftext=False), Reason.BAD_SELFTEXT),
    (post(1, url=1), Reason.BAD_URL),
    (post(1, link_flair_text=[]), Reason.BAD_FLAIR),
    (post(1, is_self="yes"), Reason.BAD_IS_SELF),
    *((post(1, **{key: "\0"}), Reason.NUL_BYTE) for key in ("title", "selftext", "url", "link_flair_text")),
]
REJECTED_PAIRS: list[tuple[bytes, Reason]] = [
    (b"ann,golang\n", Reason.WRONG_FIELDS),
    (b"ann,golang,3,4\n", Reason.WRONG_FIELDS),
    (b"ann\n", Reason.WRONG_FIELDS),
    (b'"ann,golang,3\n', Reason.WRONG_FIELDS),
    (b"a\xff,golang,3\n", Reason.BROKEN_UTF8),
    (b",golang,3\n", Reason.BAD_USERNAME),
    (b"a b,golang,3\n", Reason.BAD_USERNAME),
    ("é,golang,3\n".encode(), Reason.BAD_USERNAME),
    (b"[deleted],golang,3\n", Reason.DELETED_USER),
    (b"ann,,3\n", Reason.BAD_SUBREDDIT),
    (b"ann,r/golang,3\n", Reason.BAD_SUBREDDIT),
    *(
        (b"ann,golang," + bad + b"\n", Reason.BAD_INTERACTIONS)
        for bad in (b"", b"0", b"-1", b"+1", b"1.0", b"1_0", b" 1", b"x", b"2147483648", b"9" * 30)
    ),
    ("ann,golang,٣\n".encode(), Reason.BAD_INTERACTIONS),
]


def names_of(cases: Sequence[tuple[Any, Reason]]) -> list[str]:
    return [reason.name for _, reason in cases]


@pytest.mark.parametrize(("bad", "reason"), REJECTED, ids=names_of(REJECTED))
def test_a_bad_comment_is_set_aside(bad: bytes | dict[str, Any], reason: Reason, tmp_path: Path) -> None:
    _is_set_aside(tmp_path, comment, bad, reason)


@pytest.mark.parametrize(("bad", "reason"), REJECTED_POSTS, ids=names_of(REJECTED_POSTS))
def test_a_bad_submission_is_set_aside(bad: bytes | dict[str, Any], reason: Reason, tmp_path: Path) -> None:
    _is_set_aside(tmp_path, post, bad, reason)


def _is_set_aside(tmp_path: Path, make: Any, bad: bytes | dict[str, Any], reason: Reason) -> None:
    raw = bad if isinstance(bad, bytes) else lines([bad])
    good = [make(0), make(1), make(2)]
    before = lines(good[:2])
    reading = read_all(write(tmp_path / "dump", [before, raw, good[2]]))
    assert reading.rows == [expected(one) for one in good]
    (reject,) = reading.rejects
    assert reject.reason == reason
    assert (reject.line, reject.offset_bytes) == (3, len(before))
    assert reject.raw == raw.rstrip(b"\n")[: 64 * 1024]
    assert reading.batches[0].rows_read == 4
    assert read_all(tmp_path / "dump", batch_rows=1).rejects == [reject]


@pytest.mark.parametrize(("bad", "reason"), REJECTED_PAIRS, ids=names_of(REJECTED_PAIRS))
def test_a_bad_pair_is_set_aside(bad: bytes, reason: Reason, tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    before = b"username,subreddit,interactions\nann,golang,1\n"
    path.write_bytes(before + bad + b"bob,rust,2\n")
    reading = read_all(path)
    assert reading.rows == [("ann", "golang", 1), ("bob", "rust", 2)]
    (reject,) = reading.rejects
    assert (reject.line, reject.offset_bytes, reject.reason) == (3, len(before), reason)
    assert reject.raw == bad.rstrip(b"\n")


def test_a_line_beyond_16_mib_is_set_aside(tmp_path: Path) -> None:
    long = b'{"body":"' + b"x" * (16 * 2**20) + b'"}\n'
    reading = read_all(write(tmp_path / "RC", [comment(0), long, comment(1)]))
    assert (len(reading.rows), reading.reasons) == (2, [Reason.LONG_LINE])
    assert (reading.rejects[0].line, len(reading.rejects[0].raw)) == (2, 64 * 1024)


def test_every_reason_is_tried() -> None:
    tried = {reason for _, reason in (*REJECTED, *REJECTED_POSTS, *REJECTED_PAIRS)}
    assert set(Reason) - tried == {Reason.LONG_LINE, Reason.CUT_LINE}


def test_all_bad_lines_in_one_file_are_each_set_aside(tmp_path: Path) -> None:
    parts: list[bytes | dict[str, Any]] = []
    for i, (bad, _) in enumerate(REJECTED):
        parts += [comment(i), bad]
    reading = read_all(write(tmp_path / "RC", parts))
    assert reading.rows == [expected(comment(i)) for i in range(len(REJECTED))]
    assert reading.reasons == [reason for _, reason in REJECTED]
    assert [reject.line for reject in reading.rejects] == [2 * i + 2 for i in range(len(REJECTED))]


def test_an_object_over_several_lines_is_none_and_hides_no_other(tmp_path: Path) -> None:
    pretty = json.dumps(comment(1), indent=1).encode() + b"\n"
    two = lines([comment(2)])[:-1] + lines([comment(3)])
    reading = read_all(write(tmp_path / "RC", [comment(0), pretty, two, b"\n" * 20, comment(4)]))
    assert [row[0] for row in reading.rows] == [expected(comment(i))[0] for i in (0, 4)]
    assert len(reading.rejects) == pretty.count(b"\n") + 1


def test_names_differ_by_more_than_case_and_keep_the_first_spelling(tmp_path: Path) -> None:
    path = tmp_path / "RC"
    spellings = ["golang", "GoLang", "GOLANG", "rust", "Rust"]
    things = [comment(i, subreddit=name, author=name) for i, name in enumerate(spellings)]
    for order in (things, things[::-1]):
        (batch,) = read_all(write(path, order)).batches
        assert isinstance(batch, CommentBatch)
        assert sorted(batch.subreddit_names) == sorted(batch.author_names) == ["GOLANG", "Rust"]
        rows = {row[0]: row[1:3] for row in read_all(path).rows}
        assert [rows[int(one["id"], 36)] for one in things] == [("GOLANG", "GOLANG")] * 3 + [
            ("Rust", "Rust")
        ] * 2


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(), range(50)),
        (Filters(subreddits=frozenset({"sub2", "none"})), range(2, 50, 5)),
        (Filters(subreddits=frozenset()), []),
        (Filters(since=(1_617_235_210 - 946_684_800) * 10**6), range(10, 50)),
        (Filters(until=(1_617_235_210 - 946_684_800) * 10**6), range(10)),
        (Filters(frozenset({"sub0"}), (1_617_235_210 - 946_684_800) * 10**6, 10**18), range(10, 50, 5)),
    ],
)
def test_filters_let_through_what_they_name(filters: Filters, kept: Any, tmp_path: Path) -> None:
    things = [comment(i) for i in range(50)]
    reading = read_all(write(tmp_path / "RC", [*things, b"{}\n"]), filters)
    assert reading.rows == [expected(things[i]) for i in kept]
    (batch,) = reading.batches
    assert (batch.rows_read, batch.rows_filtered, len(batch.rejects)) == (51, 50 - len(kept), 1)
    assert isinstance(batch, CommentBatch)
    assert {*batch.subreddit_names} == {things[i]["subreddit"] for i in kept}
    assert {*batch.author_names} == {things[i]["author"] for i in kept}


def test_a_filter_reaches_pairs_too(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_bytes(b"username,subreddit,interactions\nann,Golang,1\nbob,rust,2\n")
    reading = read_all(path, Filters(subreddits=frozenset({"golang"})))
    assert reading.rows == [("ann", "Golang", 1)]
    assert reading.batches[0].rows_filtered == 1


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1, max_size=100
)
ids = st.integers(0, 2**63 - 1)
seconds = st.integers(1_117_600_000, 1_700_000_000)
commons = {
    "id": ids.map(base36),
    "author": st.none() | st.sampled_from(["[deleted]", ""]) | names,
    "created_utc": seconds | seconds.map(str) | seconds.map(float),
    "retrieved_on": st.none() | seconds | seconds.map(str),
    "score": st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
    "subreddit": names,
}
comments = st.fixed_dictionaries(
    {
        **commons,
        "body": texts,
        "link_id": ids.map(lambda n: "t3_" + base36(n)) | ids.map(base36),
        "parent_id": st.none()
        | ids
        | ids.map(lambda n: "t1_" + base36(n))
        | ids.map(lambda n: "t3_" + base36(n)),
    }
)
posts = st.fixed_dictionaries(
    {
        **commons,
        "title": texts,
        "selftext": st.none() | texts,
        "url": st.none() | texts,
        "link_flair_text": st.none() | texts,
        "is_self": st.none() | st.booleans(),
    }
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(comments, min_size=1, max_size=8) | st.lists(posts, min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_rows_survive_the_way_through_json(
    tmp_path_factory: pytest.TempPathFactory, things: list[dict[str, Any]], ascii_only: bool, crlf: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "round"
    data = lines(things, ascii_only=ascii_only)
    path.write_bytes(data.replace(b"\n", b"\r\n") if crlf else data)
    reading = read_all(path)
    assert reading.reasons == []
    assert [folded(row) for row in reading.rows] == [folded(expected(one)) for one in things]


def folded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Names without their spelling: of several the first by code point stays."""
    return (row[0], row[1].lower(), row[2].lower() if row[2] else None, *row[3:])
