"""Tables whose wasted space is known: made with a share of dead rows, of several kinds."""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from redclust.db.connect import Connection

#: What a row of each kind of table holds; {n} numbers it.
KINDS: dict[str, LiteralString] = {
    # A link of the graph: two ids and three numbers.
    "narrow": "SELECT n AS id, n % 5000 AS other, n % 17 AS shared, n / 3.0::float8 AS weight",
    # A comment: a text of any length.
    "texts": "SELECT n AS id, n % 300 AS subreddit, now() AS at, "
    "repeat('x', (n * 7919 % 400)::integer) AS body, CASE WHEN n % 3 = 0 THEN n END AS parent",
    # Two rows a page, and a quarter of each page that no row fits into.
    "wide": "SELECT n AS id, rpad('', 3000, md5(n::text)) AS body",
    # The text is outside of the row: what the row holds of it is a pointer.
    "toasted": "SELECT n AS id, n % 300 AS subreddit, n % 17 AS score, "
    "rpad('', 4000 + (n % 5) * 1000, md5(n::text)) AS body",
}
_STORAGE: dict[str, LiteralString] = {"narrow": "", "texts": "", "wide": "plain", "toasted": "external"}


def make(
    connection: Connection, name: str, kind: str, rows: int, dead_percent: int, *, vacuumed: bool
) -> None:
    """A table of a kind with a share of dead rows, or, vacuumed, of free space on pages visible to all."""
    names = {"table": sql.Identifier(name), "content": sql.SQL(KINDS[kind]), "rows": sql.Literal(rows)}

    def run(statement: LiteralString, **more: sql.Composable) -> None:
        connection.execute(sql.SQL(statement).format(**names, **more))

    run("CREATE TABLE {table} AS {content} FROM generate_series(1, 0) AS n")
    run("ALTER TABLE {table} SET (autovacuum_enabled = false)")
    if _STORAGE[kind]:
        run("ALTER TABLE {table} ALTER body SET STORAGE {storage}", storage=sql.SQL(_STORAGE[kind]))
        run("ALTER TABLE {table} SET (toast.autovacuum_enabled = false)")
    run("INSERT INTO {table} {content} FROM generate_series(1, {rows}) AS n")
    run("ALTER TABLE {table} ADD PRIMARY KEY (id)")
    # Any rows, not every second one.
    most = sql.Literal(1024 * dead_percent // 100)
    run("DELETE FROM {table} WHERE hashint4(id::integer) & 1023 < {most}", most=most)
    # A session subtracts what it has not told the server yet from what it counts.
    connection.execute("SELECT pg_stat_force_next_flush()")
    run("VACUUM ANALYZE {table}" if vacuumed else "ANALYZE {table}")
