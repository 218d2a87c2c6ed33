"""A backup restored into a new database, beside psql that runs the plain SQL of the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex

from psycopg.conninfo import make_conninfo

from redclust import pgtools
from redclust.db import attributes, databases
from redclust.db.connect import Connector
from redclust.ops.benchmark.frame import Comparison, alternate
from redclust.pgtools import Tools
from redclust.report import Progress


def beside_psql(
    connector: Connector,
    tools: Tools,
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    script: Path,
    runs: int,
    progress: Progress,
) -> Comparison:
    """Restore in turn with psql, each into a database of its own that is dropped afterwards.

    ``command`` is redclust with its settings in ``env``, whose ``latest`` is the backup to restore. Ours
    counts and compares the rows of every table and analyzes; psql only runs ``script``, which is made here.

    Raises:
        ToolError: pg_dump, psql or redclust failed.
    """
    server, live = databases.maintenance(connector), databases.name_of(connector)
    name = f"redclust_benchmark_{token_hex(4)}"
    theirs = connector.environment()
    pgtools.run([tools.path("pg_dump"), "-w", f"--file={script}"], env=theirs)
    psql = [tools.path("psql"), "-wXq", "-v", "ON_ERROR_STOP=1", f"--file={script}"]
    with server.connect(autocommit=True, bulk=True) as connection:
        like = attributes.read(connection, live)

        def run_script() -> None:
            databases.create(connection, name, like)
            pgtools.run([*psql, f"--dbname={make_conninfo('', dbname=name)}"], env=theirs)

        def restore() -> None:
            pgtools.run([*command, "restore", "latest", "--into", name], env=env)

        with progress.task("benchmark restore", 2 * runs, "runs") as task:
            try:
                return alternate(
                    ("redclust restore", restore),
                    ("psql < plain.sql", run_script),
                    runs=runs,
                    before=lambda: databases.drop(connection, name),
                    task=task,
                )
            finally:
                databases.drop(connection, name)
