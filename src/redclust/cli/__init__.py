"""The command line: one verb a file; parse, open, call one operation, hand its report over."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from types import FrameType
from typing import NoReturn

from redclust import __version__
from redclust.errors import DatabaseUnreachable, RedclustError, Refused, UsageError

#: Options of every verb, understood before and after it: name to whether a value follows.
GLOBAL_OPTIONS = {
    "--version": False,
    "--quiet": False,
    "-q": False,
    "--home": True,
    "--config": True,
    "--env-file": True,
    "--database-url": True,
}
_VERBOSE = re.compile("-v+")
_FULL = (errno.ENOSPC, errno.EDQUOT)


def main() -> NoReturn:
    """Entry point: runs one command and ends with its exit code."""
    try:
        _run()
    except SystemExit as ended:
        if "redclust.logs" in sys.modules:
            from redclust import logs

            logs.end(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise


def _run() -> NoReturn:
    options, rest = _global_options_first(sys.argv[1:])
    arguments = options + rest
    if "--version" in arguments[: arguments.index("--") if "--" in arguments else None]:
        print(f"redclust {__version__}")  # noqa: T201 - before anything is imported: it must be quick
        sys.exit(0)
    signal.signal(signal.SIGTERM, _terminate)
    _open_standard_streams()
    verbosity = sum(a.count("v") for a in arguments if _VERBOSE.fullmatch(a))
    try:
        from redclust.cli.app import with_verb

        with_verb(next(iter(rest), None))(args=arguments, prog_name="redclust")
    except RedclustError as error:
        _fail(error, verbosity)
    except KeyboardInterrupt:
        sys.stderr.write("redclust: interrupted\n")
        sys.exit(130)
    except SystemExit as ended:
        # Typer and Rich end with 1, which means a bug, when a pipe breaks.
        if isinstance(ended.__context__, BrokenPipeError):
            _broken_pipe(ended.__context__, ended, verbosity)
        raise
    except BrokenPipeError as error:
        _broken_pipe(error, error, verbosity)
    except Exception as error:  # noqa: BLE001 - the last place where one can be put in words
        _fail(_foreseen(error), verbosity)
    sys.exit(0)


def _open_standard_streams() -> None:
    """Where the caller closed one (``>&-``), a file or socket of ours would get its number."""
    for number, stream in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, stream) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            setattr(sys, stream, os.fdopen(number, "r" if number == 0 else "w"))


def _broken_pipe(error: BrokenPipeError, ended: BaseException, verbosity: int) -> NoReturn:
    """``redclust … | head``: quiet where it is our output that nobody reads, an error elsewhere."""
    import select
    import traceback

    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)
    # Rich has turned stdout away already.
    by_rich = any(f.f_code.co_name == "on_broken_pipe" for f, _ in traceback.walk_tb(ended.__traceback__))
    if not by_rich and not poll.poll(0):
        _fail(_foreseen(error), verbosity)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(141)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # Unwinds `with` blocks, which SIGTERM's default does not.
    raise SystemExit(128 + number)


def _global_options_first(arguments: list[str]) -> tuple[list[str], list[str]]:
    """``redclust precalc --quiet`` is ``redclust --quiet precalc``; what is psql's is left alone."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--" or (argument == "psql" and rest == ["db"]):
            rest += [argument, *remaining]
        elif argument.split("=", 1)[0] in GLOBAL_OPTIONS and argument.startswith("--") and "=" in argument:
            first.append(argument)
        elif argument in GLOBAL_OPTIONS or _VERBOSE.fullmatch(argument):
            first.append(argument)
            if GLOBAL_OPTIONS.get(argument) and (value := next(remaining, None)) is not None:
                first.append(value)
        else:
            rest.append(argument)
    return first, rest


def _foreseen(error: Exception) -> RedclustError:
    """What the database or the disk says, in our words; anything else is a bug."""
    told: RedclustError | None = None
    if "psycopg" in sys.modules:
        from redclust.db.failures import in_words

        told = in_words(error)
    if told is None and isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        kind = DatabaseUnreachable if isinstance(error, PermissionError) else RedclustError
        hint = "redclust doctor disk" if error.errno in _FULL else "-vv shows where"
        told = kind(f"{error.strerror}{where}", hint=hint)
    if told is None:
        hint = "this is a bug in redclust; -vv shows where it happened"
        told = RedclustError(f"{type(error).__name__}: {' '.join(str(error).split())}", hint=hint)
    told.__cause__ = error
    return told


def _fail(error: RedclustError, verbosity: int) -> NoReturn:
    if verbosity >= 2:
        import traceback

        traceback.print_exception(error)
    sys.stderr.write(f"redclust: {error}\n")
    if hint := "; ".join(part for part in (error.hint, _written_down(error)) if part):
        sys.stderr.write(f"HINT: {hint}\n")
    sys.exit(error.exit_code)


def _written_down(error: RedclustError) -> str:
    """Where the details of this run are, once the error is among them."""
    if "redclust.logs" not in sys.modules:
        return ""
    import logging

    from redclust import logs

    # What was typed wrong or refused may name somebody who wants to be forgotten, and is no fault of the run.
    if error.exit_code not in (UsageError.exit_code, Refused.exit_code):
        logging.getLogger("redclust").error("%s (exit %d)", error, error.exit_code, exc_info=error)
    path = logs.details(error)
    return f"details: {path}" if path else ""
