"""Programs whose output is read, and whose input is written, while they run."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from redclust.errors import ToolError
from redclust.pgtools.programs import child_environment, failed


@dataclass(slots=True)
class Child:
    """A program that is running, with its pipes; made by :func:`running`."""

    name: str
    process: subprocess.Popen[bytes]
    _errors: BinaryIO

    @property
    def stdin(self) -> BinaryIO:
        return cast(BinaryIO, self.process.stdin)

    @property
    def stdout(self) -> BinaryIO:
        return cast(BinaryIO, self.process.stdout)

    @property
    def pid(self) -> int:
        return self.process.pid

    def feed(self, block: bytes) -> None:
        """Write to its standard input; in vain where it has closed it, which :meth:`finish` explains."""
        rest = memoryview(block)
        with suppress(BrokenPipeError):
            while rest:
                rest = rest[self.stdin.write(rest) :]

    def end_of_input(self) -> None:
        """Close its standard input."""
        with suppress(BrokenPipeError):
            self.stdin.close()

    def kill(self) -> None:
        """End it at once; its pipes then end too. It may have ended already."""
        self.process.kill()

    def finish(self) -> str:
        """Wait for its end; what it said on stderr.

        Raises:
            ToolError: it ended with another code than 0, or by a signal; its last lines are in the message.
        """
        code = self.process.wait()
        told = self.told()
        if code != 0:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with code {code}"
            raise failed(self.name, how, told)
        return told

    def told(self) -> str:
        """What it has said on stderr up to now."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")


def peak_memory_bytes(pipeline: Sequence[Sequence[str]], *, env: Mapping[str, str] | None = None) -> int:
    """Run programs whose outputs feed each other to their end; the memory that the greatest of them took.

    What the last one prints is not kept.

    Raises:
        ToolError: one of them cannot be started or ends with another code than 0.
    """
    started: list[subprocess.Popen[bytes]] = []
    peak_kb = 0
    with tempfile.TemporaryFile() as errors:
        before = None
        for argv in pipeline:
            last = argv is pipeline[-1]
            try:
                process = subprocess.Popen(
                    list(argv),
                    stdin=before or subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                    stderr=errors,
                    env=child_environment(env),
                )
            except OSError as error:
                raise ToolError(f"cannot run {argv[0]}: {error.strerror}") from error
            if before is not None:
                before.close()
            before = process.stdout
            started.append(process)
        faults: list[str] = []
        for process, argv in zip(started, pipeline, strict=True):
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak_kb = max(peak_kb, used.ru_maxrss)
            if process.returncode != 0:
                faults.append(f"{argv[0]} failed with code {process.returncode}")
        if faults:
            errors.seek(0)
            told = errors.read().decode(errors="replace").splitlines()[-4:]
            raise ToolError(f"{', '.join(faults)}: {' / '.join(told)}")
    return peak_kb * 1024


@contextmanager
def running(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    feed: bool = False,
    pipe_bytes: int = 1 << 20,
) -> Generator[Child]:
    """Run a program whose output is read while it runs; ``feed`` opens its standard input too.

    It is killed when the block ends before it: then nobody reads what it says.

    Raises:
        ToolError: it cannot be started.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                env=child_environment(env),
                cwd="/",
            )
        except OSError as error:
            raise ToolError(f"cannot run {argv[0]}: {error.strerror}") from error
        child = Child(Path(argv[0]).name, process, cast(BinaryIO, errors))
        pipes = [pipe for pipe in (process.stdin, process.stdout) if pipe is not None]
        for pipe in pipes:
            with suppress(OSError, AttributeError):  # larger ones are Linux' alone, and may be used up
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, pipe_bytes)
        try:
            yield child
        finally:
            child.kill()
            for pipe in pipes:
                with suppress(OSError):
                    pipe.close()
            process.wait()
