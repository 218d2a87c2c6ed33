"""What was deleted does not come back: by an import, a restore, or another graph."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness import rounds
from natural import comment, contents, submission, versions, write_dump
from redclust.db import tombstones
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.ops.import_ import import_files
from redclust.report import Silent


def load(database: Database, *paths: Path, rejects: Path) -> None:
    import_files(
        database, list(paths), filters=Filters(), batch_rows=50, rejects_dir=rejects, progress=Silent()
    )


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


def number(identity: str) -> int:
    return int(identity, 36)


@pytest.fixture
def dump(tmp_path: Path) -> tuple[Path, Path]:
    """Comments and posts, some of them of `Zaphod` and in that one's profile."""
    comments = [comment(n, author="Zaphod" if n % 4 == 0 else f"user{n % 7}") for n in range(200)]
    comments += [comment(1000 + n, subreddit="u_Zaphod", author="fan", link_id="t3_prof") for n in range(3)]
    posts = [submission(f"p{d}", author="zaphod" if d == "3" else "poster") for d in "123456789"]
    posts.append(submission("prof", subreddit="u_zaphod", author="zaphod"))
    return write_dump(tmp_path / "RC.zst", comments), write_dump(tmp_path / "RS.zst", posts)


@pytest.mark.parametrize("there_already", [False, True], ids=["new rows", "rows that are there"])
def test_a_deleted_thing_stays_deleted(
    database: Database, dump: tuple[Path, Path], tmp_path: Path, there_already: bool
) -> None:
    if there_already:
        load(database, *dump, rejects=tmp_path)
    kept = [comment(5), comment(6)]
    with database.connect(autocommit=True) as connection:
        tombstones.add_things(connection, "comment", [number(row["id"]) for row in kept], reason="deleted")
        tombstones.add_things(connection, "post", [number("p2")], reason="deleted")
        if there_already:
            done = tombstones.apply(connection)
            assert done == {"blank_comments": 2, "blank_posts": 1}
            assert tombstones.apply(connection) == {}
    # A later dump than any before, with the texts as they were.
    later = [{**row, "retrieved_on": 1_700_000_000} for row in kept]
    load(database, *dump, write_dump(tmp_path / "later.zst", later), rejects=tmp_path)
    for row in kept:
        found = rows(database, f"SELECT body, author_id FROM comments WHERE id = {number(row['id'])}")
        assert found == [("[deleted]", None)]
    posts = f"SELECT title, selftext, url, flair, author_id, placeholder FROM posts WHERE id = {number('p2')}"
    assert rows(database, posts) == [("[deleted]", None, None, None, None, False)]
    assert rows(database, "SELECT count(*) FROM comments WHERE body = '[deleted]'") == [(2,)]
    assert rows(database, "SELECT count(*) FROM posts WHERE title = '[deleted]'") == [(1,)]
    with database.connect(autocommit=True) as connection:
        assert tombstones.apply(connection) == {}


@pytest.mark.parametrize("reason", ["account", "forgotten"])
@pytest.mark.parametrize("there_already", [False, True], ids=["new rows", "rows that are there"])
def test_an_account_that_is_gone_stays_gone(
    database: Database, dump: tuple[Path, Path], tmp_path: Path, reason: Any, there_already: bool
) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("username,subreddit,interactions\nzaphod,golang,3\nford,golang,2\nford,u_Zaphod,1\n")
    if there_already:
        load(database, *dump, pairs, rejects=tmp_path)
    with database.connect(autocommit=True) as connection:
        assert tombstones.add_names(connection, ["ZAPHOD"], reason=reason) == 1
        tombstones.apply(connection)
    load(database, *dump, pairs, rejects=tmp_path)
    blanked = 51 if reason == "forgotten" else 0
    found = """
        SELECT (SELECT count(*) FROM comments WHERE author_id IS NULL),
               (SELECT count(*) FROM posts WHERE author_id IS NULL AND NOT placeholder),
               (SELECT count(*) FROM comments WHERE body = '[deleted]')
               + (SELECT count(*) FROM posts WHERE title = '[deleted]'),
               (SELECT count(*) FROM imported_interactions),
               (SELECT count(*) FROM subreddits WHERE name ILIKE 'u\\_%')"""
    assert rows(database, found) == [(50, 1, blanked, 1, 0)]
    assert rows(database, "SELECT count(*) FROM posts WHERE id = " + str(number("prof"))) == [(0,)]
    assert "zaphod" not in repr(contents(database)).lower()
    with database.connect(autocommit=True) as connection:
        assert tombstones.apply(connection) == {}


def test_a_name_that_is_gone_is_kept_by_nobody(database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        tombstones.add_names(connection, ["Zaphod", "zaphod", "Ford"], reason="account")
        assert tombstones.add_names(connection, ["ford"], reason="forgotten") == 1
        assert tombstones.add_names(connection, ["FORD"], reason="account") == 0
        assert tombstones.gone_names(connection, ["ford", "ZAPHOD", "arthur"]) == {
            "ford": True,
            "ZAPHOD": False,
        }
    assert "zaphod" not in repr(rows(database, "SELECT * FROM tombstones")).lower()


def test_a_graph_from_elsewhere_loses_who_is_gone(database: Database) -> None:
    """After a rollback or a restore: the nodes know the account by its name only."""
    with database.connect(autocommit=True) as connection:
        connection.execute("""
            INSERT INTO graph_nodes (id, name, val, type) VALUES ('user_901', 'Zaphod', 3, 'user'),
                ('user_902', 'ford', 3, 'user'), ('subreddit_77', 'u_ZAPHOD', 2, 'subreddit'),
                ('subreddit_78', 'golang', 2, 'subreddit');
            INSERT INTO graph_links (source, target, type, val) VALUES
                ('subreddit_77', 'user_902', 'user-subreddit', 1),
                ('subreddit_78', 'user_901', 'user-subreddit', 1),
                ('subreddit_78', 'user_902', 'user-subreddit', 1);
            INSERT INTO precalc_runs (status, settings, figures) VALUES
                ('completed', '{}', '{"bots": {"most_active": ["a", "Zaphod", "b"]}}'),
                ('completed', '{}', '{"bots": {"most_active": ["a"]}}'), ('running', '{}', '{}')""")
        tombstones.add_names(connection, ["zaphod"], reason="account")
        done = tombstones.apply(connection)
        assert done == {"erase_links": 2, "erase_nodes": 2, "scrub_runs": 1}
        assert tombstones.apply(connection) == {}
    assert rows(database, "SELECT id FROM graph_nodes ORDER BY id") == [("subreddit_78",), ("user_902",)]
    figures = rows(database, "SELECT figures #>> '{bots,most_active}' FROM precalc_runs ORDER BY id")
    assert figures == [('["a", "b"]',), ('["a"]',), (None,)]


@pytest.mark.parametrize("seed", rounds(2, 20))
def test_many_tombstones_in_any_order_give_the_same_rows(
    database: Database, dump: tuple[Path, Path], tmp_path: Path, seed: int
) -> None:
    """Blanked before, between or after two imports: it makes no difference, and nothing else changes."""
    chance = random.Random(seed)
    gone = [number(comment(n)["id"]) for n in range(200) if chance.random() < 0.3]
    steps: list[Any] = [lambda: load(database, *dump, rejects=tmp_path), lambda: mark(gone)]

    def mark(ids: list[int]) -> None:
        with database.connect(autocommit=True) as connection:
            tombstones.add_things(connection, "comment", ids, reason="deleted")
            tombstones.apply(connection)

    chance.shuffle(steps)
    for step in steps:
        step()
    found = rows(
        database, "SELECT id FROM comments WHERE body = '[deleted]' AND author_id IS NULL ORDER BY id"
    )
    assert [identity for (identity,) in found] == sorted(gone)
    before = versions(database)
    load(database, *dump, rejects=tmp_path)
    assert versions(database) == before
