"""What the tests of crawling share: settings for a rehearsal, and what is in the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from redclust.config import CrawlSettings, QueueSettings, RedditSettings, Settings
from redclust.db.session import Database
from redclust.ops.crawl import parse
from redclust.ops.crawl.named import CrawlReport, crawl_named
from redclust.rehearsal.ledger import Request
from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.world import base36
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


def stored(database: Database) -> tuple[set[str], set[str], set[str]]:
    """Posts and comments by full name (placeholders are no posts), and names of their authors."""
    with database.connect() as connection:
        posts = connection.execute("SELECT id FROM posts WHERE NOT placeholder").fetchall()
        comments = connection.execute("SELECT id FROM comments").fetchall()
        users = connection.execute("SELECT name FROM users").fetchall()
    return (
        {f"t3_{base36(int(i))}" for (i,) in posts},
        {f"t1_{base36(int(i))}" for (i,) in comments},
        {str(name) for (name,) in users},
    )


def one(database: Database, statement: str) -> Any:
    """The first value of a query."""
    with database.connect() as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


def areas(requests: Iterable[Request]) -> Counter[str]:
    """How many requests of each kind."""
    return Counter(request.area for request in requests)
