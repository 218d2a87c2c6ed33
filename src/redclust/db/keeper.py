"""Stops the embedded server when the last command that uses it has ended, however it ended.

A program of its own (standard library only): every command holds a shared lock on the
users file, which the kernel releases also after SIGKILL; this process waits for the exclusive one, which
it gets when nobody is left, and runs ``pg_ctl stop`` while it holds it, so that a command that starts
meanwhile waits until the server is down and starts it anew.
"""

import fcntl
import os
import signal
import sys
import time

#: So long after this process began, the server that it keeps has its pid file or never will.
START_S = 5.0


def main() -> None:
    users_fd, keeper_fd = int(sys.argv[1]), int(sys.argv[2])
    began = time.monotonic()
    marker, run_as, stop_argv = sys.argv[3], sys.argv[4], sys.argv[5:]
    modes = (["-m", "fast", "-t60"], ["-m", "immediate", "-t60"])
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        fcntl.flock(keeper_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another keeper is at it already
    fcntl.flock(users_fd, fcntl.LOCK_EX)
    # Nobody looks at this lock before the other one is free again, and then no keeper must seem to be here.
    fcntl.flock(keeper_fd, fcntl.LOCK_UN)
    if os.path.exists(marker):  # noqa: PTH110 - pathlib costs a third of this process' start
        return  # `db start`: the server stays
    if run_as != "-":  # pg_ctl refuses to run as root
        uid, gid = map(int, run_as.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    while True:
        for mode in modes:
            # A server that is recovering from a crash (a full disk) may never finish a fast shutdown; the
            # next start recovers from an immediate one.
            if run([*stop_argv, *mode]) == 0:
                return
        # A command that was killed while it started the server: pg_ctl goes on without it for a moment.
        time.sleep(0.1)
        # Where the home is gone its lock no longer keeps anybody away, and the path may be another server's.
        if time.monotonic() - began > START_S or os.fstat(users_fd).st_nlink == 0:
            return


def run(argv: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os.execv(argv[0], argv)  # noqa: S606 - no shell is the point
        finally:
            os._exit(127)
    return os.waitpid(pid, 0)[1]


if __name__ == "__main__":
    main()
