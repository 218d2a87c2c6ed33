"""No false alarm: the data is checked again and again while it is crawled and the map is computed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from crawl_worlds import environment

from harness import SOAK, Redclust, wait_until
from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity, precalc
from redclust.queue import enqueue
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.world import World
from redclust.report import Silent


def test_nothing_is_found_while_it_is_crawled(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    names = [place.name for place in world.subreddits[: 50 if SOAK else 8]]
    with database.connect(autocommit=True) as connection:
        enqueue(connection, names)
        rehearsal.weather.add("slow delay=0.2")  # until it has been looked at twice
        env = environment(rehearsal, depth_limit=0)
        workers = [redclust.start("crawl", "run", "--until-empty", env=env) for _ in range(2)]
        wait_until(lambda: _rows(connection) > 20, "comments come in")

        def ended(seen: list[int]) -> bool:
            if len(set(seen)) > 1:
                rehearsal.weather.clear()
            return all(w.poll() is not None for w in workers)

        seen = _checked_beside_precalcs(database, connection, ended)
        assert [w.wait() for w in workers] == [0, 0]
        # It was looked at while it changed, and judged as a whole at the end.
        assert len(set(seen)) > 1
        assert precalc.run(database, Settings().precalc, Silent(), min_shared_users=1).ok
        last = integrity.check(database, Settings(), Silent(), deep=True, strict=True)
        assert [(one.name, one.state) for one in last.checks if one.state != "clean"] == []
        assert integrity.clean(database, Silent(), dry_run=True).cleaned == ()


def _checked_beside_precalcs(
    database: Database, connection: Connection, ended: Callable[[list[int]], bool]
) -> list[int]:
    """Check, beside one precalc after the other, until the crawl has ended: how many comments each time."""
    failures = list[Exception]()
    seen = list[int]()
    over = threading.Event()

    def compute() -> None:
        try:
            while not over.is_set():
                precalc.run(database, Settings().precalc, Silent(), min_shared_users=1)
        except Exception as error:  # noqa: BLE001 - told at the end
            failures.append(error)

    computing = threading.Thread(target=compute)
    computing.start()
    try:
        while not ended(seen):
            seen.append(_rows(connection))
            report = integrity.check(database, Settings(), Silent(), deep=True)
            wrong = [
                (one.name, one.state, one.sample) for one in report.checks if one.state in ("found", "failed")
            ]
            assert wrong == []
    finally:
        over.set()
        computing.join()
    assert failures == []
    return seen


def _rows(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM comments").fetchone()
    return int(row[0]) if row else 0
