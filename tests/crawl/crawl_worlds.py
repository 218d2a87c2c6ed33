"""What the tests of crawling share: settings for a rehearsal, and what a world says that must be stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from redclust.config import CrawlSettings, QueueSettings, RedditSettings, Settings
from redclust.db.session import Database
from redclust.ops.crawl import CrawlReport, crawl_named, parse
from redclust.rehearsal import tree
from redclust.rehearsal.listings import subreddit_order
from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.site import COMMENT, Site
from redclust.report import Silent

#: So much that no test waits for the budget: 100,000 requests a minute.
PLENTY = 1_000_000
USER_AGENT = "linux:redclust-test:1 (by /u/somebody)"


def settings_for(rehearsal: Rehearsal, database: Database, **crawl: Any) -> Settings:
    """A crawler's settings: retries come at once."""
    reddit: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "user_agent": USER_AGENT,
        "oauth_url": rehearsal.url,
        "reddit_url": rehearsal.url,
        "timeout_s": 2,
    }
    return Settings(
        database=database.connector.settings,
        reddit=RedditSettings.model_validate(reddit),
        queue=QueueSettings(backoff_s=0.1, backoff_max_s=1),
        crawl=CrawlSettings.model_validate(crawl),
    )


def environment(rehearsal: Rehearsal, **crawl: Any) -> dict[str, str]:
    """The same for the installed command."""
    told = {f"REDCLUST_CRAWL__{key.upper()}": str(value) for key, value in crawl.items()}
    return {
        "REDDIT_CLIENT_ID": CLIENT_ID,
        "REDDIT_CLIENT_SECRET": CLIENT_SECRET,
        "REDDIT_USER_AGENT": USER_AGENT,
        "REDCLUST_REDDIT__OAUTH_URL": rehearsal.url,
        "REDCLUST_REDDIT__REDDIT_URL": rehearsal.url,
        "REDCLUST_REDDIT__TIMEOUT_S": "2",
        "REDCLUST_QUEUE__BACKOFF_S": "0.1",
        "REDCLUST_QUEUE__BACKOFF_MAX_S": "1",
        **told,
    }


def crawl(
    database: Database, rehearsal: Rehearsal, *names: str, settings: Settings | None = None, **options: Any
) -> CrawlReport:
    """``crawl --sub`` for these names, in this process."""
    told = settings or settings_for(rehearsal, database)
    request = parse(list(names), seed=False, settings=told.crawl, **options)
    return crawl_named(database, request, told, Silent())


@dataclass
class Reachable:
    """What a crawl of some subreddits can reach, by full name, told by the site alone."""

    posts: set[str] = field(default_factory=set[str])
    comments: set[str] = field(default_factory=set[str])

    @classmethod
    def of(
        cls, site: Site, names: Iterable[str], *, sorts: str, posts: int, comments: int, more: int
    ) -> Reachable:
        """With ``more`` further requests a post, as long as the site's levels of one look are enough."""
        reached = cls()
        for name in names:
            place = site.place_at[name.lower()]
            for sort in sorts.split(","):
                reached.posts.update(subreddit_order(site, place, sort, "month")[:posts])
        for name in reached.posts:
            post = site.post_at[name]
            seen = list(_flat(tree.look_at_post(site, post, limit=min(500, comments))))
            ids = [child for one in seen if isinstance(one, tree.More) for child in one.children]
            shown = [one.comment for one in seen if isinstance(one, tree.Shown)]
            for _ in range(more):
                if not ids or len(shown) >= comments:
                    break
                answer = tree.look_behind(site, post, ids[:100])
                ids = ids[100:]
                shown += [one.comment for one in answer if isinstance(one, tree.Shown)]
                ids += [child for one in answer if isinstance(one, tree.More) for child in one.children]
            reached.comments.update(site.comment_names[i] for i in shown[:comments])
        return reached


def _flat(trees: Iterable[tree.Shown | tree.More]) -> Iterable[tree.Shown | tree.More]:
    for one in trees:
        yield one
        if isinstance(one, tree.Shown):
            yield from _flat(one.below)


def stored(database: Database) -> Reachable:
    """What is in the tables, by full name; placeholders are no posts."""
    with database.connect() as connection:
        posts = connection.execute("SELECT id FROM posts WHERE NOT placeholder").fetchall()
        comments = connection.execute("SELECT id FROM comments").fetchall()
    return Reachable(
        {f"t3_{_base36(int(i))}" for (i,) in posts}, {f"{COMMENT}{_base36(int(i))}" for (i,) in comments}
    )


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
