"""``crawl run`` and its neighbours: draining, discovery, facts, signals, limits."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from crawl_worlds import areas, crawl, environment, one, settings_for, stored

from harness import Redclust, wait_until
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.crawl import parse, plan, status
from redclust.ops.crawl.run import Limits, run
from redclust.queue import enqueue, enqueue_stale
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import Standing
from redclust.rehearsal.world import World
from redclust.report import Silent

DRAIN = Limits(until_empty=True)


def jobs(database: Database) -> dict[str, tuple[str, str | None]]:
    with database.connect() as connection:
        rows = connection.execute("SELECT subreddit_name, status, verdict FROM crawl_jobs").fetchall()
    return {str(name): (str(status), verdict) for name, status, verdict in rows}


def test_discovered_subreddits_are_crawled_down_to_the_limit(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    name = world.subreddits[0].name
    settings = settings_for(rehearsal, database, depth_limit=1, posts=5, comments=20, discover_subreddits=7)
    report = crawl(database, rehearsal, name, settings=settings)
    assert report.ok
    assert report.subreddits[0].discovered == 7
    waiting = {other for other, (state, _) in jobs(database).items() if state == "pending"}
    assert len(waiting) == 7
    assert one(database, "SELECT max(priority) FROM crawl_jobs WHERE status = 'pending'") < 1
    assert one(database, "SELECT count(*) FROM author_looks") > 0
    done = run(database, settings, DRAIN, Silent())
    assert done.ok
    assert (done.jobs, done.stopped, done.discovered) == ({"ok": 7}, "empty", 0)
    # Those at the limit discover nothing more, and ask no author.
    assert len(jobs(database)) == 8
    assert {verdict for _, verdict in jobs(database).values()} == {"ok"}
    before = rehearsal.requests()[-1].number
    crawl(database, rehearsal, name, settings=settings)
    assert "activity" not in areas(rehearsal.requests(since=before))


def test_facts_are_stored_and_asked_for_again_much_later(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    standings = [Standing.PRIVATE, Standing.QUARANTINED, Standing.BANNED, Standing.LEGAL]
    names = [place.name for place in world.subreddits[: len(standings)]]
    with rehearsal.lock:
        for name, standing in zip(names, standings, strict=True):
            rehearsal.site.stand(name, standing)
    report = crawl(database, rehearsal, *names, "nobodyhome", depth_limit=0)
    assert report.exit_code == 3
    verdicts = ["private", "quarantined", "banned", "unavailable for legal reasons", "missing"]
    assert sorted(one.verdict for one in report.subreddits) == sorted(verdicts)
    # One request each, no retry.
    assert areas(rehearsal.requests()) == {"token": 1, "about": 5}
    with database.connect(autocommit=True) as connection:
        later = "next_check_at - now() > interval '29 days'"
        rows = connection.execute(
            f"SELECT name, verdict, {later}, verdict_at <= now() FROM subreddits"
        ).fetchall()
        told = dict(zip([*names, "nobodyhome"], verdicts, strict=True))
        assert sorted(rows) == sorted((name, verdict, True, True) for name, verdict in told.items())
        assert jobs(database) == {name: ("completed", verdict) for name, verdict in told.items()}
        # Old crawls are done again, but not these before their time.
        connection.execute("UPDATE crawl_jobs SET completed_at = now() - interval '8 days'")
        assert enqueue_stale(connection, stale_after_s=7 * 86_400) == 0
        connection.execute("UPDATE subreddits SET next_check_at = now() WHERE verdict = 'private'")
        assert enqueue_stale(connection, stale_after_s=7 * 86_400) == 1
    with rehearsal.lock:
        rehearsal.site.stand(names[0], Standing.OPEN)
    settings = settings_for(rehearsal, database, depth_limit=0)
    assert run(database, settings, DRAIN, Silent()).jobs == {"ok": 1}
    told = f"SELECT verdict IS NULL AND next_check_at IS NULL FROM subreddits WHERE name = '{names[0]}'"
    assert one(database, told)


def test_a_subreddit_that_goes_private_in_the_middle_is_found_out(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    place = max(range(len(world.subreddits)), key=lambda i: len(rehearsal.site.posts_in[i]))
    name = world.subreddits[place].name
    rehearsal.weather.add(f"private sub={name} on=comments,about,listing requests=6-1000000")
    report = crawl(database, rehearsal, name, depth_limit=0)
    assert report.subreddits[0].verdict == "private"
    # The post that was refused, and a look at the subreddit.
    assert len(rehearsal.requests()) <= 9


def test_old_crawls_are_done_again(database: Database, rehearsal: Rehearsal, world: World) -> None:
    name = world.subreddits[1].name
    settings = settings_for(rehearsal, database, depth_limit=0)
    crawl(database, rehearsal, name, settings=settings)
    assert run(database, settings, DRAIN, Silent()).jobs == {}
    with database.connect(autocommit=True) as connection:
        connection.execute("UPDATE crawl_jobs SET completed_at = now() - interval '8 days'")
    assert run(database, settings, DRAIN, Silent()).jobs == {"ok": 1}


def test_limits_end_a_worker(database: Database, rehearsal: Rehearsal, world: World) -> None:
    settings = settings_for(rehearsal, database, depth_limit=0, comments=0)
    names = [place.name for place in world.subreddits[:4]]
    with database.connect(autocommit=True) as connection:
        enqueue(connection, names)
    report = run(database, settings, Limits(max_jobs=3), Silent())
    assert (report.jobs, report.stopped) == ({"ok": 3}, "jobs")
    report = run(database, settings, Limits(for_s=2), Silent())
    assert (report.jobs, report.stopped) == ({"ok": 1}, "time")


def test_a_plan_is_never_less_than_what_it_costs(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    settings = settings_for(rehearsal, database)
    names = [place.name for place in world.subreddits[:3]]
    for options in ({"posts": 3, "more_requests": 2}, {"comments": 0}, {"depth_limit": 0}, {}):
        request = parse(names, seed=False, settings=settings.crawl, **options)
        told = plan(database, request, settings)
        report = crawl(database, rehearsal, *names, settings=settings, **options)
        assert report.requests <= told.requests + 1
        assert told.minutes == pytest.approx(told.requests / told.requests_per_minute)
    told = plan(database, request, settings)
    assert [cost.last_requests for cost in told.subreddits] == [
        one.figures.requests for one in sorted(report.subreddits, key=lambda one: names.index(one.name))
    ]


def test_bad_names_are_told_before_anything_is_sent(
    redclust: Redclust, database: Database, rehearsal: Rehearsal
) -> None:
    env = environment(rehearsal)
    settings = settings_for(rehearsal, database)
    for bad in ("r/", "go lang", "https://example.org/r/golang", "u/golang", "all", "x" * 30):
        with pytest.raises(UsageError):
            parse(["golang", bad], seed=False, settings=settings.crawl)
    done = redclust("crawl", "--sub", "golang", "--sub", "go lang", env=env, check=2)
    assert len(done.stderr.splitlines()) == 2
    done = redclust("crawl", "--sub", "golang", "--sort", "newest", env=env, check=2)
    assert "newest" in done.stderr
    assert "--seed" in redclust("crawl", env=env, check=2).stderr
    assert not rehearsal.requests()
    assert one(database, "SELECT count(*) FROM crawl_jobs") == 0


def test_the_command_says_what_it_did(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    env = environment(rehearsal, depth_limit=0)
    name = world.subreddits[0].name
    done = redclust(
        "crawl", "--sub", f"/r/{name.lower()}", "--sub", "nobodyhome", "--format", "json", env=env, check=3
    )
    report = json.loads(done.stdout)
    assert report["schema"] == "redclust.crawl/1"
    assert [sub["verdict"] for sub in report["subreddits"]] == ["ok", "missing"]
    assert report["requests"] == len(rehearsal.requests())
    assert "at most" in done.stderr
    told = redclust("crawl", "status", "--format", "json", check=0, fresh=True).stdout
    found = json.loads(told)
    assert found["jobs"] == {"completed": 2}
    assert found["budgets"][0]["sent"] == len(rehearsal.requests())
    assert found["workers"] == []
    text = redclust("crawl", "status", check=0).stdout
    assert "circuit breaker closed" in text
    assert "requests at most" in redclust("crawl", "plan", "--sub", "golang", check=0, fresh=True).stdout


def test_refused_credentials_end_it_and_lose_no_job(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    env = {**environment(rehearsal), "REDDIT_CLIENT_SECRET": "wrong"}
    name = world.subreddits[0].name
    for verb in (("crawl", "--sub", name), ("crawl", "run", "--until-empty")):
        done = redclust(*verb, env=env, check=15)
        assert "REDDIT_CLIENT_ID" in done.stderr
        assert jobs(database) == {name: ("pending", None)}
    assert one(database, "SELECT attempts FROM crawl_jobs") == 0


def _worker_at(redclust: Redclust, rehearsal: Rehearsal, database: Database, *names: str) -> Any:
    """A worker that asks for the comments of a post, and is patient."""
    with database.connect(autocommit=True) as connection:
        enqueue(connection, names)
    env = {**environment(rehearsal, depth_limit=0), "REDCLUST_REDDIT__TIMEOUT_S": "60"}
    process = redclust.start("crawl", "run", env=env)
    wait_until(lambda: areas(rehearsal.requests())["comments"] > 0, "the worker asks")
    return process


@pytest.mark.parametrize("slow", [False, True], ids=["quick answers", "an answer that does not come"])
def test_sigterm_ends_a_worker_after_the_page_in_hand(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World, slow: bool
) -> None:
    names = [place.name for place in world.subreddits[:6]]
    with database.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO crawl_jobs (subreddit_name, priority) VALUES ('not a name', 9)")
    rehearsal.weather.add("timeout on=comments requests=2-1000000" if slow else "slow delay=0.2 on=comments")
    process = _worker_at(redclust, rehearsal, database, *names)
    wait_until(lambda: areas(rehearsal.requests())["comments"] >= 2, "a request that is not answered")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - began < 10
    told = process.stdout.read()
    assert "Ended after" in told
    assert "1 failed" in told
    assert one(database, "SELECT count(*) FROM crawl_jobs WHERE status = 'crawling'") == 0
    assert one(database, "SELECT count(*) FROM crawl_jobs WHERE attempts > 0 AND status = 'pending'") == 0
    assert one(database, "SELECT count(*) FROM crawl_workers") == 0
    # It goes on where it was: what was paid for is not asked for again.
    rehearsal.weather.clear()
    redclust("crawl", "run", "--until-empty", env=environment(rehearsal, depth_limit=0), check=0)
    site = rehearsal.site
    posts = {site.post_names[i] for place in range(6) for i in site.posts_in[place]}
    assert stored(database)[0] == posts
    asked = areas(rehearsal.requests())
    assert (asked["about"], asked["listing"]) == (6, 18)


def test_a_second_sigterm_ends_it_at_once(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    rehearsal.weather.add("timeout on=comments")
    process = _worker_at(redclust, rehearsal, database, world.subreddits[0].name)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 143


def test_a_worker_of_an_older_version_hands_its_page_back(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    rehearsal.weather.add("slow delay=0.3")
    process = _worker_at(redclust, rehearsal, database, world.subreddits[0].name)
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO redclust_migrations (version, name, checksum) VALUES (9999, 'newer', 'x')"
        )
    assert process.wait(timeout=20) == 12
    told = process.stderr.read()
    assert "schema is newer" in told
    assert one(database, "SELECT status FROM crawl_jobs") == "pending"
    assert one(database, "SELECT attempts FROM crawl_jobs") == 0


def test_a_subreddit_that_another_worker_crawls_is_waited_for(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    rehearsal.weather.add("slow delay=0.1 on=comments")
    name = world.subreddits[0].name
    process = _worker_at(redclust, rehearsal, database, name)
    report = crawl(database, rehearsal, name)
    assert report.subreddits[0].verdict == "ok"
    assert report.requests == 0
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_status_tells_the_workers(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    rehearsal.weather.add("slow delay=0.2 on=comments")
    process = _worker_at(redclust, rehearsal, database, world.subreddits[0].name)
    found = status(database)
    assert [(worker.pid, worker.crawls) for worker in found.workers] == [
        (process.pid, world.subreddits[0].name)
    ]
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_an_open_breaker_is_told_and_closing_it_lets_workers_go_on(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    rehearsal.weather.add("503 on=about")
    with database.connect(autocommit=True) as connection:
        enqueue(connection, [world.subreddits[0].name])
    process = redclust.start("crawl", "run", "--until-empty", env=environment(rehearsal, depth_limit=0))
    wait_until(lambda: not status(database).ok, "the breaker opens")
    handed_back = "SELECT count(*) FROM crawl_runs WHERE error_message LIKE 'circuit breaker open%'"
    wait_until(lambda: one(database, handed_back) > 0, "the worker meets it")
    done = redclust("crawl", "status", check=3)
    assert "circuit breaker open until" in done.stdout
    done = redclust("crawl", "--sub", world.subreddits[1].name, env=environment(rehearsal), check=15)
    assert "circuit breaker open" in done.stderr
    rehearsal.weather.clear()
    assert "Circuit breaker closed" in redclust("crawl", "reset-breaker", check=0, fresh=True).stdout
    assert process.wait(timeout=30) == 3  # it had to try again
    assert "circuit breaker open" in process.communicate()[1]
    assert {verdict for _, verdict in jobs(database).values()} == {"ok"}


def test_an_option_that_plain_sql_broke_fails_that_job_alone(
    database: Database, rehearsal: Rehearsal, world: World
) -> None:
    names = [place.name for place in world.subreddits[:2]]
    with database.connect(autocommit=True) as connection:
        enqueue(connection, names)
        connection.execute("INSERT INTO crawl_jobs (subreddit_name) VALUES ('not a name')")
        values = [names[0]]
        connection.execute(
            "UPDATE crawl_jobs SET options = '{\"posts\": -1}' WHERE subreddit_name = %s", values
        )
    report = run(database, settings_for(rehearsal, database, depth_limit=0), DRAIN, Silent())
    assert report.jobs == {"failed": 2, "ok": 1}
    errors = "SELECT string_agg(error_message, ' ' ORDER BY error_message) FROM crawl_jobs"
    assert "posts" in one(database, errors)
    assert "'not a name' is not the name of a subreddit" in one(database, errors)


def test_a_broken_post_is_given_up_and_the_subreddit_comes_to_its_end(
    database: Database, make_rehearsal: Callable[..., Rehearsal], world: World
) -> None:
    """One post that always fails costs its tries, not the subreddit."""
    rehearsal = make_rehearsal()
    place = max(range(len(world.subreddits)), key=lambda i: len(rehearsal.site.posts_in[i]))
    name = world.subreddits[place].name
    rehearsal.weather.add("418 on=comments requests=1-4")
    settings = settings_for(rehearsal, database, depth_limit=0)
    with database.connect(autocommit=True) as connection:
        enqueue(connection, [name])
    report = run(database, settings, DRAIN, Silent())
    assert report.jobs == {"later": 3, "ok": 1}
    assert one(database, "SELECT figures ->> 'skipped' FROM crawl_runs ORDER BY token DESC LIMIT 1") == "1"
    assert len(stored(database)[0]) == len(rehearsal.site.posts_in[place])
