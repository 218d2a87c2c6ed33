"""igraph's random numbers, seeded for the length of a block."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from redclust.graph.bare_igraph import igraph

# igraph has one generator for the process: two threads with seeds of their own must take turns.
_lock = threading.Lock()
_set_generator = cast(Any, igraph).set_random_number_generator


@contextmanager
def seeded_igraph(seed: int) -> Generator[None]:
    """Let igraph draw from a generator of its own, seeded; then give it back the module ``random``.

    That module's state, which is the caller's, is neither read nor moved.
    """
    with _lock:
        _set_generator(random.Random(seed))
        try:
            yield
        finally:
            _set_generator(random)
