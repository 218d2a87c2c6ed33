from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redclust.errors import ConfigError, RedclustError
from redclust.graph.communities import detect
from redclust.graph.worker import INLINE_EDGES, Worker

LARGE = np.arange(INLINE_EDGES, dtype=np.int32)


def run_in_worker(function: Callable[..., Any], *args: object, **kwargs: Any) -> Any:
    """One call in a worker of its own."""
    with Worker() as worker:
        return worker.run(function, *args, **kwargs)


class Unportable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def here(values: np.ndarray) -> tuple[int, int]:
    return os.getpid(), int(values.sum())


def fail(kind: str) -> None:
    if kind == "config":
        raise ConfigError("the key is unknown", hint="look again")
    raise Unportable(1, 2)


def end_by(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def lambda_of_nothing() -> object:
    return lambda: None


def wait_and_say(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def running(pid: int) -> bool:
    """Whether the process runs; one that ended but was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def within(seconds: float, what) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_runs_in_another_process_and_returns():
    pid, total = run_in_worker(here, LARGE)
    assert pid != os.getpid()
    assert total == LARGE.sum()


def test_one_process_for_several_calls():
    with Worker() as worker:
        worker.start()
        with pytest.raises(ConfigError):
            worker.run(fail, "config")
        pids = {worker.run(here, LARGE)[0] for _ in range(2)}
        assert len(pids) == 1
    assert not running(*pids)


def test_small_arrays_are_worked_on_here():
    told: list[float] = []
    assert run_in_worker(here, LARGE[1:], progress=told.append) == (os.getpid(), int(LARGE.sum()))
    assert told == []


def test_progress_tells_the_seconds():
    told: list[float] = []
    run_in_worker(time.sleep, 1.2, progress=told.append)
    assert told == sorted(told)
    assert 1.0 <= told[0] < 60.0


def test_errors_come_back_with_their_kind_hint_and_place():
    with pytest.raises(ConfigError, match="the key is unknown") as caught:
        run_in_worker(fail, "config")
    assert caught.value.hint == "look again"
    assert "in fail" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="outside 0 to 2"):
        run_in_worker(detect, 3, LARGE, LARGE[::-1], LARGE.astype(np.float64), seed=1)


def test_errors_that_cannot_travel_are_told():
    with pytest.raises(RuntimeError, match="Unportable: 1 and 2"):
        run_in_worker(fail, "other")
    with pytest.raises(Exception, match=r"(?i)pickle"):
        run_in_worker(lambda_of_nothing)


def test_a_worker_ended_from_outside_is_said_to_be():
    with pytest.raises(RedclustError, match=r"end_by ended without an answer \(SIGKILL\)") as caught:
        run_in_worker(end_by, signal.SIGKILL)
    assert "memory" in caught.value.hint


def test_a_worker_that_dies_before_it_has_read_its_arguments(tmp_path: Path):
    """They are larger than what a pipe holds: who only writes would wait for ever."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os
            import numpy as np
            from redclust.errors import RedclustError
            from redclust.graph.worker import Worker

            if __name__ == "__mp_main__":
                os._exit(7)
            if __name__ == "__main__":
                try:
                    with Worker() as worker:
                        worker.run(len, np.zeros(1_000_000))
                except RedclustError as error:
                    print(error)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], check=False, timeout=60, capture_output=True, text=True
    )
    assert "ended without an answer (exit code 7)" in done.stdout, done.stderr


def test_an_interrupted_wait_ends_the_worker(tmp_path: Path):
    said = tmp_path / "pid"

    def interrupt(_: float) -> None:
        if said.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_worker(wait_and_say, str(said), progress=interrupt)
    assert not running(int(said.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process that keeps the interpreter")
def test_worker_dies_with_its_parent(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import ctypes, os, sys
            from redclust.graph.worker import Worker

            def compute(path):
                with open(path + ".part", "w") as file:
                    file.write(str(os.getpid()))
                os.rename(path + ".part", path)
                ctypes.PyDLL(None).sleep(600)  # keeps the interpreter locked, as igraph does

            if __name__ == "__main__":
                with Worker() as worker:
                    worker.run(compute, sys.argv[1])
            """
        )
    )
    said = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, str(script), str(said)])
    try:
        assert within(30, said.exists)
        worker = int(said.read_text())
        assert running(worker)
    finally:
        parent.kill()
        parent.wait()
    try:
        assert within(10, lambda: not running(worker))
    finally:
        if running(worker):
            os.kill(worker, signal.SIGKILL)
