"""What one look at a post's comments shows, and what it leaves behind ``more``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from redclust.rehearsal.site import COMMENT, Site

SORTS = ("confidence", "top", "new", "old", "controversial", "qa")


@dataclass(frozen=True, slots=True)
class More:
    """Comments that were left out below one parent.

    ``children`` are the direct ones, by id; ``count`` has their replies too. A count of 0 without
    children is "continue this thread": everything below ``parent`` is one look at that comment away.
    """

    parent: str  # full name
    depth: int
    count: int
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A comment with what is shown below it."""

    comment: int  # index into Site.comments
    depth: int
    below: tuple[Shown | More, ...]


def look(
    site: Site,
    roots: Sequence[int],
    parent: str,
    *,
    limit: int,
    depth: int = 0,
    depth_limit: int | None = None,
    sort: str = "confidence",
) -> tuple[Shown | More, ...]:
    """Show up to ``limit`` comments of the trees below ``roots``, the best first whatever their level.

    ``depth`` is that of ``roots``; as many levels as the caps (or a smaller ``depth_limit``) allow are
    shown. O(comments looked at * log).
    """
    key = _key(site, sort)
    end = depth + min(depth_limit or site.caps.depth, site.caps.depth)
    heap: list[tuple[tuple[int, int], int, int]] = []
    for i in roots:
        if site.comment_shows(i):
            heappush(heap, (key(i), i, depth))
    chosen: set[int] = set()
    while heap and len(chosen) < limit:
        _, i, level = heappop(heap)
        chosen.add(i)
        if level + 1 < end:
            for reply in site.replies.get(i, ()):
                if site.comment_shows(reply):
                    heappush(heap, (key(reply), reply, level + 1))
    return _render(site, roots, parent, depth, end, chosen, key)


def _render(
    site: Site,
    siblings: Sequence[int],
    parent: str,
    depth: int,
    end: int,
    chosen: set[int],
    key: Callable[[int], tuple[int, int]],
) -> tuple[Shown | More, ...]:
    showing = sorted((i for i in siblings if site.comment_shows(i)), key=key)
    if depth >= end and showing:
        return (More(parent, depth, 0, ()),)
    out: list[Shown | More] = []
    for i in showing:
        if i in chosen:
            name = site.comment_names[i]
            below = _render(site, site.replies.get(i, ()), name, depth + 1, end, chosen, key)
            out.append(Shown(i, depth, below))
    left = [i for i in showing if i not in chosen]
    if left:
        ids = tuple(site.comment_names[i].removeprefix(COMMENT) for i in left)
        out.append(More(parent, depth, sum(_size(site, i) for i in left), ids))
    if parent in site.left_out:
        out.append(More(parent, depth, *site.left_out[parent]))
    return tuple(out)


def _size(site: Site, comment: int) -> int:
    """Comments that show in the tree below and with this one."""
    count, waiting = 0, [comment]
    while waiting:
        i = waiting.pop()
        if site.comment_shows(i):
            count += 1
            waiting.extend(site.replies.get(i, ()))
    return count


def _key(site: Site, sort: str) -> Callable[[int], tuple[int, int]]:
    comments = site.comments
    if sort == "new":
        return lambda i: (-comments[i].created_utc_s, -i)
    if sort == "old":
        return lambda i: (comments[i].created_utc_s, i)
    return lambda i: (-comments[i].score, i)


def look_at_post(
    site: Site, post: int, *, limit: int | None, depth: int | None = None, sort: str = "confidence"
) -> tuple[Shown | More, ...]:
    """What ``GET /comments/POST`` shows; 200 comments where no limit is asked for, as Reddit does."""
    asked = min(limit or 200, site.caps.comments)
    return look(site, site.answers[post], site.post_names[post], limit=asked, depth_limit=depth, sort=sort)


def look_at_comment(
    site: Site, comment: int, *, limit: int | None, depth: int | None = None, sort: str = "confidence"
) -> tuple[Shown | More, ...]:
    """What ``GET /comments/POST/_/COMMENT`` shows: that one comment, and the levels below it."""
    asked = min(limit or 200, site.caps.comments)
    parent = parent_name(site, comment)
    return look(site, [comment], parent, limit=asked, depth_limit=depth, sort=sort)


def look_behind(
    site: Site, post: int, children: Sequence[str], *, depth: int | None = None, sort: str = "confidence"
) -> list[Shown | More]:
    """What ``POST /api/morechildren`` answers: flat, every parent before its replies.

    Ids that are not comments of this post are passed over. A ``More`` stands where the cap was reached.
    """
    found = [site.comment_at.get(f"{COMMENT}{child}") for child in children]
    roots = [i for i in found if i is not None and site.comments[i].post == post]
    by_parent: dict[str, list[int]] = {}
    for i in dict.fromkeys(roots):
        by_parent.setdefault(parent_name(site, i), []).append(i)
    out: list[Shown | More] = []
    room = site.caps.more
    for parent, siblings in by_parent.items():
        level = level_of(site, siblings[0])
        shown = look(site, siblings, parent, limit=room, depth=level, depth_limit=depth, sort=sort)
        before = len(out)
        _flatten(shown, out)
        room -= sum(isinstance(one, Shown) for one in out[before:])
    return out


def _flatten(trees: Sequence[Shown | More], out: list[Shown | More]) -> None:
    for one in trees:
        if isinstance(one, Shown):
            out.append(Shown(one.comment, one.depth, ()))
            _flatten(one.below, out)
        else:
            out.append(one)


def parent_name(site: Site, comment: int) -> str:
    """The full name of what a comment answers."""
    above = site.comments[comment].parent
    return site.post_names[site.comments[comment].post] if above < 0 else site.comment_names[above]


def level_of(site: Site, comment: int) -> int:
    """0 for an answer to the post itself."""
    level = 0
    while (comment := site.comments[comment].parent) >= 0:
        level += 1
    return level
