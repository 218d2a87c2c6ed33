"""Bloat: the estimate and the confirmed figure beside what a rewrite really gives back."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from bloated import KINDS, make
from psycopg import sql

from harness import SOAK, Redclust
from redclust.config import MaintenanceSettings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.ops.integrity import relations
from redclust.ops.integrity.relations import Relation
from redclust.report import Silent

ROWS = {kind: (80_000 if SOAK else 12_000) // (8 if kind in ("wide", "toasted") else 1) for kind in KINDS}
#: How far a number may be from the truth, in points of percent of the table.
FAR = {"table": 4.0, "toast": 6.0, "index": 8.0}
MIB = 1024 * 1024


def of_table(connection: Connection, table: str) -> dict[str, Relation]:
    """The relations of a table by kind and, for an index, what it is of."""
    found = [one for one in relations.read(connection) if one.table == table]
    # Of a small one a single page is a large share.
    found = [one for one in found if one.size_bytes >= 2**18]
    return {"pkey" if one.name.endswith("pkey") else one.kind: one for one in found}


@pytest.mark.parametrize("vacuumed", [False, True], ids=["dead", "free"])
@pytest.mark.parametrize("dead_percent", [0, 30, 50, 70] if SOAK else [0, 50])
@pytest.mark.parametrize("kind", list(KINDS))
def test_both_numbers_are_near_what_a_rewrite_gives_back(
    connection: Connection, kind: str, dead_percent: int, vacuumed: bool
) -> None:
    make(connection, "made", kind, ROWS[kind], dead_percent, vacuumed=vacuumed)
    before = of_table(connection, "made")
    guesses = {name: relations.estimated_waste(one) for name, one in before.items()}
    seen = {name: relations.look(connection, one, limit_ms=60_000) for name, one in before.items()}
    connection.execute("VACUUM FULL made")
    left = {one.oid: one.size_bytes for one in relations.read(connection)}
    assert before
    for name, one in before.items():
        truth = 100 * (one.size_bytes - left[one.oid]) / one.size_bytes
        guess, lacks = guesses[name]
        assert lacks == ""
        assert abs(100 * (guess or 0) / one.size_bytes - truth) < FAR[one.kind], (name, guess, truth)
        # Entries of dead rows are in an index until a vacuum takes them out.
        if one.kind != "index" or vacuumed:
            confirmed = 100 * seen[name].wasted_bytes / one.size_bytes
            assert abs(confirmed - truth) < FAR[one.kind], (name, confirmed, truth)


@pytest.mark.parametrize("kind", ["texts", "wide"])
def test_what_was_seen_is_what_pgstattuple_reads_page_by_page(connection: Connection, kind: str) -> None:
    make(connection, "made", kind, ROWS[kind], 50, vacuumed=True)
    one = of_table(connection, "made")["table"]
    seen = relations.look(connection, one, limit_ms=60_000)
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE EXTENSION pgstattuple")
        row = connection.execute("SELECT dead_tuple_len, free_space FROM pgstattuple('made')").fetchone()
    assert row is not None
    assert (seen.dead_bytes, row[0]) == (0, 0)
    assert seen.free_bytes == pytest.approx(row[1], rel=0.02)


def small(**changed: float) -> MaintenanceSettings:
    return MaintenanceSettings.model_validate({"bloat_min_mb": 0.1, **changed})


def test_what_stands_out_is_confirmed_and_said_how_to_mend(
    database: Database, connection: Connection
) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    make(connection, "dead", "texts", 12_000, 60, vacuumed=False)
    make(connection, "full", "texts", 12_000, 0, vacuumed=True)
    report = integrity.bloat(database, small(), (), Silent(), budget_s=60)
    by_name = {one.name: one for one in report.relations}
    name = connection.info.dbname
    assert by_name["much"].mend == f"redclust vacuum --full much --confirm {name}"
    assert by_name["dead"].mend == "redclust vacuum dead"
    assert by_name["much_pkey"].mend == "redclust reindex much_pkey"
    assert by_name["much"].method == "pgstattuple_approx"
    assert by_name["much_pkey"].method == "pgstatindex"
    assert (by_name["full"].verdict, by_name["full"].method) == ("fine", "")
    assert [one.estimated_bytes for one in report.relations[:2]] == sorted(
        (one.estimated_bytes for one in report.relations[:2]), reverse=True, key=lambda n: n or 0
    )
    assert not report.ok
    connection.execute("VACUUM FULL much")
    connection.execute("VACUUM FULL dead")
    connection.execute("ANALYZE")
    assert integrity.bloat(database, small(), (), Silent(), budget_s=60).ok


def test_a_table_of_dead_rows_that_nobody_analyzed_stands_out(
    database: Database, connection: Connection
) -> None:
    make(connection, "stale", "texts", 12_000, 0, vacuumed=True)
    connection.execute("DELETE FROM stale WHERE id % 2 = 0")
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT 1")
    report = integrity.bloat(database, small(), (), Silent(), budget_s=60)
    (stale,) = (one for one in report.relations if one.name == "stale")
    assert (stale.verdict, stale.mend) == ("bloated", "redclust vacuum stale")


def test_out_of_time_is_said_and_is_no_success(database: Database, connection: Connection) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=False)
    report = integrity.bloat(database, small(), (), Silent(), budget_s=0)
    (much,) = (one for one in report.relations if one.name == "much")
    assert (much.verdict, much.confirmed_bytes) == ("not confirmed", None)
    assert "--budget" in much.reason
    assert not report.ok


def test_nothing_is_left_of_what_was_borrowed(database: Database, connection: Connection) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    assert not integrity.bloat(database, small(), (), Silent(), budget_s=60).lacks
    for catalog in ("pg_extension WHERE extname <> 'plpgsql'", "pg_namespace WHERE nspname ~ 'redclust'"):
        row = connection.execute(sql.SQL("SELECT count(*) FROM " + catalog)).fetchone()  # type: ignore[arg-type]
        assert row == (0,)


def test_an_extension_that_is_there_is_used_where_it_is(database: Database, connection: Connection) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    connection.execute("CREATE SCHEMA tools")
    connection.execute("CREATE EXTENSION pgstattuple WITH SCHEMA tools")
    report = integrity.bloat(database, small(), ("much",), Silent(), budget_s=60)
    assert {one.method for one in report.relations} == {"pgstattuple_approx", "pgstatindex"}


def test_the_owner_is_told_what_cannot_be_confirmed(
    connection: Connection, make_role: Callable[..., str], acting_as: Callable[[str], Database]
) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    name = connection.info.dbname
    owner = make_role("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
    connection.execute(sql.SQL("ALTER TABLE much OWNER TO {}").format(sql.Identifier(owner)))
    report = integrity.bloat(acting_as(owner), small(), (), Silent(), budget_s=60)
    (much,) = (one for one in report.relations if one.name == "much")
    assert (much.verdict, report.ok, report.database) == ("not confirmed", True, name)
    assert "superuser" in report.lacks
    assert (much.estimated_bytes or 0) > much.size_bytes / 2
    for names, strict in ((("much",), False), ((), True)):
        asked = integrity.bloat(acting_as(owner), small(), names, Silent(), budget_s=60, strict=strict)
        assert not asked.ok
    # Where it is installed, a right to its functions is enough.
    connection.execute("CREATE EXTENSION pgstattuple")
    assert "pg_stat_scan_tables" in integrity.bloat(acting_as(owner), small(), (), Silent(), budget_s=9).lacks
    connection.execute(sql.SQL("GRANT pg_stat_scan_tables TO {}").format(sql.Identifier(owner)))
    confirmed = integrity.bloat(acting_as(owner), small(), (), Silent(), budget_s=60)
    assert {one.verdict for one in confirmed.relations if one.table == "much"} == {"bloated", "fine"}


def test_a_locked_table_is_not_waited_for(
    database: Database,
    connection: Connection,
    session: Callable[..., psycopg.Connection[tuple[object, ...]]],
) -> None:
    other = session("psql")
    other.execute("LOCK TABLE posts, users, graph_nodes")
    report = integrity.bloat(database, small(), (), Silent(), budget_s=60)
    assert report.locked_tables == ("graph_nodes", "posts", "users")
    assert not report.ok


def test_advice_on_indexes_has_its_cautions(database: Database, connection: Connection) -> None:
    make(connection, "much", "texts", 12_000, 0, vacuumed=True)
    connection.execute("CREATE INDEX twice ON much (id)")
    connection.execute("CREATE INDEX never ON much (subreddit)")
    for name in ("expression", "same_expression"):
        connection.execute(
            sql.SQL("CREATE INDEX {} ON much (lower(body)) WHERE id > 5").format(sql.Identifier(name))
        )
    connection.execute("CREATE INDEX other_expression ON much (upper(body)) WHERE id > 5")
    connection.execute("CREATE TABLE child (much_id bigint REFERENCES much, n integer)")
    connection.execute("INSERT INTO child SELECT id, id FROM much")
    connection.execute("VACUUM ANALYZE child")
    found = {(one.kind, one.index or one.table): one for one in _advice(database)}
    assert "much_pkey has the same columns" in found["duplicate", "twice"].why
    assert ("duplicate", "same_expression") in found
    assert ("duplicate", "expression") not in found
    assert ("duplicate", "other_expression") not in found
    assert any("standby" in caution for caution in found["unused", "never"].cautions)
    assert "child_much_id_fkey (much_id) refers to much" in found["missing", "child"].why
    assert all(one.cautions for one in found.values())
    # A constraint is there for another reason, and an index that begins with the key serves it.
    assert ("unused", "much_pkey") not in found
    connection.execute("CREATE INDEX serves ON child (much_id, n)")
    assert ("missing", "child") not in {(one.kind, one.table) for one in _advice(database)}


def _advice(database: Database) -> tuple[integrity.IndexAdvice, ...]:
    return integrity.bloat(database, small(bloat_min_mb=0.01), (), Silent(), budget_s=0).indexes


def test_the_command(redclust: Redclust, connection: Connection) -> None:
    make(connection, "much", "texts", 12_000, 60, vacuumed=True)
    env = {"REDCLUST_MAINTENANCE__BLOAT_MIN_MB": "0.1"}
    done = redclust("integrity", "bloat", env=env, check=3, fresh=True)
    assert "redclust reindex much_pkey" in done.stdout
    document = json.loads(redclust("integrity", "bloat", "much", "--format", "json", env=env, check=3).stdout)
    assert document["schema"] == "redclust.integrity.bloat/1"
    assert redclust("integrity", "bloat", check=0).stdout.startswith("0 bloated (at least 30%")
    assert "there is no table nonsense" in redclust("integrity", "bloat", "nonsense", check=2).stderr
