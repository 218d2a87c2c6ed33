"""A backup in place of the live database, and back again."""

from __future__ import annotations

import re
import threading
import time

import psycopg
import pytest
from psycopg import sql
from restore_world import Place, damage, hashes

from harness import maintenance
from redclust.db import locks
from redclust.db.connect import Connector
from redclust.db.locks import LockName
from redclust.errors import Locked


def test_everything_is_back_and_back_again(place: Place) -> None:
    before = hashes(place.target)
    place.backup()
    damage(place.database)
    damaged = hashes(place.target)
    report = place.report("restore", "latest", "--swap", "--confirm", place.name)
    assert hashes(place.target) == before
    assert (report["compared"], report["swapped"], report["left_undone"]) == (True, True, [])
    assert report["rows"] >= sum(rows for rows, _ in before.values())
    assert place.others() == [report["kept"]]
    assert hashes(place.target.on(report["kept"])) == damaged
    # What was live was backed up before: its name is told, and it is whole.
    assert report["safety_backup"].startswith(str(place.directory))
    # It is the newest backup, and not what `latest` means: that would be the damage again.
    assert place.report("restore", "--dry-run")["source"] == report["source"]
    assert place.ask("SELECT reltuples FROM pg_class WHERE relname = 'posts'") == 3000

    done = place.run("restore", "--undo", check=17)
    assert "this needs --yes" in done.stderr
    undone = place.report("restore", "--undo", "--yes", fresh=True)
    assert hashes(place.target) == damaged
    assert place.others() == [undone["kept"]]
    # An undo is undone like a restore.
    place.undo()
    assert hashes(place.target) == before


def test_a_fresh_backup_makes_a_safety_backup_needless(place: Place) -> None:
    place.backup()
    assert place.restore(swap=True).safety_backup is None
    place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute("UPDATE subreddits SET title = 'new' WHERE id = 1")
    assert place.restore(swap=True).safety_backup is not None


def test_what_lies_outside_the_tables_is_replayed(place: Place) -> None:
    name = sql.Identifier(place.name)
    with maintenance(place.target) as connection:
        for role in ("rt_owner", "rt_reader"):
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    try:
        with place.database.connect(autocommit=True) as connection:
            for statement in (
                "ALTER DATABASE {} SET work_mem = '11MB'",
                "ALTER ROLE rt_reader IN DATABASE {} SET search_path = 'Foo', public",
                "COMMENT ON DATABASE {} IS 'the map''s'",
                "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
                "GRANT CONNECT ON DATABASE {} TO rt_reader",
                "ALTER DATABASE {} OWNER TO rt_owner",
            ):
                connection.execute(sql.SQL(statement).format(name))
            connection.execute("GRANT SELECT ON posts TO rt_reader")
        place.backup()
        assert place.restore(swap=True).left_undone == ()
        told = place.ask(
            "SELECT array[pg_get_userbyid(datdba), shobj_description(oid, 'pg_database'), datacl::text, "
            "(SELECT string_agg(setconfig::text, ' ' ORDER BY setrole) FROM pg_db_role_setting "
            f" WHERE setdatabase = d.oid)] FROM pg_database d WHERE datname = '{place.name}'"
        )
        assert told == [
            "rt_owner",
            "the map's",
            "{rt_owner=CTc/rt_owner,=T/rt_owner,rt_reader=c/rt_owner}",
            '{work_mem=11MB} {"search_path=\\"Foo\\", public"}',
        ]
        assert place.ask("SELECT has_table_privilege('rt_reader', 'posts', 'SELECT')")
    finally:
        place.clean()
        with place.database.connect(autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(name))
            for role in ("rt_reader", "rt_owner"):
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_crawlers_are_paused_and_go_on_in_the_restored_database(place: Place) -> None:
    place.backup()
    stop = threading.Event()
    errors: set[str] = set()
    seen: list[tuple[int, int]] = []

    def crawl() -> None:
        while not stop.is_set():
            try:
                with psycopg.connect(
                    place.target.conninfo, autocommit=True, application_name="redclust crawl run"
                ) as session:
                    while not stop.is_set():
                        row = session.execute(
                            "SELECT (SELECT oid::bigint FROM pg_database "
                            "WHERE datname = current_database()), count(*) FROM crawl_pauses"
                        ).fetchone()
                        assert row is not None
                        if not seen or seen[-1] != row:
                            seen.append(row)
                        time.sleep(0.01)
            except psycopg.OperationalError as error:
                errors.add(str(error).split(":")[0])

    threads = [threading.Thread(target=crawl) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        report = place.restore(swap=True)
    finally:
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
    paused = {oid for oid, pauses in seen if pauses}
    old, new = seen[0][0], seen[-1][0]
    assert old != new
    assert paused == {old}
    assert seen[-1] == (new, 0)
    assert all("redclust crawl run" in who for who in report.ended_sessions)


def test_other_peoples_sessions_stop_it_unless_they_may_be_ended(place: Place) -> None:
    place.backup()
    before = hashes(place.target)
    with psycopg.connect(place.target.conninfo, application_name="somebody's psql") as other:
        done = place.run("restore", "--swap", "--confirm", place.name, check=17)
        assert re.search(r"is in use by somebody's psql of postgres \(server process \d+\)", done.stderr)
        assert "HINT: end those sessions, or add --terminate" in done.stderr
        assert place.others() == []
        assert hashes(place.target) == before
        report = place.restore(swap=True, terminate=True)
        assert any("somebody's psql" in who for who in report.ended_sessions)
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")


def test_it_waits_for_nobody_and_says_who_is_at_work(place: Place) -> None:
    place.backup()
    maintenance_verb = Connector(place.target, place.database.connector.settings, "maintenance")
    with (
        locks.hold(maintenance_verb, LockName.OPERATIONS),
        pytest.raises(Locked, match="locked by another run: redclust maintenance"),
    ):
        place.restore(swap=True, terminate=True)
    assert place.others() == []


def test_without_a_terminal_it_must_be_confirmed_by_name(place: Place) -> None:
    place.backup()
    assert f"this needs --confirm {place.name}" in place.run("restore", "--swap", check=17).stderr
    assert "nothing was done" in place.run("restore", "--swap", "--confirm", "other", check=17).stderr
    assert place.others() == []


def test_a_dry_run_tells_everything_and_changes_nothing(place: Place) -> None:
    name = place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO import_files (fingerprint, filters, name, kind, state, finished_at) "
            "VALUES ('a', '', 'RC_2021-05.zst', 'comments', 'complete', now())"
        )
    before = hashes(place.target)
    with psycopg.connect(place.target.conninfo, application_name="analyst"):
        plan = place.report("restore", "--swap", "--dry-run", check=3)
    assert plan["schema"] == "redclust.restore.plan/1"
    assert plan["source"].endswith(name)
    assert [(one["what"], one["count"]) for one in plan["since"]] == [("import", 1)]
    assert [one["fate"] for one in plan["connected"]] == ["in the way"]
    assert [one["exit_code"] for one in plan["obstacles"]] == [17]
    assert plan["safety_backup"] == "will be made"
    assert plan["space"][0]["needed_bytes"] > 1_000_000
    text = place.run("restore", "--dry-run").stdout
    assert "newer than the backup: 1 import, the last 20" in text
    assert "Nothing was done (--dry-run)" in text
    assert hashes(place.target) == before
    assert place.others() == []


def test_kept_databases_are_dropped_by_name_only(place: Place) -> None:
    place.backup()
    place.restore(swap=True)
    with place.database.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{place.name}_before_me")))
    assert "Nothing was dropped" in place.run("restore", "--drop-kept", "--dry-run").stdout
    kept = next(name for name in place.others() if not name.endswith("_me"))
    with psycopg.connect(place.target.on(kept).conninfo, application_name="analyst"):
        done = place.run("restore", "--drop-kept", "--confirm", place.name, check=17)
        assert f"{kept} is in use by analyst" in done.stderr
    place.run("restore", "--drop-kept", "--confirm", place.name)
    assert place.others() == [f"{place.name}_before_me"]
    assert "no restore has kept" in place.run("restore", "--undo", "--yes", check=0).stdout.lower()


def test_what_was_deleted_meanwhile_stays_deleted(place: Place) -> None:
    place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tombstones (kind, thing_id, reason) VALUES ('comment', 17, 'deleted')"
        )
        connection.execute(
            "INSERT INTO tombstones (kind, name_hash, reason) VALUES ('user', sha256('user_7'), 'forgotten')"
        )
        connection.execute("UPDATE comments SET body = '[deleted]', author_id = NULL WHERE id = 17")
    assert sum(place.restore(swap=True).erased.values()) > 0
    assert place.ask("SELECT body FROM comments WHERE id = 17") == "[deleted]"
    assert place.ask("SELECT count(*) FROM users WHERE name = 'user_7'") == 0
    assert place.ask("SELECT count(*) FROM tombstones") == 2
    # And what is deleted from now on stays so in the database that is brought back.
    with place.database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tombstones (kind, name_hash, reason) VALUES ('user', sha256('user_9'), 'forgotten')"
        )
    place.undo()
    assert place.ask("SELECT count(*) FROM users WHERE name IN ('user_7', 'user_9')") == 0


def test_what_comes_back_may_lack_a_table_that_deletions_are_looked_for_in(place: Place) -> None:
    place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE comments, crawl_pauses")
    place.restore(swap=True)
    with place.database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tombstones (kind, thing_id, name_hash, reason) "
            "VALUES ('comment', 17, NULL, 'deleted'), ('post', 18, NULL, 'deleted'), "
            "('user', NULL, sha256('user_9'), 'forgotten')"
        )
    report = place.undo()
    assert place.ask("SELECT to_regclass('comments')") is None
    assert report.left_undone == ()
    assert report.erased["blank_posts"] == 1
    assert place.ask("SELECT count(*) FROM users WHERE name = 'user_9'") == 0
    assert place.ask("SELECT count(*) FROM posts WHERE title <> '[deleted]' AND author_id IS NULL") == 0
    # Without the names nobody can say whose texts they are: that is told.
    with place.database.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE users CASCADE")
    place.undo()
    undone = place.report("restore", "--undo", "--yes", check=3)
    assert undone["left_undone"] == ["of accounts that are gone not all was erased: there is no table users"]


def test_the_map_is_computed_when_it_is_asked_for(place: Place) -> None:
    place.backup()
    with place.database.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE graph_nodes, graph_links")
    place.restore(swap=True, precalc=True)
    assert place.ask("SELECT count(*) FROM graph_nodes WHERE type = 'subreddit'") == 40
