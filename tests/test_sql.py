"""Every query of the package is accepted by Postgres on the real schema, and every index is needed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest
from psycopg import sql as composed

import redclust
from harness import TEMPLATE
from redclust import sql
from redclust.db.connect import Connection, Connector
from redclust.db.session import Database
from redclust.db.target import SUPERUSER
from redclust.sql import Query

SOURCES = Path(redclust.__file__).parent
AREAS = sorted(file.stem for file in (SOURCES / "sql").glob("*.sql"))

#: Where the extensions are that some queries read.
BORROWED = "redclust_borrowed"
#: What stands for an identifier in a query, by the name of the placeholder or by the query's name.
IDENTIFIERS: dict[str, str] = {
    "databases.name": TEMPLATE,
    "role": SUPERUSER,
    "parameter": "work_mem",
    "databases.rename.to": "test_sql_renamed",
    "databases.create_role.role": "test_sql_role",
    "databases.add_member.role": "pg_monitor",
    "member": SUPERUSER,
    "table": "graph_nodes",
    "name": "graph_nodes",
    "changes": "nodes_changes",
    "index": "idx_graph_nodes_name",
    "incidents.name": "work_mem",
    "incidents.log_slow_statements.database": TEMPLATE,
    "reindex.drop_leftover": "none_of_this_name",
    "extension": "btree_gist",
    "schema": BORROWED,
    "extensions.make_schema": "test_sql_throw_away",
    "integrity.ids_block": "posts",
    "sequence": "users_id_seq",
    "integrity.names_repeated.table": "users",
    "integrity.of_merged.column": "community_id",
    "integrity.merged_still.table": "users",
    "named_by": "author_id",
    "imported_by": "user_id",
    "integrity.repoint.column": "community_id",
    "repair.name": "graph_nodes_type_check",
    "repair.add_constraint.name": "test_sql_check",
    "repair.make_unique_index.name": "test_sql_index",
    "repair.key_of_index.table": "import_files",
    "repair.key_of_index.name": "import_files_key",
    "repair.enable_trigger.table": "crawl_jobs",
    "trigger": "crawl_jobs_moved",
    "new_name": "test_sql_renamed",
    "database": "postgres",
    "collation": "ucs_basic",
    "catalogs.table": "users",
    "catalogs.column": "id",
    "catalogs.make_template_schema": "test_sql_throw_away",
    "parent": "graph_nodes",
    "key": "id",
    "columns": "id",
    "column": "name",
    "versions.forget_older": "graph_nodes_before",
    **{f"precalc.find_{name}_changes": f"test_sql_{name}" for name in ("activity", "relationships")},
    **{f"precalc.find_{name}_changes": f"test_sql_{name}" for name in ("nodes", "links")},
    "precalc.drop_key.name": "graph_nodes_pkey",
    "precalc.drop_index.name": "idx_graph_nodes_name",
    "precalc.build_key.name": "test_sql_key",
    "databases.create_default": "test_sql_throw_away",
    "databases.drop": "test_sql_throw_away",
}
#: What stands for other words.
WORDS = {
    "privilege": "CONNECT",
    "value": "'4MB'",
    "text": "'a comment'",
    "limit": "5",
    "statement": "SELECT 1",
    "definition": "CHECK (true)",
    "precalc.build_key.definition": "UNIQUE (id)",
    "kind": "UNIQUE",
    "repair.columns": "(id)",
    "repair.found": "SELECT ctid AS place FROM crawl_jobs",
    "quarantine.change_back.key": "t.id",
    "left_key": "left_as.id",
    "integrity.interactions_collide.rows": "SELECT ctid, * FROM imported_interactions",
    "ours": "t.id",
    "theirs": "r.id",
    "limit_ms": "1000",
    "libraries": "''",
    "chosen": "SELECT id FROM graph_nodes",
    "reading.map_as_json.nodes": "SELECT * FROM graph_nodes",
    "reading.map_as_json.links": "SELECT * FROM graph_links",
    "found": "SELECT place, key, other FROM doomed",
    "looked": "SELECT ctid AS place, '' AS key, true AS no_post, true AS no_subreddit, true AS no_author, "
    "true AS elsewhere FROM comments",
    "fault": "no_post",
    "bereft": "SELECT place, key, other FROM doomed",
    "rows": "SELECT ctid, * FROM graph_nodes",
    "integrity.comment_parent_missing.rows": "SELECT ctid, * FROM comments",
    "integrity.comment_subreddit_differs.rows": "SELECT ctid, * FROM comments",
    "integrity.comment_subreddit_differs_by_set.rows": "SELECT ctid, * FROM comments",
    "integrity.relationship_one_way.rows": "SELECT ctid, * FROM subreddit_relationships",
    "integrity.graph_link_backwards.rows": "SELECT ctid, * FROM graph_links",
    "integrity.job_stuck.rows": "SELECT ctid, * FROM crawl_jobs",
    "integrity.job_impossible.rows": "SELECT ctid, * FROM crawl_jobs",
}
#: What this server may not be able to, or can only once.
RUN_BY_OTHER_TESTS = {
    "db.create_database",
    "databases.create_libc",
    "databases.create_icu",
    "databases.create_builtin",
    "integrity.join_moment",
}
#: Parameters whose type Postgres cannot tell from the statement: psycopg sends a number, not a NULL.
NUMBERS = {("store", "merge_interactions"): "file_id"}
#: Of the area `older` these work on our tables, the others on the older system's.
ON_OUR_TABLES = {"describe_subreddits", "add_jobs", "has_posts", "has_comments"}
#: Not inside a transaction, or only at its beginning.
ALONE = re.compile(
    r"(VACUUM|DROP INDEX CONCURRENTLY|CREATE UNIQUE INDEX CONCURRENTLY|CREATE DATABASE|DROP DATABASE"
    r"|CHECKPOINT|REINDEX|ALTER SYSTEM|SET TRANSACTION)\b"
)
UTILITY = re.compile(r"(EXPLAIN|CREATE|TRUNCATE|ANALYZE|SET|LOCK|DO|ALTER|GRANT|REVOKE|COMMENT|DROP)\b")
#: What the queries that stand below in the same file work on.
TABLES_OF_ITS_OWN = re.compile(r"CREATE (TEMPORARY|TABLE benchmark)")
EMPTY_BINARY_COPY = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"


def parameters(one: Query) -> dict[str, Any] | None:
    """A NULL for each parameter; None where the statement has none, as it is run then."""
    names = set(re.findall(r"%\((\w+)\)s", one.text))
    number = NUMBERS.get((one.area, one.name))
    return {name: 1 if name == number else None for name in names} or None


def statement(one: Query) -> composed.Composed:
    names = set(re.findall(r"(?<!\{)\{(\w+)\}", one.text))
    # Composing would take braces of other kinds (arrays as '{}') for its own.
    if not names:
        return composed.Composed([composed.SQL(one.text.replace("{", "{{").replace("}", "}}")).format()])
    return composed.SQL(one.text).format(**{name: stands_for(one, name) for name in names})


def stands_for(one: Query, name: str) -> composed.Composable:
    own = (f"{one.area}.{one.name}.{name}", f"{one.area}.{one.name}", f"{one.area}.{name}", name)
    for key in own:
        if key in WORDS:
            return composed.SQL(cast(LiteralString, WORDS[key]))
    return composed.Identifier(next(IDENTIFIERS[key] for key in own if key in IDENTIFIERS))


def check(connection: Connection, one: Query) -> None:
    """Plan the statement, or where it has no plan run it on empty tables and take it back."""
    text, values = statement(one), parameters(one)
    if one.text.startswith("COPY"):
        with connection.cursor() as cursor, cursor.copy(text) as copy:
            if "FROM STDIN" in one.text:
                copy.write(EMPTY_BINARY_COPY)
            else:
                assert list(copy) is not None
    elif UTILITY.match(one.text):
        connection.execute(text, values)
    else:
        connection.execute(composed.SQL("EXPLAIN ") + text, values)


def fits(connection: Connection, alone: Connection, one: Query) -> str | None:
    """What Postgres has against a query; temporary tables stay for the queries that stand below."""
    try:
        if ALONE.match(one.text):
            alone.execute(statement(one), parameters(one))
        else:
            with connection.transaction(force_rollback=not TABLES_OF_ITS_OWN.match(one.text)):
                check(connection, one)
    except psycopg.Error as error:
        return f"{one.area}.{one.name}: {error}"
    return None


def borrow(database: Database) -> None:
    """The extensions that some queries read."""
    schema = composed.Identifier(BORROWED)
    with database.connect() as connection:
        connection.execute(composed.SQL("CREATE SCHEMA {}").format(schema))
        for name in ("amcheck", "pg_stat_statements", "pgstattuple"):
            extension = composed.Identifier(name)
            connection.execute(composed.SQL("CREATE EXTENSION {} WITH SCHEMA {}").format(extension, schema))


@pytest.mark.parametrize("area", AREAS)
def test_every_query_fits_the_schema(
    area: str, database: Database, empty_database: Connector, pytestconfig: pytest.Config
) -> None:
    older = area == "older"
    if older:
        tables = (pytestconfig.rootpath / "tests" / "import_" / "older_schema.sql").read_text()
        with empty_database.connect() as connection:
            connection.execute(cast(LiteralString, tables))
    borrow(database)
    with ExitStack() as stack:
        # One transaction each, so that temporary tables of every kind stay; never committed.
        ours, theirs = (
            (stack.enter_context(d.connect()), stack.enter_context(d.connect(autocommit=True)))
            for d in (database, empty_database)
        )
        for connection, _ in (ours, theirs):
            stack.enter_context(connection.transaction(force_rollback=True))
        faults = [
            fits(*(theirs if older and one.name not in ON_OUR_TABLES else ours), one)
            for one in sql.area(area).values()
            if f"{area}.{one.name}" not in RUN_BY_OTHER_TESTS
        ]
    assert not [fault for fault in faults if fault]


def test_the_embedded_database_is_made_by_its_query(database: Database) -> None:
    """The one query that cannot run a second time: the server of the tests has that database."""
    with (
        database.connect(autocommit=True) as connection,
        pytest.raises(psycopg.errors.DuplicateDatabase, match="reddit_cluster"),
    ):
        connection.execute(sql.query("db", "create_database"))


@pytest.mark.parametrize("area", AREAS)
def test_every_query_says_what_it_answers(area: str) -> None:
    for one in sql.area(area).values():
        assert one.comment.endswith("."), one.name
        assert one.comment[0].isupper(), one.name
        assert len(one.comment.split()) > 1, one.name


def test_the_loader_refuses_what_has_no_comment_or_stands_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Folder:
        text = ""

        def joinpath(self, name: str) -> Folder:
            return self

        def read_text(self, encoding: str) -> str:
            return self.text

    folder = Folder()
    monkeypatch.setattr(sql, "files", lambda package: folder)
    uncommented = "-- name: one\nSELECT 1"
    twice = "-- name: one\n-- A.\nSELECT 1\n-- name: one\n-- B.\nSELECT 2"
    for number, text in enumerate((uncommented, twice, "-- name: one\n-- A.\n")):
        folder.text = text
        with pytest.raises(ValueError, match="one stands twice, or lacks its comment"):
            sql.area(f"made up {number}")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.relative_to(SOURCES), ast.parse(path.read_text())


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every text of a module that is not a docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def test_every_query_is_used() -> None:
    """By its name, or by a pattern like f"copy_{kind}" that its name fits."""
    names = {re.escape(str(text.value)) for _, tree in modules() for text in strings(tree)}
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values]
                if re.fullmatch(r"\w+_\*\w*|\*_\w+", "".join(parts)):
                    names.add("".join(parts).replace("*", r"\w+"))
    used = re.compile("|".join(sorted(names)))
    assert not [f"{area}.{name}" for area in AREAS for name in sql.area(area) if not used.fullmatch(name)]


def test_no_sql_in_python() -> None:
    looks_like_sql = re.compile(
        r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|COPY|CREATE|DROP|ALTER|TRUNCATE|VACUUM|REINDEX"
        r"|ANALYZE|EXPLAIN|LOCK|SET|BEGIN|COMMIT|ROLLBACK|GRANT|DO)\b(?!:)"
    )
    found = [
        f"{path}:{text.lineno}: {text.value!r}"
        for path, tree in modules()
        for text in strings(tree)
        if looks_like_sql.match(str(text.value)) and " " in str(text.value).strip()
    ]
    for path, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            runs = node.func.attr in {"execute", "executemany", "copy", "stream", "SQL"}
            if runs and isinstance(node.args[0], (ast.Constant, ast.JoinedStr, ast.BinOp)):
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    assert not found


#: Why each index is there: the constraint that it is, or a query that reads it (with its parameters).
Reason = str | tuple[str, str, Mapping[str, Any]]
INDEXES: dict[str, Reason] = {
    "quarantine_runs_pkey": "key",
    "precalc_marks_pkey": "key",
    "quarantine_pkey": ("quarantine", "last_number", {"run_id": 1}),
    "redclust_migrations_pkey": "a migration is recorded once",
    "subreddits_pkey": "key",
    "subreddits_name_key": ("graph", "subreddit_outside", {"name": "a"}),
    "users_pkey": "key",
    "users_name_key": ("graph", "user_outside", {"name": "a"}),
    "posts_pkey": ("store", "known_posts", {"ids": [1]}),
    "comments_pkey": ("store", "known_comments", {"ids": [1]}),
    "import_files_pkey": "key",
    "import_files_key": "a file is imported once with the same filters",
    "imported_interactions_pkey": "a pair counts once in a file",
    "account_checks_pkey": "an account was last asked for once",
    "api_budgets_pkey": "one budget a client id",
    "crawl_jobs_pkey": "key",
    "crawl_jobs_subreddit_key": "one job a subreddit",
    "crawl_jobs_live": ("queue", "depth", {}),
    "crawl_runs_pkey": "a claim ends once",
    "crawl_workers_pkey": "key",
    "crawl_pauses_pkey": "a holder pauses once",
    "user_subreddit_activity_pkey": "a user is active in a subreddit once",
    "subreddit_relationships_pkey": "two subreddits are related once in each direction",
    "graph_communities_pkey": ("graph", "community", {"id": 1}),
    "graph_community_links_pkey": "two communities are linked once",
    "graph_nodes_pkey": ("graph", "node_by_id", {"id": "user_1"}),
    "idx_graph_nodes_type": ("graph", "members", {"id": 1, "limit": 20}),
    # The runbook's query; its plan is held in test_runbook_sql.py.
    "idx_graph_nodes_val": "SELECT … FROM graph_nodes ORDER BY CAST(val AS NUMERIC) DESC LIMIT 20000",
    "idx_graph_nodes_name": ("graph", "node_by_name", {"name": "a", "types": ["user"]}),
    "idx_graph_top_links": ("reading", "stored_entries", {"links": 5, "limit": 5}),
    "graph_top_marks_pkey": "there is one row at most",
    "graph_links_pkey": ("graph", "neighbours", {"id": "user_1", "by": "weight", "limit": 5}),
    "idx_graph_links_target": ("graph", "neighbours", {"id": "user_1", "by": "weight", "limit": 5}),
    "run_history_pkey": "key",
    "run_history_verb": ("history", "newest", {"verb": "vacuum", "limit": 1}),
    "tombstones_thing_key": ("tombstones", "gone_things", {"kind": "post", "ids": [1]}),
    "tombstones_name_key": ("tombstones", "gone_names", {"names": "a"}),
    "post_checks_pkey": "a post was last looked at once",
    "comment_checks_pkey": "a comment was last looked at once",
    "post_looks_pkey": ("crawl", "post_looks", {"ids": [1]}),
    "author_looks_pkey": "an author was last asked once",
    "crawl_rejects_pkey": "a broken thing is kept once",
    "precalc_runs_pkey": ("graph", "shown_run", {}),
}


def test_every_index_is_a_constraint_or_read_by_a_query(database: Database) -> None:
    with database.connect() as connection:
        constraints = {
            str(name)
            for (name,) in connection.execute("SELECT conname FROM pg_constraint WHERE conindid <> 0")
        }
        unique = {
            str(name)
            for (name,) in connection.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND indrelid IN "
                "(SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
            )
        }
        there = {
            str(name)
            for (name,) in connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
        }
        assert there == set(INDEXES)
        connection.execute(
            "INSERT INTO graph_nodes (id, name, val, type) "
            "SELECT 'user_' || n, 'name' || n, n, 'user' FROM generate_series(1, 3000) AS n"
        )
        connection.execute("ANALYZE graph_nodes")
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        for index, reason in INDEXES.items():
            if isinstance(reason, str):
                assert index in constraints | unique or reason.startswith("SELECT"), index
                continue
            area, name, values = reason
            plan = connection.execute("EXPLAIN " + sql.query(area, name), values or None).fetchall()
            assert index in "\n".join(str(line) for (line,) in plan), (index, plan)


def test_no_index_is_the_beginning_of_another(database: Database) -> None:
    """A shorter index with the same columns in front answers nothing that the longer one does not."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT indrelid::regclass::text, indexrelid::regclass::text, indisunique, array("
            "    SELECT pg_get_indexdef(indexrelid, n, false) FROM generate_series(1, indnkeyatts) AS n) "
            "FROM pg_index WHERE indrelid IN "
            "(SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)"
        ).fetchall()
    for table, index, is_unique, columns in rows:
        for other_table, other, _, longer in rows:
            if table == other_table and index != other and not is_unique:
                assert longer[: len(columns)] != columns, f"{index} is the beginning of {other}"


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [m.version for m in sql.migrations()] == list(range(1, len(sql.migrations()) + 1))
