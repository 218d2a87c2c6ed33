"""``crawl refresh``: what became of stored things on Reddit becomes of them here, and of nothing else."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crawl_worlds import PLENTY, environment, settings_for
from psycopg import sql

from harness import TEMPLATE, Clones, Redclust, maintenance, rounds, wait_until
from harness import make_template as clone_source
from harness import settings_for as defaults
from natural import contents, versions
from redclust.config import Settings
from redclust.db import locks
from redclust.db.connect import Connector
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.db.target import Target
from redclust.dumps.read import Filters
from redclust.errors import ConfigError, Locked
from redclust.ops.crawl.refresh import Limits, RefreshReport, refresh
from redclust.ops.import_ import import_files
from redclust.rehearsal.ledger import Budget
from redclust.rehearsal.server import Rehearsal, serve
from redclust.rehearsal.site import AccountFate, Fate, Standing
from redclust.rehearsal.world import World, comment_row, submission_row, write_dump
from redclust.report import Silent

POSTS, COMMENTS = 200, 1_500
#: Comments that were deleted before the dump was made, and need no look any more once that is known.
GONE = 13
THINGS = POSTS + COMMENTS - GONE


@pytest.fixture(scope="module")
def dumps(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The whole world, as it was long ago."""
    directory = tmp_path_factory.mktemp("dumps")
    posts, comments = directory / "RS.zst", directory / "RC.zst"
    write_dump(posts, (submission_row(world, post) for post in world.post_list))
    write_dump(comments, (comment_row(world, comment) for comment in world.comment_list))
    return [posts, comments]


Load = Callable[[], None]
Make = Callable[[str, Callable[[Database], None]], str]


@pytest.fixture(scope="module")
def make_template(server: Target, bin_dir: Path | None) -> Iterator[Make]:
    """``make_template("name", fill)``: a database that tests of this module are given copies of."""
    made: list[str] = []

    def make(name: str, fill: Callable[[Database], None]) -> str:
        target = clone_source(server, name)
        made.append(name)
        fill(Database(Connector(target, defaults(bin_dir).database, "test")))
        return name

    yield make
    with maintenance(server) as connection:
        for name in made:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def loaded(make_template: Make, dumps: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The world, imported."""
    return make_template(
        "refresh_loaded", lambda it: read_dumps(it, dumps, tmp_path_factory.mktemp("rejects"))
    )


@pytest.fixture(scope="module")
def looked_at(
    make_template: Make, world: World, dumps: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The world, imported, and everything looked at once, long ago."""

    def fill(database: Database) -> None:
        read_dumps(database, dumps, tmp_path_factory.mktemp("rejects"))
        with serve(world, budget=Budget(requests=PLENTY)) as rehearsal:
            report = run(database, rehearsal)
        assert (report.posts, report.comments, report.deleted) == (POSTS, COMMENTS, GONE)
        age(database)

    return make_template("refresh_looked_at", fill)


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    """What the test's database is a copy of: by ``settled`` or ``load`` among its fixtures."""
    for name, made in (("settled", "looked_at"), ("load", "loaded")):
        if name in request.fixturenames:
            return request.getfixturevalue(made)
    return TEMPLATE


@pytest.fixture
def database(clones: Clones, template: str, bin_dir: Path | None) -> Database:
    return Database(Connector(clones.make(template=template), defaults(bin_dir).database, "test"))


@pytest.fixture
def load(database: Database, dumps: list[Path], tmp_path: Path) -> Load:
    """The dumps are in; call it to read them once more."""
    return lambda: read_dumps(database, dumps, tmp_path)


@pytest.fixture
def settled(database: Database, dumps: list[Path], tmp_path: Path) -> Load:
    """The dumps are in, and everything has been looked at once, long ago; call it to read them once more."""
    return lambda: read_dumps(database, dumps, tmp_path)


def read_dumps(database: Database, dumps: list[Path], rejects_dir: Path) -> None:
    report = import_files(
        database,
        list(dumps),
        filters=Filters(),
        batch_rows=10_000,
        rejects_dir=rejects_dir,
        progress=Silent(),
    )
    assert report.ok


def run(
    database: Database, rehearsal: Rehearsal, *, limits: Limits | None = None, **options: Any
) -> RefreshReport:
    return refresh(database, settings_for(rehearsal, database), limits or Limits(), Silent(), **options)


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.connect(autocommit=True) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


def row_of(database: Database, name: str, column: str) -> Any:
    table = "comments" if name.startswith("t1_") else "posts"
    (row,) = rows(database, f"SELECT {column} FROM {table} WHERE id = {int(name[3:], 36)}")
    return row[0]


def age(database: Database) -> None:
    """Let every check be long ago."""
    for statement in (
        "UPDATE posts SET retrieved_at = retrieved_at - interval '10 days' WHERE retrieved_at IS NOT NULL",
        "UPDATE comments SET retrieved_at = retrieved_at - interval '10 days'",
        "UPDATE post_checks SET checked_at = checked_at - interval '10 days'",
        "UPDATE comment_checks SET checked_at = checked_at - interval '10 days'",
        "UPDATE account_checks SET checked_at = checked_at - interval '10 days'",
    ):
        rows(database, statement + " RETURNING 1")


def asked(rehearsal: Rehearsal, since: int = 0) -> list[str]:
    return [request.area for request in rehearsal.requests(since)]


@pytest.mark.usefixtures("settled")
def test_what_is_unchanged_is_not_written_again(database: Database, rehearsal: Rehearsal) -> None:
    before, written = contents(database), versions(database)
    since = len(rehearsal.requests())
    report = run(database, rehearsal)
    assert report.ok
    assert (report.posts, report.comments, report.changed) == (POSTS, COMMENTS - GONE, 0)
    assert report.stopped == "done"
    assert contents(database) == before
    assert versions(database) == written
    accounts = rows(database, "SELECT count(*) FROM users")[0][0]
    assert report.accounts == accounts
    assert (
        report.requests
        == len(rehearsal.requests(since))
        == 1 + (POSTS + COMMENTS) // 100 + -(-accounts // 100)
    )
    assert report.left is not None
    assert (report.left.posts, report.left.comments, report.left.accounts) == (0, 0, 0)
    assert run(database, rehearsal).requests == 0


def test_edits_scores_and_deletions_are_taken_over_and_stay(
    database: Database, rehearsal: Rehearsal, settled: Load
) -> None:
    site = rehearsal.site
    by_author = [name for name in site.post_names if site.posts[site.post_at[name]].author >= 0]
    comments = [name for name in site.comment_names if site.comments[site.comment_at[name]].author >= 0]
    edited, voted, deleted, removed, vanished = ([by_author[n * 7], comments[n * 31]] for n in range(1, 6))
    for name in edited:
        site.edit(name, "an edited text")
    for name in voted:
        site.vote(name, 4_321)
    for names, fate in ((deleted, Fate.DELETED), (removed, Fate.REMOVED), (vanished, Fate.GONE)):
        for name in names:
            site.end(name, fate)
    report = run(database, rehearsal)
    assert report.ok
    assert (report.deleted, report.vanished, report.hidden) == (2, 2, 0)
    assert report.left is not None
    assert (report.left.posts, report.left.comments) == (0, 0)

    def check() -> None:
        assert row_of(database, edited[0], "selftext") == "an edited text"
        assert row_of(database, edited[1], "body") == "an edited text"
        assert [row_of(database, name, "score") for name in voted] == [4_321, 4_321]
        for name in (*deleted, *vanished):
            assert row_of(database, name, "author_id") is None
        for name in (deleted[1], vanished[1]):
            assert row_of(database, name, "body") == "[deleted]"
        assert row_of(database, vanished[0], "title") == "[deleted]"
        assert [row_of(database, name, "selftext") for name in (deleted[0], vanished[0])] == [None, None]
        assert row_of(database, removed[1], "body") == "[removed]"

    check()
    after = contents(database)
    settled()
    check()
    assert contents(database) == after
    again = run(database, rehearsal)
    assert (again.posts, again.comments, again.changed) == (0, 0, 0)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("standing", [Standing.PRIVATE, Standing.MISSING])
def test_what_a_closed_subreddit_hides_is_kept(
    database: Database, rehearsal: Rehearsal, standing: Standing
) -> None:
    place = rehearsal.site.places[0].name
    found = contents(database)
    inside = sum(row[1] == place for row in found["posts"])
    inside += sum(row[3] == place and row[8] != "[deleted]" for row in found["comments"])
    rehearsal.site.stand(place, standing)
    report = run(database, rehearsal)
    assert report.ok
    assert (report.hidden, report.vanished, report.deleted) == (inside, 0, 0)
    assert contents(database) == found
    assert rows(database, "SELECT name FROM subreddits WHERE verdict IS NOT NULL") == [(place,)]
    age(database)
    since = len(rehearsal.requests())
    again = run(database, rehearsal)
    assert again.hidden == 0
    assert asked(rehearsal, since).count("about") == 0


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("weather", ["empty on=info", "broken-item on=info"])
def test_an_answer_that_leaves_things_out_by_accident_deletes_nothing(
    database: Database, rehearsal: Rehearsal, weather: str
) -> None:
    before = contents(database)
    rehearsal.weather.add(weather)
    report = run(database, rehearsal)
    assert not report.ok
    assert report.exit_code == 3
    assert (report.deleted, report.vanished) == (0, 0)
    assert contents(database) == before
    rehearsal.weather.clear()
    again = run(database, rehearsal)
    assert again.ok
    assert again.left is not None
    assert (again.left.posts, again.left.comments) == (0, 0)
    assert contents(database) == before


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("seed", rounds(1, 25))
def test_bad_weather_deletes_nothing_that_is_there(
    database: Database, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("prawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda self: None)
    monkeypatch.setattr("redclust.ops.crawl.refresh.asking._PAUSE_S", 0.01)
    monkeypatch.setattr("redclust.ops.crawl.refresh.asking._TRIES", 50)
    monkeypatch.setattr("redclust.reddit.budget.THRESHOLD", 10_000)
    here = {row[0] for row in contents(database)["comments"] if row[8] != "[deleted]"}
    gone = [name for name in rehearsal.site.comment_names if int(name[3:], 36) in here][seed * 13]
    rehearsal.site.end(gone, Fate.GONE)
    kinds = ("503", "drop", "half", "html", "odd-headers", "no-headers")
    for n, kind in enumerate((*kinds, "empty", "broken-item")):
        rehearsal.weather.add(f"{kind} share=0.08 seed={seed * 50 + n}")
    run(database, rehearsal)
    rehearsal.weather.clear()
    last = run(database, rehearsal)
    assert last.ok
    assert last.left is not None
    assert (last.left.posts, last.left.comments) == (0, 0)
    tombstones = [row[0] for row in rows(database, "SELECT thing_id FROM tombstones ORDER BY deleted_at")]
    assert len(tombstones) == GONE + 1
    assert tombstones[-1] == int(gone[3:], 36)


@pytest.mark.usefixtures("load")
@pytest.mark.parametrize("numbered", [True, False])
def test_accounts_that_are_gone_lose_their_name_and_suspended_ones_do_not(
    database: Database, rehearsal: Rehearsal, load: Load, numbered: bool
) -> None:
    if numbered:
        run(database, rehearsal)
        age(database)
    writers = rows(
        database,
        "SELECT u.name, count(*) FROM users u JOIN comments c ON c.author_id = u.id "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3",
    )
    (gone, comments), (suspended, _), (living, _) = writers
    texts = [row[-1] for row in contents(database)["comments"]]
    rehearsal.site.end_account(gone)
    rehearsal.site.end_account(suspended, AccountFate.SUSPENDED)
    report = run(database, rehearsal)
    assert report.ok
    assert report.accounts_gone == 1
    assert report.accounts_suspended == 1
    names = [name for (name,) in rows(database, "SELECT name FROM users")]
    assert gone not in names
    assert {suspended, living} <= set(names)
    assert [row[-1] for row in contents(database)["comments"]] == texts
    assert comments > 0
    load()
    assert gone not in [name for (name,) in rows(database, "SELECT name FROM users")]


@pytest.mark.usefixtures("settled")
def test_a_name_that_an_import_may_be_writing_is_erased_by_the_next_refresh(
    database: Database, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redclust.ops.crawl.refresh.accounts._PAGES_S", 0.2)
    gone = rows(database, "SELECT name FROM users ORDER BY name LIMIT 1")[0][0]
    rehearsal.site.end_account(gone)
    with locks.hold(database.connector, LockName.REFERENCES, shared=True):
        report = run(database, rehearsal)
    assert (report.accounts_gone, report.unerased, report.exit_code) == (1, 1, 3)
    assert rows(database, f"SELECT count(*) FROM users WHERE name = '{gone}'") == [(1,)]
    again = run(database, rehearsal)
    assert (again.requests, again.unerased, again.exit_code) == (0, 0, 0)
    assert rows(database, f"SELECT count(*) FROM users WHERE name = '{gone}'") == [(0,)]


@pytest.mark.usefixtures("settled")
def test_the_oldest_check_comes_first_and_a_limit_is_kept(database: Database, rehearsal: Rehearsal) -> None:
    some = "SELECT id FROM comments WHERE body <> '[deleted]' ORDER BY md5(id::text) LIMIT 100"
    ids = ",".join(str(i) for (i,) in rows(database, some))
    rows(database, f"UPDATE comments SET retrieved_at = '2012-01-01' WHERE id IN ({ids}) RETURNING 1")
    rows(database, f"DELETE FROM comment_checks WHERE id IN ({ids}) RETURNING 1")
    since = len(rehearsal.requests())
    report = run(database, rehearsal, limits=Limits(max_requests=2))
    assert report.stopped == "requests"
    assert report.ok
    assert asked(rehearsal, since) == ["token", "info"]
    assert (report.posts, report.comments) == (0, 100)
    assert rows(database, f"SELECT count(*) FROM comment_checks WHERE id IN ({ids})") == [(100,)]
    seen = report.posts + report.comments
    for _ in range(30):
        report = run(database, rehearsal, limits=Limits(max_requests=4))
        assert report.requests <= 4
        seen += report.posts + report.comments
        if report.stopped == "done":
            break
    assert report.stopped == "done"
    assert seen == THINGS


@pytest.mark.usefixtures("load")
def test_a_dry_run_tells_the_cost_and_asks_nothing(
    database: Database, rehearsal: Rehearsal, redclust: Redclust
) -> None:
    told = redclust("crawl", "refresh", "--dry-run", env=environment(rehearsal), check=0, fresh=True).stdout
    assert "200 posts, 1,500 comments, 0 accounts (17 requests" in told
    assert "accounts have no number" in told
    assert rehearsal.requests() == []
    report = run(database, rehearsal, dry_run=True)
    assert (report.due.posts, report.due.comments, report.due.requests) == (POSTS, COMMENTS, 17)
    assert report.due.seconds == pytest.approx(17 * 60 / 95)


@pytest.mark.usefixtures("load")
def test_the_time_allowed_ends_it(database: Database, rehearsal: Rehearsal) -> None:
    report = run(database, rehearsal, limits=Limits(for_s=0))
    assert (report.stopped, report.requests) == ("time", 0)


def test_two_refreshes_are_kept_apart(database: Database, rehearsal: Rehearsal) -> None:
    with (
        locks.hold(database.connector, LockName.REFRESH),
        pytest.raises(Locked, match="refresh is locked by another run"),
    ):
        run(database, rehearsal)
    assert rehearsal.requests() == []


def test_without_credentials_it_says_how_to_get_them(database: Database) -> None:
    with pytest.raises(ConfigError, match="REDDIT_CLIENT_ID") as caught:
        refresh(database, Settings(database=database.connector.settings), Limits(), Silent())
    assert "approved" in caught.value.hint


@pytest.mark.usefixtures("load")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_where_it_was_ended(
    database: Database, rehearsal: Rehearsal, redclust: Redclust, number: signal.Signals
) -> None:
    """Nothing that was paid for is asked for again, but for the page in hand."""
    rehearsal.weather.add("slow delay=0.2 on=info")
    process = redclust.start("crawl", "refresh", "--format", "json", env=environment(rehearsal))
    wait_until(lambda: asked(rehearsal).count("info") >= 5, "it is on its way")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    if number == signal.SIGTERM:
        assert process.returncode == 0, err
        assert json.loads(out)["stopped"] == "by a signal"
    rehearsal.weather.clear()
    before = asked(rehearsal).count("info")
    report = run(database, rehearsal)
    assert report.stopped == "done"
    assert report.posts + report.comments >= POSTS + COMMENTS - before * 100
    assert asked(rehearsal).count("info") <= (POSTS + COMMENTS) // 100 + 1
    assert report.left is not None
    assert (report.left.posts, report.left.comments) == (0, 0)


@pytest.mark.usefixtures("load")
def test_a_run_is_written_down(database: Database, rehearsal: Rehearsal, redclust: Redclust) -> None:
    told = redclust("crawl", "refresh", env=environment(rehearsal), check=0).stdout
    assert "Looked at again: 200 posts, 1,500 comments" in told
    assert "The oldest check is of" in told
    (row,) = rows(database, "SELECT verdict, figures FROM run_history WHERE verb = 'crawl refresh'")
    assert (row[0], row[1]["comments"], row[1]["stopped"]) == ("ok", COMMENTS, "done")
