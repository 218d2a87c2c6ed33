"""``redclust`` without the half second in which Python imports it: a process that has, and forks each call.

What a call does is the command's own ``main()`` in a process of its own, with the caller's arguments,
environment, directory and open files.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

#: What a caller runs in its place: hands over its files, and ends with the code that comes back.
_CALLER = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
server.sendall(asked)
sys.exit(int.from_bytes(server.recv(1) or b"\\1", "big"))
"""


def start(directory: Path) -> subprocess.Popen[bytes]:
    """Make ``directory/redclust``, and the process that answers it; end that one by killing its group."""
    address = str(directory / "warm.socket")
    command = directory / "redclust"
    command.write_text(_CALLER.format(python=os.path.realpath(sys.executable), address=address))
    command.chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    with listener:
        argv = [sys.executable, __file__, str(listener.fileno())]
        return subprocess.Popen(argv, pass_fds=[listener.fileno()], start_new_session=True)


def _serve(listener: socket.socket) -> None:
    import redclust

    for module in pkgutil.walk_packages(redclust.__path__, "redclust."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
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
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    caller.sendall(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _become(caller: socket.socket, length: int, files: list[int]) -> NoReturn:
    """What the caller is, then the command."""
    asked = b""
    while len(asked) < length:
        asked += caller.recv(length - len(asked))
    caller.close()
    arguments, directory, environment = json.loads(asked)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["redclust", *arguments]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    from redclust.cli import main

    main()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(socket.socket(fileno=int(sys.argv[1])))
