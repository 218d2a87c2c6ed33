"""The map as a picture: what goes into it, and `draw`, which writes an .svg or .png."""

from __future__ import annotations

from pathlib import Path

from redclust.picture.model import LabelBox, MapPicture

__all__ = ["LabelBox", "MapPicture", "draw"]


def draw(picture: MapPicture, path: Path) -> tuple[LabelBox, ...]:
    """Write ``picture`` to ``path``, as .svg or .png by its suffix, and say where its labels stand.

    The same input gives the same bytes (for one release of matplotlib). The file appears under its name
    only when it is whole. Communities' names are placed first, then countries', then nodes' by size; one
    that finds no free place is left out, so no two boxes intersect, title and caption included. Of more than
    16,000 edges the heaviest are drawn; all nodes are. O(nodes + edges); 30,000 nodes take a few seconds and
    3 MB. In an .svg, text is outlines: no viewer's font can move it.

    Raises:
        UsageError: another suffix; the directory is missing or not writable.
    """
    # Loading matplotlib takes half a second: whoever only names the type does not pay for it.
    from redclust.picture.drawing import write_picture

    return write_picture(picture, path)
