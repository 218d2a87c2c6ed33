"""``redclust`` without the half second in which Python imports it: a process that has, and forks each call.

What a call does is the command's own ``main()`` in a process of its own, to the end of its interpreter, with
the caller's arguments, environment, directory and open files. The start itself (the script, the imports) is
not in it, and ``/proc/PID/cmdline`` is not its own: what tests those runs the installed command.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import pty
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

#: What a caller runs in its place: hands over its files, and ends with the code that comes back.
_CALLER = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), -1, False, ""]).encode()
socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
server.sendall(asked)
told = server.recv(8, socket.MSG_WAITALL)
code = int.from_bytes(told[4:], "big", signed=True) if len(told) == 8 else 1
sys.exit(code if code >= 0 else 128 - code)
"""
#: What a Python process reads once, when it starts.
_READ_AT_START = ("LC_", "LANG", "TZ", "PYTHON", "LD_", "MALLOC_")
#: A pipe takes as much without a reader.
_PIPE_BYTES = 60_000
#: What computes or draws brings libraries that most commands never need.
_HEAVY = {
    *("redclust.graph", "redclust.picture", "redclust.rehearsal"),
    *(f"redclust.ops.{name}" for name in ("benchmark", "demo")),
    *(f"redclust.render.{name}" for name in ("benchmark", "demo")),
}

#: What a call imports only when it comes to it.
_LATE = ("platformdirs.unix", "pydantic.type_adapter", "rich.markdown", "typer.rich_utils")


def start(directory: Path, *, light: bool = False) -> subprocess.Popen[bytes]:
    """Make ``directory/redclust``, and the process that answers it; end that one by killing its group.

    It ends with the process that started it, too. A ``light`` one has not what computes or draws.
    """
    address = str(directory / "warm.socket")
    command = directory / "redclust"
    command.write_text(_CALLER.format(python=os.path.realpath(sys.executable), address=address))
    command.chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    with listener:
        argv = [sys.executable, __file__, str(listener.fileno()), *(["light"] if light else [])]
        return subprocess.Popen(
            argv,
            # One thread: a fork takes no other along.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )


@dataclass(frozen=True)
class Warm:
    """Calls of a process that was started for them."""

    directory: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, directory: Path) -> Warm:
        return cls(directory, start(directory, light=True))

    def can(self, environment: Mapping[str, str], stdin: str) -> bool:
        """Whether a fork sees all of that as a new process would."""
        names = {n for n in {*environment, *os.environ} if n.startswith(_READ_AT_START)}
        return len(stdin) < _PIPE_BYTES and all(environment.get(n) == os.environ.get(n) for n in names)

    def run(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        stdin: str,
        cwd: Path,
        umask: int,
        timeout_s: float,
    ) -> subprocess.CompletedProcess[str]:
        """As ``subprocess.run`` with text from all streams.

        Raises:
            subprocess.TimeoutExpired: it ran for longer, and is killed.
        """
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            reading, writing = os.pipe()
            try:
                os.write(writing, stdin.encode())
                asked = [arguments, str(cwd), dict(environment), umask, False, ""]
                pid, server = self._ask(asked, [reading, out.fileno(), err.fileno()])
            finally:
                os.close(reading)
                os.close(writing)
            with server:
                try:
                    code = _code(server, timeout_s)
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(arguments, timeout_s) from None
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(["redclust", *arguments], code, out.read(), err.read())

    def on_a_terminal(
        self, arguments: list[str], environment: Mapping[str, str], cwd: Path, timeout_s: float
    ) -> str:
        """What it writes on its stdout where that is a terminal; the rest of it has none."""
        leader, follower = pty.openpty()
        with Path(os.devnull).open("r+b") as nothing:
            try:
                asked = [arguments, str(cwd), dict(environment), -1, False, ""]
                _, server = self._ask(asked, [nothing.fileno(), follower, nothing.fileno()])
            finally:
                os.close(follower)
        with server:
            seen = all_of(leader)
            _code(server, timeout_s)
        return seen.decode().replace("\r\n", "\n")

    def begin(
        self, arguments: list[str], environment: Mapping[str, str], cwd: Path, *, script: Path | None = None
    ) -> Forked:
        """As ``subprocess.Popen`` in a session of its own, with pipes for what it says.

        Of the command, or of a script with the same modules.
        """
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            asked = [arguments, str(cwd), dict(environment), -1, True, str(script or "")]
            pid, server = self._ask(asked, [nothing, out_end, err_end])
        finally:
            for fd in (nothing, out_end, err_end):
                os.close(fd)
        return Forked(arguments, pid, server, out, err)

    def _ask(self, asked: list[Any], files: list[int]) -> tuple[int, socket.socket]:
        """The process, and who will tell its exit code."""
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.directory / "warm.socket"))
        message = json.dumps(asked).encode()
        socket.send_fds(server, [len(message).to_bytes(4, "big")], files)
        server.sendall(message)
        return int.from_bytes(server.recv(4, socket.MSG_WAITALL), "big"), server

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Forked(subprocess.Popen[str]):
    """What tests do with a process that they started; its parent is another one, which tells its code."""

    _child_created = False  # nothing for Popen to wait for

    def __init__(self, arguments: list[str], pid: int, server: socket.socket, out: int, err: int) -> None:
        self.args, self.pid, self.returncode = arguments, pid, None  # pyright: ignore[reportAttributeAccessIssue]
        self.stdin, self.stdout, self.stderr = None, os.fdopen(out), os.fdopen(err)
        self._server = server
        self._said: dict[int, str] = {}
        self._readers: list[threading.Thread] = []

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:  # pyright: ignore[reportUnnecessaryComparison]
            try:
                self.returncode = _code(self._server, timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._server.close()
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        until = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            for number, stream in enumerate((self.stdout, self.stderr)):
                self._readers.append(threading.Thread(target=self._read, args=(number, stream), daemon=True))
                self._readers[-1].start()
        for reader in self._readers:
            reader.join(None if until is None else max(0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(0, until - time.monotonic()))
        return self._said[0], self._said[1]

    def _read(self, number: int, stream: IO[str]) -> None:
        with stream:
            self._said[number] = stream.read()


def all_of(terminal: int) -> bytes:
    """What is written on the other end of a terminal until that is closed; closes this one."""
    seen = b""
    with os.fdopen(terminal, "rb", 0) as reading, suppress(OSError):  # the other end is closed
        while part := reading.read(65_536):
            seen += part
    return seen


def _code(server: socket.socket, timeout_s: float | None) -> int:
    """The exit code that is told there, negative after a signal."""
    server.settimeout(timeout_s)
    told = server.recv(4, socket.MSG_WAITALL)
    if len(told) < 4:
        raise EOFError("the process that forks is gone")
    return int.from_bytes(told, "big", signed=True)


def _load(path: Iterable[str], prefix: str, without: set[str]) -> None:
    for module in pkgutil.iter_modules(path, prefix):
        if module.name not in without:
            loaded = importlib.import_module(module.name)
            if module.ispkg:
                _load(loaded.__path__, f"{module.name}.", without)


def _serve(listener: socket.socket, *, light: bool) -> None:
    import redclust

    _load(redclust.__path__, "redclust.", {"redclust.__main__", *(_HEAVY if light else ())})
    for name in _LATE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            return  # who started it has ended
        caller, _ = listener.accept()
        length, files, _, _ = socket.recv_fds(caller, 4, 3)
        if not os.fork():
            listener.close()
            _answer(caller, int.from_bytes(length, "big"), files)
        caller.close()
        for file in files:
            os.close(file)


def _answer(caller: socket.socket, length: int, files: list[int]) -> NoReturn:
    """In a process of its own: let another one be the command, and tell the caller how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        _become(caller, length, files)
    for file in files:
        os.close(file)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):  # a caller that was killed
        caller.sendall(code.to_bytes(4, "big", signed=True))
    os._exit(0)


def _become(caller: socket.socket, length: int, files: list[int]) -> NoReturn:
    """What the caller is, then the command."""
    asked = caller.recv(length, socket.MSG_WAITALL)
    arguments, directory, environment, umask, own_session, script = json.loads(asked)
    if own_session:
        os.setsid()
    caller.sendall(os.getpid().to_bytes(4, "big"))
    caller.close()
    _take(files)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    if umask >= 0:
        os.umask(umask)
    sys.argv = [script or "redclust", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
            sys.exit()
        from redclust.cli import main

        main()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        _end(ended.code or 0)


def _end(code: int) -> NoReturn:
    """As an interpreter ends, but for freeing objects: that copies most pages that a fork shares."""
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue] - waits for threads; no public name
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _take(files: list[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    streams: list[Any] = [os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", 1, errors="backslashreplace")]
    sys.stdin, sys.stdout, sys.stderr = streams


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(socket.socket(fileno=int(sys.argv[1])), light="light" in sys.argv)
