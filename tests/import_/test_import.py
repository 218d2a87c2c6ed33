"""``redclust import`` on real and on small dumps: counts, order, idempotence, rejects."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import SOAK, Clones, Redclust, rounds
from natural import comment, contents, digest, submission, versions, write_dump
from redclust.db.connect import Connector
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.ops.import_ import ImportReport, import_files
from redclust.report import Silent


def load(database: Database, *paths: Path, rejects: Path, **options: Any) -> ImportReport:
    filters = options.pop("filters", Filters())
    return import_files(
        database,
        list(paths),
        filters=filters,
        batch_rows=options.pop("batch_rows", 50_000),
        rejects_dir=rejects,
        progress=Silent(),
    )


def count(database: Database, statement: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def test_real_dumps_equal_an_independent_count(database: Database, shared_data: Path, tmp_path: Path) -> None:
    comments, posts = shared_data / "RC_2021-04_small.zst", shared_data / "RS_2013_top_100subs.zst"
    report = load(database, comments, posts, rejects=tmp_path)
    assert report.ok
    expected = _independent_count(comments)
    assert count(database, "SELECT count(*) FROM comments") == expected["comments"] == 112_387
    assert count(database, "SELECT count(*) FROM posts WHERE placeholder") == expected["posts"] == 63_077
    assert count(database, "SELECT count(*) FROM posts WHERE NOT placeholder") == 92_381
    assert count(database, "SELECT count(*) FROM users") == expected["authors"]
    assert count(database, "SELECT count(*) FROM users WHERE bot_reason IS NOT NULL") == 1
    before = versions(database)
    again = load(database, posts, comments, rejects=tmp_path)
    assert again.ok
    assert sum(file.added_rows + file.replaced_rows for file in again.files) == 0
    assert versions(database) == before


@pytest.mark.parametrize("lines", [pytest.param(None, marks=pytest.mark.soak) if SOAK else 12_000])
def test_real_dumps_in_another_order_are_the_same(
    database: Database, clones: Clones, shared_data: Path, tmp_path: Path, lines: int | None
) -> None:
    whole = [shared_data / "RC_2021-04_small.zst", shared_data / "RS_2013_top_100subs.zst"]
    paths = [_beginning(path, tmp_path / path.name, lines) for path in whole]
    load(database, *paths, rejects=tmp_path)
    other = Database(Connector(clones.make(), database.connector.settings, "test"))
    load(other, *reversed(paths), rejects=tmp_path, batch_rows=17_000 if lines is None else 1_700)
    assert digest(other) == digest(database)


def _beginning(path: Path, copy: Path, lines: int | None) -> Path:
    """The dump itself, or a copy of so many of its lines."""
    if lines is None:
        return path
    with path.open("rb") as file, io.BufferedReader(_plain(file)) as plain:
        copy.write_bytes(zstandard.compress(b"".join(plain.readline() for _ in range(lines))))
    return copy


def _plain(file: BinaryIO) -> zstandard.ZstdDecompressionReader:
    return zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file)


def _independent_count(path: Path) -> dict[str, int]:
    ids: set[str] = set()
    posts: set[str] = set()
    authors: set[str] = set()
    with path.open("rb") as file:
        for line in _plain(file).read(1 << 30).splitlines():
            row = orjson.loads(line)
            ids.add(row["id"])
            posts.add(row["link_id"])
            if row["author"] != "[deleted]":
                authors.add(row["author"].lower())
    return {"comments": len(ids), "posts": len(posts), "authors": len(authors)}


def test_a_csv_counts_once_however_often_and_under_whatever_name(database: Database, tmp_path: Path) -> None:
    text = "username,subreddit,interactions\r\n" + "".join(f"u{i},s{i % 9},{i + 1}\r\n" for i in range(500))
    first, renamed = tmp_path / "edges.csv", tmp_path / "copy.csv.zst"
    first.write_text(text)
    renamed.write_bytes(zstandard.compress(text.encode()))
    assert load(database, first, rejects=tmp_path).ok
    before = versions(database)
    assert load(database, renamed, first, rejects=tmp_path).ok
    assert count(database, "SELECT sum(n) FROM imported_interactions") == 500 * 501 // 2
    assert versions(database) == before


def test_a_filtered_import_and_a_whole_one_of_the_same_csv_count_once(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("username,subreddit,interactions\nann,golang,3\nann,rust,4\n")
    load(database, path, rejects=tmp_path, filters=Filters(subreddits=frozenset({"golang"})))
    assert count(database, "SELECT sum(n) FROM imported_interactions") == 3
    load(database, path, rejects=tmp_path)
    assert count(database, "SELECT sum(n) FROM imported_interactions") == 7


def test_bad_lines_are_set_aside_with_number_and_reason(redclust: Redclust, tmp_path: Path) -> None:
    lines = [json.dumps(comment(n)) for n in range(5)]
    lines[1:1] = ["{broken", json.dumps({**comment(9), "body": "a\0b"}), json.dumps({"id": "x1"})]
    path = tmp_path / "RC.ndjson"
    path.write_text("\n".join(lines) + "\n")
    done = redclust("import", str(path), "--format", "json", check=3)
    file = json.loads(done.stdout)["files"][0]
    assert (file["state"], file["rows_rejected"], file["added_rows"]) == ("partial", 3, 5)
    rejects = [json.loads(line) for line in Path(file["rejects_file"]).read_text().splitlines()]
    assert [r["line"] for r in rejects] == [2, 3, 4]
    assert all(r["reason"] and r["raw"] for r in rejects)
    assert Path(file["rejects_file"]).stat().st_mode & 0o077 == 0


def test_filters_by_subreddit_and_time(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    rows = [
        comment(n, subreddit="Rust" if n % 2 else "golang", created_utc=1_600_000_000 + 86_400 * n)
        for n in range(10)
    ]
    path = write_dump(tmp_path / "RC.zst", rows)
    redclust(
        "import",
        str(path),
        "--subreddit",
        "r/RUST",
        "--since",
        "2020-09-15",
        "--until",
        "2020-09-20",
        check=0,
    )
    found = contents(database)["comments"]
    expected = [
        r for r in rows if r["subreddit"] == "Rust" and 1_600_128_000 <= r["created_utc"] < 1_600_560_000
    ]
    assert len(found) == len(expected) > 0


def test_standard_input(redclust: Redclust, database: Database) -> None:
    text = "".join(json.dumps(comment(n)) + "\n" for n in range(100))
    redclust("import", "-", stdin=text, check=0, fresh=True)
    assert count(database, "SELECT count(*) FROM comments") == 100


def test_missing_and_unknown_files_are_named(redclust: Redclust, tmp_path: Path) -> None:
    done = redclust("import", str(tmp_path / "nothing.zst"), check=2)
    assert "nothing.zst" in done.stderr
    odd = tmp_path / "notes.txt"
    odd.write_text("dear diary\n")
    done = redclust("import", str(odd), check=16)
    assert "notes.txt" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_seen_post_replaces_its_placeholder(database: Database, tmp_path: Path) -> None:
    load(database, write_dump(tmp_path / "RC.zst", [comment(1)]), rejects=tmp_path)
    assert count(database, "SELECT placeholder FROM posts") is True
    load(database, write_dump(tmp_path / "RS.zst", [submission("p1")]), rejects=tmp_path)
    assert count(database, "SELECT title FROM posts WHERE NOT placeholder") == "post p1"


_rows = st.lists(
    st.builds(
        lambda number, retrieved, body, author, subreddit, post: comment(
            number,
            retrieved_on=retrieved,
            body=body,
            author=author,
            subreddit=subreddit,
            link_id=f"t3_{post}",
            parent_id=f"t3_{post}",
        ),
        st.integers(0, 5),
        st.sampled_from([None, 1_600_100_000, 1_600_200_000]),
        st.sampled_from(["", "a", "b", "Ä"]),
        st.sampled_from(["ann", "Ann", "bob", "[deleted]", None]),
        st.sampled_from(["golang", "Golang", "rust"]),
        st.sampled_from(["p1", "p2", "p3"]),
    ),
    max_size=12,
)
_posts = st.lists(
    st.builds(
        lambda name, retrieved, title, author, subreddit: submission(
            name, retrieved_on=retrieved, title=title, author=author, subreddit=subreddit
        ),
        st.sampled_from(["p1", "p2", "p3"]),
        st.sampled_from([None, 1_600_100_000, 1_600_200_000]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["ann", "BOB", "[deleted]"]),
        st.sampled_from(["golang", "Golang", "rust"]),
    ),
    max_size=8,
)


@pytest.mark.parametrize("number", rounds(1, 4))
@settings(
    max_examples=100 if SOAK else 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=_rows, second=_rows, posts=_posts, seed=st.integers(0, 2**32))
def test_the_order_of_files_and_rows_does_not_matter(
    database: Database,
    tmp_path_factory: Any,
    first: list[dict[str, Any]],
    second: list[dict[str, Any]],
    posts: list[dict[str, Any]],
    seed: int,
    number: int,
) -> None:
    folder: Path = tmp_path_factory.mktemp("order")
    chance = random.Random(seed + number)
    kinds = [("RC_1", first), ("RC_2", second), ("RS", posts)]
    results: list[dict[str, Any]] = []
    for attempt in range(2):
        with database.connect() as connection:
            connection.execute("TRUNCATE subreddits, users, posts, comments, import_files CASCADE")
        for name, rows in kinds:
            if rows:
                path = write_dump(folder / f"{name}_{attempt}.zst", rows)
                assert load(database, path, rejects=folder, batch_rows=chance.choice([1, 3, 100])).ok
        results.append(contents(database))
        chance.shuffle(kinds)
        for _, rows in kinds:
            chance.shuffle(rows)
    assert results[0] == results[1]


def test_references_hold_after_any_import(database: Database, tmp_path: Path) -> None:
    rows = [comment(n, author=None if n % 3 == 0 else f"u{n}") for n in range(200)]
    load(database, write_dump(tmp_path / "RC.zst", rows), rejects=tmp_path, batch_rows=13)
    orphans = """
        SELECT count(*) FROM comments c
        WHERE NOT EXISTS (SELECT FROM posts p WHERE p.id = c.post_id)
           OR NOT EXISTS (SELECT FROM subreddits s WHERE s.id = c.subreddit_id)
           OR c.author_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = c.author_id)"""
    assert count(database, orphans) == 0


def test_a_filter_that_one_file_has_no_column_for_spoils_only_that_file(
    redclust: Redclust, database: Database, tmp_path: Path
) -> None:
    edges = tmp_path / "edges.csv"
    edges.write_text("username,subreddit,interactions\nann,golang,3\n")
    dump = write_dump(tmp_path / "RC.zst", [comment(n) for n in range(5)])
    done = redclust("import", str(edges), str(dump), "--since", "2010-01-01", check=16)
    assert "edges.csv: not imported" in done.stdout
    assert count(database, "SELECT count(*) FROM comments") == 5
    assert count(database, "SELECT count(*) FROM imported_interactions") == 0


def test_two_csvs_with_the_same_beginning_are_two_files(database: Database, tmp_path: Path) -> None:
    same = "username,subreddit,interactions\n" + "".join(f"user{i},sub{i % 9},2\n" for i in range(600))
    first, second = tmp_path / "march.csv", tmp_path / "april.csv"
    first.write_text(same + "zed,golang,3\n")
    second.write_text(same + "zed,golang,4\n")
    for paths in ((first, second), (second, first)):
        assert load(database, *paths, rejects=tmp_path).ok
        assert count(database, "SELECT sum(n) FROM imported_interactions") == 2 * 600 * 2 + 7
    assert count(database, "SELECT count(*) FROM import_files") == 2


def test_a_csv_that_was_cut_and_then_came_whole_counts_once(database: Database, tmp_path: Path) -> None:
    text = "username,subreddit,interactions\n" + "".join(
        f"u{i * 7919},s{i % 9},{i + 1}\n" for i in range(5000)
    )
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(text.encode())
    cut, path = tmp_path / "cut.csv.zst", tmp_path / "edges.csv.zst"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    path.write_bytes(whole)
    assert load(database, cut, rejects=tmp_path, batch_rows=500).exit_code == 16
    assert load(database, path, rejects=tmp_path, batch_rows=500).ok
    assert count(database, "SELECT sum(n) FROM imported_interactions") == 5000 * 5001 // 2
