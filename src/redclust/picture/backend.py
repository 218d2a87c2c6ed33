"""matplotlib, loaded so that it keeps nothing: no font list, no configuration in anyone's home.

Loading it makes a list of the machine's fonts and writes that under the home directory, or warns when it
cannot. Here that goes to a directory that is gone right after; a ``MPLCONFIGDIR`` that is set is obeyed.
``pyplot``, with its global figures, is never loaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO


@contextmanager
def _keeping_nothing() -> Generator[None]:
    before = os.environ.get("MPLCONFIGDIR")
    if before:
        yield
        return
    with TemporaryDirectory(prefix="redclust-", ignore_cleanup_errors=True) as directory:
        os.environ["MPLCONFIGDIR"] = directory
        try:
            yield
        finally:
            if before is None:
                del os.environ["MPLCONFIGDIR"]
            else:
                os.environ["MPLCONFIGDIR"] = before


@contextmanager
def _saying_nothing() -> Generator[None]:
    """Without matplotlib's word that the list of fonts takes a while: it comes when the machine is busy."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


with _keeping_nothing(), _saying_nothing():
    import matplotlib
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import text_to_path
    from matplotlib.transforms import Affine2D

    # Asked once, remembered ever after: a later question would make the directory under the home.
    matplotlib.get_configdir()
    matplotlib.get_cachedir()

__all__ = [
    "Affine2D",
    "Figure",
    "FontProperties",
    "Outline",
    "PathCollection",
    "PathPatch",
    "font_folder",
    "plain_settings",
    "save",
    "text_to_path",
]


def font_folder() -> Path:
    """Where matplotlib's own fonts are, the same on every machine."""
    return Path(matplotlib.get_data_path(), "fonts", "ttf")


@contextmanager
def plain_settings() -> Generator[None]:
    """matplotlib's defaults whatever the user's file says, ids that do not change from run to run."""
    with matplotlib.rc_context():  # pyright: ignore[reportUnknownMemberType]
        matplotlib.rcdefaults()
        # Thinning out lines would drop the dots, which are very short lines.
        matplotlib.rcParams.update({"svg.hashsalt": "redclust", "path.simplify": False})
        yield


def save(figure: Figure, file: IO[bytes], suffix: str, *, dpi: int, title: str) -> None:
    """Write ``figure`` as .svg or .png, without a date."""
    about = {"Creator": "redclust", "Date": None} if suffix == ".svg" else {"Software": "redclust"}
    figure.savefig(  # pyright: ignore[reportUnknownMemberType]
        file, format=suffix[1:], dpi=dpi, metadata={"Title": title, **about}
    )
