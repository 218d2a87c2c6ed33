"""Drills: what they look at, what they keep, and that nothing of them stays."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from restore_world import Place, hashes

from harness import maintenance
from redclust.db import databases, locks
from redclust.db.connect import Connector
from redclust.db.databases import Purpose
from redclust.db.locks import LockName
from redclust.errors import Locked
from redclust.ops import restore
from redclust.ops.backup import manifest, places
from redclust.ops.restore import DrillReport
from redclust.report import Silent


def drill(place: Place, name: str | None = None) -> DrillReport:
    return restore.drill(place.loaded, name, Silent())


def verdicts(report: DrillReport) -> dict[str, str]:
    return {check.name: check.verdict for check in report.checks}


def state(place: Place, name: str) -> str:
    return next(e.state.value for e in places.read(place.loaded).entries if e.name == name)


def test_a_drill_compares_everything_and_leaves_only_its_evidence(place: Place) -> None:
    name = place.backup()
    before = hashes(place.target)
    text = place.run("backup", "drill", fresh=True).stdout
    assert f"{name} restores: " in text
    assert place.others() == []
    assert hashes(place.target) == before
    assert state(place, name) == "restored"
    kept = json.loads((place.directory / name / "check-restore.json").read_text())
    assert kept["ok"] is True
    assert kept["figures"]["indexes"].startswith("fine: ")
    # The manifest is the one that was written, to the last byte.
    assert manifest.decode((place.directory / name / manifest.FILE).read_bytes(), name).name == name
    assert place.ask("SELECT verdict FROM run_history WHERE verb = 'backup drill'") == "ok"
    again = drill(place, name)
    assert again.previous_restore_s == pytest.approx(kept["duration_s"])
    assert set(verdicts(again).values()) == {"fine"}


def test_the_one_longest_not_drilled_is_next(place: Place) -> None:
    first = place.backup()
    second = place.backup()
    assert [drill(place).name for _ in range(3)] == [second, first, second]


def test_what_was_wrong_in_the_data_is_told_and_the_backup_is_good(place: Place) -> None:
    with place.database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM users WHERE id = 7")
        connection.execute("SELECT setval('subreddits_id_seq', 3)")
        connection.execute("ALTER TABLE posts ADD CONSTRAINT own CHECK (score > 0) NOT VALID")
    name = place.backup()
    report = drill(place)
    assert report.exit_code == 3
    wrong = {check.name: check.told for check in report.wrong}
    assert set(wrong) == {"keys", "sequences", "constraints"}
    assert "author is not there" in wrong["keys"]
    assert wrong["sequences"] == "public.subreddits_id_seq stands at 3, subreddits.id at 40"
    # It restores to what was backed up: `latest` may use it.
    assert state(place, name) == "restored"
    assert place.restore().compared


def test_the_owners_own_assertions(place: Place) -> None:
    place.backup()
    asserted = {
        "has golang": "SELECT count(*) > 0 FROM subreddits WHERE name = 'golang'",
        "has posts": "SELECT count(*) = 3000 FROM posts",
        "is a typo": "SELECT nothing FROM nowhere",
        "gives no truth": "SELECT 17",
    }
    env = {"REDCLUST_CONFIG": str(place.home.with_name("config.yaml"))}
    place.home.with_name("config.yaml").write_text(json.dumps({"backup": {"drill_assertions": asserted}}))
    report: dict[str, Any] = place.report("backup", "drill", check=3, env=env)
    told = {one["name"]: one["told"] for one in report["checks"] if one["name"].startswith("assertion")}
    assert told == {
        "assertion has golang": "gave False, not true",
        "assertion has posts": "true",
        "assertion is a typo": 'relation "nowhere" does not exist',
        "assertion gives no truth": "gave 17, not true",
    }


def test_a_backup_that_does_not_restore_is_found_and_used_no_more(place: Place) -> None:
    """Its archive is whole by its hash, and no restore of it would say what is missing."""
    good = place.backup()
    bad = place.backup()
    file = place.directory / bad / manifest.FILE
    made = manifest.decode(file.read_bytes(), bad)
    tables = tuple(replace(t, rows=t.rows + 1) if t.name == "posts" else t for t in made.tables)
    file.write_bytes(manifest.encode(replace(made, tables=tables)))
    text = place.run("backup", "drill", bad, check=3).stdout
    assert "does NOT restore: " in text
    assert "public.posts has 3000 instead of 3001" in text
    assert state(place, bad) == "broken"
    assert place.restore().source.endswith(good)
    done = place.run("backup", "verify", "--level", "restore", "--all", check=16)
    assert "public.posts has 3000 instead of 3001" in done.stdout
    assert [name for name in place.others() if "_restored_" not in name] == []


def test_a_key_that_is_there_twice_is_found_by_the_restore(place: Place) -> None:
    """Its dump is fine by every other check: only who restores it sees that the index cannot be made."""
    with place.database.connect(autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")
        oid = "'users_name_key'::regclass"
        connection.execute(
            f"UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = {oid}"
        )
        connection.execute("INSERT INTO users (name) VALUES ('user_7')")
        connection.execute(
            f"UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = {oid}"
        )
    name = place.backup()
    assert state(place, name) == "read"
    report = drill(place)
    assert "could not create unique index" in report.problem
    assert state(place, name) == "broken"


def test_a_drill_leaves_the_database_to_others(place: Place) -> None:
    place.backup()
    backing_up = Connector(place.target, place.database.connector.settings, "backup")
    with locks.hold(backing_up, LockName.OPERATIONS, shared=True):
        assert drill(place).ok
    restoring = Connector(place.target, place.database.connector.settings, "restore")
    with (
        locks.hold(restoring, LockName.OPERATIONS),
        pytest.raises(Locked, match="locked by another run: redclust restore"),
    ):
        drill(place)


def test_what_dead_drills_have_left_goes_and_nothing_else(place: Place) -> None:
    place.backup()
    server = databases.maintenance(place.database.connector)
    dead = databases.copy_name(place.name, Purpose.DRILL)
    living = databases.copy_name(place.name, Purpose.RESTORE)
    mine = f"{place.name}_drill_of_mine"
    with maintenance(place.target) as connection:
        for name in (dead, living, mine):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with (
        locks.hold_name(server, living),
        psycopg.connect(place.target.on(dead).conninfo),  # what the dead one's pg_restore still does
    ):
        assert drill(place).swept == (dead,)
    assert place.others() == sorted([living, mine])
