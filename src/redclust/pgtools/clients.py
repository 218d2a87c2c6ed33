"""pg_dump and pg_restore of a server's own major version, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from redclust.errors import ToolError
from redclust.pgtools.programs import Tools, run, version_of, wheel_bin_dir

#: Where packages put the programs of one major version.
_PACKAGED = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin")


def client_tools(bin_dir: Path | None, major: int, program: str) -> Tools:
    """The directory whose ``program`` is of a server's own major version: ``bin_dir`` if it is given, else
    that of the system's packages, else the wheel's.

    An older pg_dump refuses the server; what a newer one writes need not go back into it.

    Raises:
        ToolError: none of that version is to be found; says where to get one.
    """
    packaged = [Path(place.format(major)) for place in _PACKAGED]
    tried: list[str] = []
    for directory in [bin_dir] if bin_dir else [*packaged, wheel_bin_dir()]:
        path = directory / program
        if not path.exists():
            continue
        version = version_of(path)
        if int(version.split(".")[0]) == major:
            return Tools(directory, version)
        tried.append(f"{path} is {version}")
    where = f"in {bin_dir}" if bin_dir else "on this machine"
    told = f" ({'; '.join(tried)})" if tried else ""
    raise ToolError(
        f"the server is Postgres {major}, and there is no {program} of that version {where}{told}",
        hint=f"install it (Debian: apt install postgresql-client-{major}, from apt.postgresql.org where "
        "Debian's own is another) and set database.bin_dir where it lies elsewhere",
    )


def roles_script(tools: Tools, *, dbname: str, env: Mapping[str, str]) -> str:
    """The SQL that makes the server's roles, without their passwords, which only a superuser may read.

    Raises:
        ToolError: pg_dumpall is missing, or the server does not let this role see them.
    """
    argv = [tools.path("pg_dumpall"), "-w", "--roles-only", "--no-role-passwords", f"--database={dbname}"]
    return run(argv, env=env).stdout


def dump_argv(
    tools: Tools,
    *,
    plain: bool,
    snapshot: str,
    lock_wait_s: float,
    only: Sequence[str],
    without: Sequence[str],
) -> list[str]:
    """pg_dump to its standard output, uncompressed, of an exported snapshot.

    ``only`` are tables (as patterns quote them) whose data alone is dumped, ``without`` those whose data is
    left out.
    """
    parts = [f"--table={table}" for table in only] + (["--section=data"] if only else [])
    return [
        tools.path("pg_dump"),
        "-w",
        "-Fp" if plain else "-Fc",
        *([] if plain else ["-Z0"]),
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={round(lock_wait_s * 1000)}",
        *parts,
        *(f"--exclude-table-data={table}" for table in without),
    ]


def restore_argv(
    tools: Tools,
    *,
    conninfo: str,
    archive: Path | None = None,
    jobs: int = 1,
    section: str = "",
    owners: bool = True,
) -> list[str]:
    """pg_restore into an empty database; the first error ends it.

    Without ``archive`` it reads its standard input, with one job. ``conninfo`` names the database and holds
    no secret; ``owners=False`` leaves everything to the role that restores, and grants nothing.
    """
    return [
        tools.path("pg_restore"),
        "-w",
        "--exit-on-error",
        f"--dbname={conninfo}",
        *([f"--section={section}"] if section else []),
        *([f"--jobs={jobs}"] if jobs > 1 and archive else []),
        *([] if owners else ["--no-owner", "--no-privileges"]),
        *([str(archive)] if archive else []),
    ]


def script_argv(tools: Tools, *, conninfo: str) -> list[str]:
    """psql for a script on its standard input, in one transaction; the first error ends it."""
    options = ["-wXq", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null", "--file=-"]
    return [tools.path("psql"), *options, f"--dbname={conninfo}"]
