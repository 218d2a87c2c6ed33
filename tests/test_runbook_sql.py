"""The operator's runbook: its SQL runs on the schema as it stands, and means what the runbook says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest

from harness import Redclust, dispose, own_server, settings_for
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.session import Database

#: What no Postgres accepts, and why.
REFUSED = {
    "SELECT schemaname, tablename, indexname, idx_scan FROM pg_stat_user_indexes "
    "WHERE schemaname = 'public' AND tablename LIKE 'graph_%' ORDER BY idx_scan": (
        psycopg.errors.UndefinedColumn,
        "pg_stat_user_indexes calls them relname and indexrelname",
    ),
}
META = re.compile(r"\\\w+")
HEREDOC = re.compile(r"psql[^\n]*<<EOF\n(.*?)^\s*EOF$", re.DOTALL | re.MULTILINE)
OPTION = re.compile(r'psql[^\n"]*-c\s*(?:\\\n\s*)?"([^"]*)"')


@dataclass(frozen=True)
class Runbook:
    statements: tuple[str, ...]
    meta_commands: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Runbook:
        """The arguments of psql -c and what is fed to psql by <<EOF, one statement each, in order."""
        found = sorted([*HEREDOC.finditer(text), *OPTION.finditer(text)], key=lambda match: match.start())
        statements: list[str] = []
        meta: list[str] = []
        for match in found:
            lines = [line.strip() for line in match[1].splitlines()]
            meta += [line for line in lines if META.match(line)]
            rest = " ".join(line for line in lines if not META.match(line) and not line.startswith("--"))
            statements += [" ".join(one.split()) for one in rest.split(";") if one.strip()]
        return cls(tuple(statements), tuple(meta))


@pytest.fixture(scope="module")
def runbook(pytestconfig: pytest.Config) -> Runbook:
    path = pytestconfig.rootpath / ".." / "shared" / "runbook.md"
    if not path.exists():
        pytest.skip(f"no runbook: {path.resolve()} is not there")
    return Runbook.read(path.read_text())


@pytest.fixture(scope="module")
def cluster(work_dir: Path, bin_dir: Path | None) -> Iterator[Path]:
    """A home of its own: the runbook names the database, and changes the server."""
    home = work_dir / "runbook"
    own = own_server(home, bin_dir)
    try:
        with own.in_use() as target:
            schema.migrate(Connector(target, settings_for(bin_dir).database, "test"))
            yield home
    finally:
        dispose(home)


def test_the_parser_finds_every_statement(runbook: Runbook) -> None:
    """Nobody has to believe that nothing was left out: every line that looks like SQL is in a statement."""
    assert len(runbook.statements) >= 20
    assert "REINDEX DATABASE reddit_cluster" in runbook.statements
    assert "VACUUM FULL ANALYZE" in runbook.statements
    assert "TRUNCATE TABLE graph_nodes" in runbook.statements
    assert set(REFUSED) <= set(runbook.statements)
    assert runbook.meta_commands == ("\\di graph_*",)


def test_every_line_of_sql_is_in_a_statement(pytestconfig: pytest.Config, runbook: Runbook) -> None:
    text = (pytestconfig.rootpath / ".." / "shared" / "runbook.md").read_text()
    verbs = r"(?:SELECT|UPDATE|DELETE FROM|TRUNCATE TABLE|VACUUM|REINDEX|ALTER|EXPLAIN)\b"
    for line in re.findall(rf'^\s*({verbs}[^\n]*)$|"({verbs}[^"]*)"', text, re.MULTILINE):
        begin = " ".join((line[0] or line[1]).split()).split(";")[0]
        assert any(begin in statement for statement in runbook.statements), begin


def test_every_statement_runs(cluster: Path, runbook: Runbook, bin_dir: Path | None) -> None:
    target = own_server(cluster, bin_dir).target()
    done: list[str] = []
    with psycopg.connect(target.conninfo, autocommit=True) as connection:
        for statement in runbook.statements:
            text = cast(LiteralString, statement)
            if statement in REFUSED:
                with pytest.raises(REFUSED[statement][0]):
                    connection.execute(text)
                continue
            connection.execute(text)
            done.append(statement)
    assert len(done) == len(runbook.statements) - len(REFUSED)


def test_psql_lists_the_indexes(redclust: Redclust, cluster: Path, runbook: Runbook) -> None:
    for command in runbook.meta_commands:
        listed = redclust("db", "psql", "--", "-X", "-c", command, home=cluster, check=0)
        assert "graph_nodes_pkey" in listed.stdout
        assert "graph_links_pkey" in listed.stdout


def test_jobs_are_counted_reset_and_cleared(database: Database, runbook: Runbook) -> None:
    """The statements about jobs do what the text around them says."""

    def one(beginning: str) -> LiteralString:
        (found,) = {s for s in runbook.statements if s.startswith(beginning)}
        return cast(LiteralString, found)

    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO crawl_jobs (subreddit_name, status, started_at, completed_at, error_message) VALUES "
            "('golang', 'pending', NULL, NULL, NULL), "
            "('stuck', 'crawling', now() - interval '16 minutes', NULL, NULL), "
            "('busy', 'crawling', now() - interval '5 minutes', NULL, NULL), "
            "('broken', 'failed', now(), NULL, 'HTTP 500'), "
            "('old', 'completed', now() - interval '31 days', now() - interval '31 days', NULL), "
            "('fresh', 'completed', now(), now(), NULL)"
        )

        def statuses() -> dict[str, str]:
            rows = connection.execute("SELECT subreddit_name, status FROM crawl_jobs").fetchall()
            return {str(name): str(status) for name, status in rows}

        counted = connection.execute(one("SELECT status, COUNT(*)")).fetchall()
        assert dict(counted) == {"pending": 1, "crawling": 2, "failed": 1, "completed": 2}
        connection.execute(one("UPDATE crawl_jobs SET status = 'pending', started_at = NULL"))
        assert (statuses()["stuck"], statuses()["busy"]) == ("pending", "crawling")
        connection.execute(one("UPDATE crawl_jobs SET priority = 100"))
        priorities = dict(connection.execute("SELECT subreddit_name, priority FROM crawl_jobs").fetchall())
        assert (priorities["golang"], priorities["stuck"]) == (100, 1)
        connection.execute(one("DELETE FROM crawl_jobs WHERE completed_at"))
        assert "old" not in statuses()
        assert "fresh" in statuses()
        connection.execute(one("UPDATE crawl_jobs SET status = 'pending', error_message = NULL"))
        assert statuses()["broken"] == "pending"
        connection.execute("UPDATE crawl_jobs SET status = 'failed' WHERE subreddit_name = 'broken'")
        connection.execute(one("DELETE FROM crawl_jobs WHERE status = 'failed'"))
        assert "broken" not in statuses()


def scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield str(plan["Node Type"]), str(plan.get("Index Name", ""))
    for child in plan.get("Plans", []):
        yield from scans(child)


def test_the_biggest_nodes_come_from_an_index(database: Database, runbook: Runbook) -> None:
    (query,) = (s for s in runbook.statements if "CAST(val AS NUMERIC)" in s)
    asked = re.sub(r"EXPLAIN \(.*?\)", "EXPLAIN (FORMAT json)", query)
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO graph_nodes (id, name, val, type) "
            "SELECT 'user_' || n, 'name' || n, (n * 7919) % 5003, 'user' FROM generate_series(1, 100000) AS n"
        )
        connection.execute("VACUUM ANALYZE graph_nodes")
        for limit in ("LIMIT 1000", "LIMIT 20000"):
            statement = cast(LiteralString, asked.replace("LIMIT 20000", limit))
            row = connection.execute(statement).fetchone()
            assert row is not None
            read = list(scans(row[0][0]["Plan"]))
            assert ("Index Scan", "idx_graph_nodes_val") in read
            assert not any(kind in ("Sort", "Seq Scan", "Incremental Sort") for kind, _ in read)
