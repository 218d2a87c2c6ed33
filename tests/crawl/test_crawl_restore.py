"""Crawlers at work while a backup takes the place of the live database."""

from __future__ import annotations

import signal
from pathlib import Path

from crawl_worlds import environment, one, stored

from harness import Redclust, wait_until
from redclust.db.session import Database
from redclust.queue import enqueue
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.world import World


def test_crawlers_live_through_a_restore(
    redclust: Redclust, database: Database, live: str, rehearsal: Rehearsal, world: World, tmp_path: Path
) -> None:
    """Two at work: what they crawl for the backup, for what is lost and after it adds up to all there is."""

    def answer_after(delay_s: float) -> None:
        """Slow answers keep both at work however long a backup takes."""
        rehearsal.weather.clear()
        rehearsal.weather.add(f"slow delay={delay_s}")

    answer_after(0.01)
    own = {"REDCLUST_QUEUE__LEASE_S": "4", "REDCLUST_QUEUE__HEARTBEAT_S": "1"}
    env = {**environment(rehearsal, depth_limit=0), **own}
    beside = {"REDCLUST_BACKUP__TARGET": str(tmp_path / "backups")}
    url = ("--database-url", database.target.url())
    places = range(20, 32)
    with database.connect(autocommit=True) as connection:
        enqueue(connection, [world.subreddits[place].name for place in places])
    crawlers = [redclust.start("crawl", "run", env=env) for _ in range(2)]
    done = "SELECT count(*) FROM crawl_jobs WHERE verdict = 'ok'"
    wait_until(lambda: one(database, done) >= 3, "some jobs are done")
    answer_after(1)
    redclust(*url, "backup", "now", env=beside, check=0)
    answer_after(0.01)
    at_backup = one(database, done)
    wait_until(lambda: one(database, done) >= at_backup + 2, "more are done, and will be lost")
    answer_after(1)
    with database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM comments WHERE id % 2 = 0")
    redclust(*url, "restore", "latest", "--swap", "--confirm", live, env=beside, check=0)
    assert one(database, done) < len(places)
    rehearsal.weather.clear()
    assert [crawler.poll() for crawler in crawlers] == [None, None]
    unfinished = "SELECT count(*) FROM crawl_jobs WHERE verdict IS DISTINCT FROM 'ok'"
    wait_until(lambda: one(database, unfinished) == 0, "everything is crawled", timeout_s=60)
    for crawler in crawlers:
        crawler.send_signal(signal.SIGTERM)
    told = [crawler.communicate(timeout=20)[1] for crawler in crawlers]
    assert [crawler.returncode for crawler in crawlers] == [0, 0], told
    site = rehearsal.site
    posts, comments, _ = stored(database)
    theirs = {i for place in places for i in site.posts_in[place]}
    assert posts == {site.post_names[i] for i in theirs}
    written = zip(site.comment_names, site.comments, strict=True)
    assert comments == {name for name, comment in written if comment.post in theirs}
