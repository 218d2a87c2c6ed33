"""Each defect injected for real: found by the checks that must find it, mended, and clean again."""

from __future__ import annotations

import pytest
from lab import DEFECTS, Defect, contents, found, inject, mend

from redclust.config import Settings
from redclust.db.connect import Connection
from redclust.db.session import Database
from redclust.ops import integrity
from redclust.ops.integrity import members, together
from redclust.ops.integrity.catalogue import CHECKS
from redclust.report import Silent


def test_a_sound_database_is_clean(database: Database) -> None:
    report = integrity.check(database, Settings(), Silent(), deep=True)
    assert [one for one in report.checks if one.state != "clean" or one.stale] == []
    assert integrity.clean(database, Silent(), dry_run=True).cleaned == ()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.name)
def test_found_and_mended(database: Database, connection: Connection, defect: Defect) -> None:
    inject(connection, defect.inject)
    broken = contents(connection)
    assert set(found(database)) == set(defect.found)
    if defect.clean is not None:
        _clean_and_back(database, connection, frozenset(defect.clean), broken)
    for verb in defect.then:
        mend(database, verb)
    assert found(database) == {}


def _clean_and_back(
    database: Database, connection: Connection, types: frozenset[str], broken: dict[str, list[str]]
) -> None:
    """Clean does what its dry run said, can be taken back exactly, and does it again."""
    planned = integrity.clean(database, Silent(), types=types, dry_run=True)
    assert contents(connection) == broken
    first = integrity.clean(database, Silent(), types=types, batch_rows=7)
    assert first.ok
    assert {(one.reason, one.found_rows) for one in first.cleaned} == {
        (one.reason, one.found_rows) for one in planned.cleaned
    }
    for one in first.cleaned:
        assert one.removed_rows + one.changed_rows == one.found_rows
    listed = integrity.list_quarantine(database).runs
    assert sum(run.rows for run in listed) == sum(one.found_rows for one in first.cleaned)
    assert first.run_id is not None
    assert integrity.restore_quarantine(database, first.run_id, Silent()).ok
    assert contents(connection) == broken
    assert integrity.list_quarantine(database).runs == ()
    assert integrity.clean(database, Silent(), types=types).ok


#: Tables with a key that no check of duplicates looks through: what stands twice there is found as the broken
#: or missing index that let it in.
BY_INDEX = {
    "account_checks",
    "api_budgets",
    "author_looks",
    "comment_checks",
    "crawl_pauses",
    "crawl_rejects",
    "crawl_runs",
    "crawl_workers",
    "graph_communities",
    "graph_community_links",
    "graph_top_marks",
    "import_files",
    "post_checks",
    "post_looks",
    "precalc_marks",
    "precalc_runs",
    "quarantine",
    "quarantine_runs",
    "redclust_migrations",
    "run_history",
    "tombstones",
}


def test_every_table_with_a_key_is_looked_through_for_what_stands_twice(connection: Connection) -> None:
    """A new table is put among those that are looked through, or said to be none of them."""
    keyed = {
        str(name)
        for (name,) in connection.execute(
            "SELECT DISTINCT indrelid::regclass::text FROM pg_index WHERE indisunique AND indrelid IN "
            "(SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)"
        )
    }
    looked_at = {one.rows.table for one in CHECKS if one.type == "duplicates"}
    assert keyed - looked_at == BY_INDEX


def test_every_check_is_found_by_a_defect() -> None:
    """The lab breaks something for each check; pages, text order and jobs' index have tests of their own."""
    found_by = {name for defect in DEFECTS for name in defect.found}
    of_their_own = {"index_corrupt", "table_corrupt", "checksum_failures", "collation_drift"}
    assert {one.name for one in CHECKS} == found_by | of_their_own


def test_together_or_alone_the_same_is_found(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one pass with all ids as bits, with posts joined, with no bits at all; and check by check."""
    inject(
        connection,
        "DELETE FROM users WHERE id IN (7, 60); DELETE FROM subreddits WHERE id = 3; "
        "DELETE FROM posts WHERE id % 4 = 0; UPDATE comments SET author_id = 2147483647 WHERE id % 9 = 0; "
        "UPDATE comments SET author_id = -5 WHERE id % 10 = 0; "
        "UPDATE comments SET subreddit_id = 1 + subreddit_id % 12 WHERE id % 5 = 0; "
        "UPDATE comments SET subreddit_id = subreddit_id + 16777216 WHERE id % 33 = 0; "
        "UPDATE comments SET post_id = 9223372036854775807 WHERE id % 55 = 0; "
        "INSERT INTO post_looks (id, num_comments, reach, comment_ids) VALUES "
        "(1, 0, 'all', '{}'), (2, 2, 'all', '{101, 202}'), (3, 1, 'all', '{404}')",
    )

    def looked() -> dict[str, tuple[int, tuple[str, ...]]]:
        report = integrity.check(database, Settings(), Silent(), types=frozenset({"comments"}))
        return {one.name: (one.rows, one.sample) for one in report.checks}

    by_bits = looked()
    assert all(by_bits[name][0] for name in together.ONE_PASS)
    assert by_bits["comment_parent_missing"] == (0, ())
    for limit_bytes in (50_000, 100):
        monkeypatch.setattr(members, "_LIMIT_BYTES", limit_bytes)
        assert looked() == by_bits
    monkeypatch.undo()
    monkeypatch.setattr(together, "ONE_PASS", {})
    assert looked() == by_bits
    # One of those seen is gone, another one stands twice: no more and no fewer than were seen.
    inject(
        connection,
        "DELETE FROM comments WHERE id = 202; ALTER TABLE comments DROP CONSTRAINT comments_pkey; "
        "INSERT INTO comments SELECT * FROM comments WHERE id = 101",
    )
    missing = _count(connection, "SELECT count(*) FROM comments WHERE parent_id = 202")
    assert missing
    assert looked()["comment_parent_missing"][0] >= missing


def test_of_all_or_of_some_comments_one_that_was_seen_is_missed(
    database: Database, connection: Connection
) -> None:
    """Where crawls have seen nearly all, all are summed up; else those among them are looked for."""
    look = "INSERT INTO post_looks SELECT post_id, count(*), 'all', array_agg(id) FROM kept GROUP BY 1"
    seen, twice = (
        _count(connection, f"SELECT parent_id FROM comments WHERE parent_id IS NOT NULL ORDER BY 1 {which}")
        for which in ("LIMIT 1", "DESC LIMIT 1")
    )
    gone = f"DELETE FROM comments WHERE id = {seen}"
    hidden = f"{gone}; INSERT INTO comments SELECT * FROM comments WHERE id = {twice}"
    inject(
        connection, "ALTER TABLE comments DROP CONSTRAINT comments_pkey; CREATE TABLE kept AS TABLE comments"
    )
    for some in ("", f"DELETE FROM post_looks WHERE NOT comment_ids && '{{{seen}, {twice}}}'"):
        inject(connection, f"TRUNCATE post_looks; {look}; {some}")
        for loss in ("", gone, hidden):
            inject(connection, f"TRUNCATE comments; INSERT INTO comments TABLE kept; {loss}")
            assert ("comment_parent_missing" in found(database)) == bool(loss), (some, loss)


def _count(connection: Connection, statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])
