"""Which job, and which run of the map, an event belongs to."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default={})  # noqa: B039 - never changed in place


@contextmanager
def bound(**ids: object) -> Generator[None]:
    """What this thread logs in the block carries these ids."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def current() -> Mapping[str, object]:
    """The ids of the blocks that this thread is in."""
    return _bound.get()
