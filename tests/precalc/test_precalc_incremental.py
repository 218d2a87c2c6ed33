"""An incremental run comes to what a full one comes to, finds what changed, and says when it is none."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from precalc_worlds import Compute, World, count, planted, stored

from harness import SOAK, Redclust
from redclust import config
from redclust.config import Loaded, PrecalcSettings
from redclust.db import top_links
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.graph.weights import coarse
from redclust.ops import precalc
from redclust.ops.crawl.forget import forget
from redclust.ops.precalc import versions
from redclust.report import Silent, Task

Put = Callable[..., None]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """The settings of a home where nothing is."""
    return config.load(home=tmp_path, file=None, env_file=None, flags={})


def a_world() -> World:
    """Topics, a bot of its name and one by its many subreddits, and a subreddit of a single person."""
    world = planted(3, 10, 200, seed=11)
    world.comments += [("topicbot", "topic0_1"), (None, "topic0_1"), ("loner", "Lonely")]
    world.comments += [("busy", f"topic{t}_{i}") for t in range(3) for i in range(9)]
    world.bots = frozenset({"topicbot"})
    return world


def change(world: World, rng: random.Random, times: int) -> None:
    """People come, go, write more and less, become bots; posts and whole subreddits are deleted."""
    for _ in range(times):
        rows = world.interactions
        match rng.randrange(7):
            case 0:
                name = f"new{rng.randrange(10**6)}"
                kept = {f"topic{rng.randrange(3)}_{rng.randrange(12)}" for _ in range(rng.randint(1, 6))}
                rows += [(name, subreddit, rng.randint(1, 5)) for subreddit in sorted(kept)]
            case 1:
                user = rng.choice(rows)[0]
                world.interactions = [row for row in rows if row[0] != user]
            case 2:
                at = rng.randrange(len(rows))
                rows[at] = (*rows[at][:2], rows[at][2] + rng.randint(1, 3))
            case 3:
                world.comments.append((rng.choice(rows)[0], f"topic{rng.randrange(3)}_{rng.randrange(12)}"))
            case 4:
                world.comments.pop(rng.randrange(len(world.comments)))
            case 5:
                gone = rng.choice(rows)[1]
                if rng.random() < 0.2:
                    world.interactions = [row for row in rows if row[1] != gone]
                    world.comments = [row for row in world.comments if row[1] != gone]
            case _:
                world.bots = frozenset({"topicbot", rng.choice(rows)[0]})


@given(seed=st.integers(0, 2**32), steps=st.lists(st.integers(1, 12), min_size=2, max_size=4))
@settings(
    max_examples=60 if SOAK else 4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_sequence_of_changes(
    seed: int,
    steps: list[int],
    put: Put,
    compute: Compute,
    connection: Connection,
    database: Database,
    loaded: Loaded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After each change: by brute force, and a full run finds no row to write, nor links to store."""
    for name, value in (("NODES", 60), ("LINKS", 25), ("ALL_UP_TO", 30), ("_FIRST_BOUND", 4)):
        monkeypatch.setattr(top_links, name, value)
    rng = random.Random(seed)
    world = a_world()
    connection.execute("DELETE FROM tombstones")  # of the example before
    put(world)
    compute(full=True)
    for times in steps:
        change(world, rng, times)
        if rng.random() < 0.2:
            name = rng.choice(world.interactions)[0]
            forget(database, name, loaded, Silent(), dry_run=False, lock_wait_s=10)
            world = without(world, name)
        put(world)
        # Told in full or not, as it happens: so many changes of so little are often over the limit.
        compute(incremental_up_to=rng.choice((0.05, 1.0)))
        assert stored(connection) == count(world, minimum=2)
        with connection.transaction():
            assert top_links.refresh(connection) == 0
        again = compute(full=True).figures
        assert not again.incremental
        assert [one.table for one in again.changes if one.changed_rows] == []
        assert (again.links, again.memberships, again.relationships) == rows_there(connection)


class Meanwhile(Silent):
    """Does something as the step of that name begins."""

    def __init__(self, step: str, act: Callable[[], object]) -> None:
        self._step, self._act = step, act

    @contextmanager
    def task(self, name: str, total: float | None = None, unit: str = "") -> Generator[Task]:
        if name == self._step:
            self._act()
        with super().task(name, total, unit) as task:
            yield task


@pytest.mark.parametrize("full", [True, False])
def test_who_is_forgotten_while_it_runs_stays_forgotten(
    full: bool, put: Put, compute: Compute, connection: Connection, database: Database, loaded: Loaded
) -> None:
    world = a_world()
    put(world)
    compute()
    (user, _, _), (name, subreddit, n) = world.interactions[5], world.interactions[-1]
    assert user != name
    world.interactions[-1] = (name, subreddit, n + 3)
    put(world)

    def forget_both() -> None:
        for one in (user, name):
            forget(database, one, loaded, Silent(), dry_run=False, lock_wait_s=10)

    meanwhile = Meanwhile("counting shared users", forget_both)
    report = precalc.run(database, PrecalcSettings(), meanwhile, full=full)
    assert report.figures.incremental != full
    names = {row[0] for row in connection.execute("SELECT name FROM graph_nodes WHERE type = 'user'")}
    assert not names & {user, name}
    with connection.transaction():
        assert top_links.refresh(connection) == 0
    compute()
    assert stored(connection) == count(without(without(world, user), name), minimum=2)


def test_what_others_write_while_it_runs_is_found_by_the_next(
    put: Put, compute: Compute, connection: Connection, database: Database
) -> None:
    """A link that goes after the graph was read and before the swap comes back: links are counted again."""
    world = a_world()
    put(world)
    compute()
    user, subreddit, n = world.interactions[5]
    world.interactions[5] = (user, subreddit, n + 3)
    put(world)

    def remove() -> None:
        connection.execute(
            "DELETE FROM graph_links WHERE (source, target) IN "
            "(SELECT source, target FROM graph_links ORDER BY val, source, target LIMIT 1)"
        )
        top_links.restore(connection)

    meanwhile = Meanwhile("swapping the graph in", remove)
    assert precalc.run(database, PrecalcSettings(), meanwhile).figures.incremental
    assert not compute().figures.incremental
    assert stored(connection) == count(world, minimum=2)
    assert compute().figures.incremental


def test_small_subreddits_are_related_as_in_full(
    put: Put, compute: Compute, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two shared users relate small ones only: an incremental run finds those that became small, too."""
    monkeypatch.setattr("redclust.ops.precalc.atlas._FEW_MEMBERSHIPS", 0)
    monkeypatch.setattr("redclust.graph.overlap._SMALL_BITS", 2)
    world = a_world()
    large = sorted({row[0] for row in world.interactions})
    world.comments += [(user, subreddit) for user in large[:2] for subreddit in ("tiny", "small")]
    for nth, crowd in enumerate((large[:200], large[:9], large[:40])):
        now = replace(world, comments=world.comments + [(user, "small") for user in crowd])
        put(now)
        assert compute(incremental_up_to=1.0).figures.incremental == (nth > 0)
        overlap = stored(connection).overlap
        assert (("small", "tiny") in overlap) == (crowd == large[:9])
        assert overlap.items() <= count(now, minimum=2).overlap.items()
        assert overlap.items() >= count(now, minimum=3).overlap.items()
        assert [one.table for one in compute(full=True).figures.changes if one.changed_rows] == []


def test_what_is_only_touched_has_not_changed(put: Put, compute: Compute, connection: Connection) -> None:
    world = a_world()
    put(world)
    compute()
    connection.execute("UPDATE comments SET body = body")
    connection.execute("DELETE FROM posts")
    put(world, shuffled=3)
    figures = compute().figures
    assert figures.changed_ratio == 0
    assert figures.kept_communities
    assert sum(one.changed_rows for one in figures.changes) == 0


def test_little_changed_sends_little(put: Put, compute: Compute, connection: Connection) -> None:
    world = a_world()
    put(world)
    compute()
    user, subreddit, n = world.interactions[5]
    world.interactions[5] = (user, subreddit, n + 3)
    put(world)
    report = compute()
    assert 0 < (report.figures.changed_ratio or 0) < 0.01
    changed = {one.table: one.changed_rows for one in report.figures.changes}
    assert changed["user_subreddit_activity"] == changed["graph_links"] == 1
    assert changed["subreddit_relationships"] == 0
    assert report.figures.kept_communities
    assert stored(connection) == count(world, minimum=2)


def test_one_person_more_does_not_change_the_weight_of_every_pair(
    put: Put, compute: Compute, connection: Connection
) -> None:
    world = planted(4, 10, 1204, seed=3)
    put(world)
    compute()
    world.comments += [("onemore", "topic0_1"), ("onemore", "topic0_2")]
    put(world)
    figures = compute().figures
    changed = {one.table: one.changed_rows for one in figures.changes}
    assert changed["subreddit_relationships"] < figures.relationships / 4
    assert stored(connection) == count(world, minimum=2)


@pytest.mark.parametrize(
    ("number", "up", "down"),
    [(1, 1, 1), (97, 97, 97), (101, 111, 100), (1000, 1000, 1000), (997_258, 10**6, 908_518)],
)
def test_steps_of_a_number(number: int, up: int, down: int) -> None:
    assert coarse([number], up=True).tolist() == [up]
    assert coarse([number], up=False).tolist() == [down]


def test_a_name_in_another_spelling_is_a_change(put: Put, compute: Compute, connection: Connection) -> None:
    put(a_world())
    compute()
    connection.execute("UPDATE users SET name = upper(name) WHERE name = 'user7'")
    connection.execute("UPDATE subreddits SET name = upper(name) WHERE name = 'topic1_1'")
    changed = {one.table: one.changed_rows for one in compute().figures.changes if one.changed_rows}
    assert changed["graph_nodes"] == 2
    names = connection.execute("SELECT count(*) FROM graph_nodes WHERE name IN ('USER7', 'TOPIC1_1')")
    assert names.fetchone() == (2,)


def test_it_runs_full_and_says_why(
    put: Put, compute: Compute, database: Database, connection: Connection, redclust: Redclust
) -> None:
    world = a_world()
    put(world)

    def told(**options: Any) -> str:
        """Why this run was not incremental; empty where it was."""
        progress = Listening()
        figures = precalc.run(database, PrecalcSettings(), progress, **options).figures
        assert figures.incremental == (progress.said == [] and not options.get("full"))
        return " ".join(progress.said)

    compute()
    assert told() == told(full=True) == told() == ""
    assert "from 1 shared users on, and were from 2" in told(min_shared_users=1)
    compute()
    world.interactions = world.interactions[: len(world.interactions) // 2]
    put(world)
    assert "of the activity changed, over 20.0%" in told()
    connection.execute("UPDATE graph_links SET val = val + 1 WHERE source = 'subreddit_1'")
    assert "was written by others since" in told()
    assert stored(connection) == count(world, minimum=2)
    connection.execute("DELETE FROM graph_links WHERE source = 'subreddit_1'")
    assert "was written by others since" in told()
    assert stored(connection) == count(world, minimum=2)
    newest = connection.execute("SELECT max(id) - 1 FROM precalc_runs").fetchone()
    assert newest is not None
    versions.rollback(database, PrecalcSettings(), newest[0], Silent())
    assert "was put back" in told()
    assert "heights are computed in full" in told(detailed=True)
    assert "heights are computed in full" in told()
    assert "Incremental: 0.00%" in redclust("precalc", check=0).stdout
    assert "Incremental" not in redclust("precalc", "--full", check=0).stdout


class Listening(Silent):
    """What is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def without(world: World, name: str) -> World:
    """Nobody of that name has ever been here."""
    return World(
        comments=[row for row in world.comments if row[0] != name],
        posts=[row for row in world.posts if row[0] != name],
        interactions=[row for row in world.interactions if row[0] != name],
        bots=world.bots - {name},
    )


def rows_there(connection: Connection) -> tuple[int, int, int]:
    """Links, memberships among them, and relationships."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM graph_links), "
        "(SELECT count(*) FROM graph_links WHERE type = 'user-subreddit'), "
        "(SELECT count(*) FROM subreddit_relationships)"
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]
