"""Posts and comments on the map: chosen in the snapshot, staged once it is known what is on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from redclust.config import PrecalcSettings
from redclust.db.connect import Connection
from redclust.ops.precalc.figures import Detail
from redclust.sql import query


def choose(connection: Connection, settings: PrecalcSettings, over_cap: npt.NDArray[np.int32]) -> None:
    """Choose what is shown, as of the snapshot whose transaction is open; nothing without ``detailed``.

    Of each subreddit the first ``posts_per_subreddit`` posts: seen ones before those that only a comment
    names, then by score, of equals the newer one. Of each of these the first ``comments_per_post`` comments
    by score, of equals the older one. Bots are left out first, those in too many subreddits by their ids.
    Two sorts, of posts and of comments on what was chosen.
    """
    values: dict[str, Any] = {
        "detailed": settings.detailed,
        "over": over_cap.tolist() if settings.detailed else [],
        "posts": settings.posts_per_subreddit,
        "comments": settings.comments_per_post,
    }
    for name in ("stage_silent_users", "stage_chosen_posts", "stage_chosen_comments"):
        connection.execute(query("precalc", name), values)
    connection.execute(query("precalc", "analyze_chosen"))


def stage(connection: Connection, settings: PrecalcSettings) -> Detail:
    """Make nodes and links of what was chosen, where its subreddit is on the map; linear but for sorting.

    Comes after :func:`redclust.ops.precalc.staging.stage`.
    """
    connection.execute(query("precalc", "stage_things"))
    values = {"author_links": settings.max_author_content_links}
    connection.execute(query("precalc", "stage_thing_links"), values)
    connection.execute(query("precalc", "analyze_things"))
    connection.execute(query("precalc", "stage_ground"), {"heights": settings.heights})
    row = connection.execute(query("precalc", "count_things")).fetchone()
    if row is None:
        raise RuntimeError("count_things answers nothing")
    posts, unseen, comments, links = row
    return Detail(posts, unseen, comments, links)
