"""The command line: one verb a file; parse, open, call one operation, hand its report over."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from redclust import __version__
from redclust.errors import RedclustError

#: Options of every verb, understood before and after it: name to whether a value follows.
GLOBAL_OPTIONS = {
    "--quiet": False,
    "-q": False,
    "-v": False,
    "-vv": False,
    "--home": True,
    "--config": True,
    "--env-file": True,
    "--database-url": True,
}


def main() -> NoReturn:
    """Entry point: runs one command and ends with its exit code."""
    arguments = _global_options_first(sys.argv[1:])
    if arguments == ["--version"]:
        print(f"redclust {__version__}")  # noqa: T201 - before anything is imported: it must be quick
        sys.exit(0)
    signal.signal(signal.SIGTERM, _terminate)
    verbosity = sum(a.count("v") for a in arguments if a in ("-v", "-vv"))
    try:
        from redclust.cli.app import app

        app(args=arguments, prog_name="redclust")
    except RedclustError as error:
        _fail(error, verbosity)
    except KeyboardInterrupt:
        sys.stderr.write("redclust: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        _fail(_foreseen(error), verbosity)
    sys.exit(0)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # Unwinds `with` blocks, which SIGTERM's default does not.
    raise SystemExit(128 + number)


def _global_options_first(arguments: list[str]) -> list[str]:
    """``redclust precalc --quiet`` is ``redclust --quiet precalc``; what follows ``--`` is left alone."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument.split("=", 1)[0] in GLOBAL_OPTIONS and argument.startswith("--") and "=" in argument:
            first.append(argument)
        elif argument in GLOBAL_OPTIONS:
            first.append(argument)
            if GLOBAL_OPTIONS[argument] and (value := next(remaining, None)) is not None:
                first.append(value)
        else:
            rest.append(argument)
    return first + rest


def _foreseen(error: Exception) -> RedclustError:
    """What the database or the disk says, in our words; anything else is a bug."""
    told: RedclustError | None = None
    if "psycopg" in sys.modules:
        from redclust.db.failures import in_words

        told = in_words(error)
    if told is None and isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        told = RedclustError(f"{error.strerror}{where}", hint="-vv shows where")
    if told is None:
        hint = "this is a bug in redclust; -vv shows where it happened"
        told = RedclustError(f"{type(error).__name__}: {error}", hint=hint)
    told.__cause__ = error
    return told


def _fail(error: RedclustError, verbosity: int) -> NoReturn:
    if verbosity >= 2:
        import traceback

        traceback.print_exception(error)
    sys.stderr.write(f"redclust: {error}\n")
    if error.hint:
        sys.stderr.write(f"HINT: {error.hint}\n")
    sys.exit(error.exit_code)


