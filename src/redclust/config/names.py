"""The environment's names: which set something here, and which are only understood."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "REDCLUST_"
HOME = "REDCLUST_HOME"
#: Environment names that are no settings but say where settings are, or how to talk.
OWN_NAMES = frozenset({HOME, "REDCLUST_CONFIG", "REDCLUST_ENV_FILE", "REDCLUST_QUIET"})

#: The runbook's environment names that set something here.
RUNBOOK_NAMES: Mapping[str, tuple[str, str]] = {
    "DATABASE_URL": ("database", "url"),
    "DB_STATEMENT_TIMEOUT_MS": ("database", "statement_timeout_ms"),
    "GRAPH_NODE_BATCH_SIZE": ("precalc", "node_batch_size"),
    "GRAPH_LINK_BATCH_SIZE": ("precalc", "link_batch_size"),
    "GRAPH_PROGRESS_INTERVAL": ("precalc", "progress_interval"),
    "PRECALC_CLEAR_ON_START": ("precalc", "clear_on_start"),
    "DETAILED_GRAPH": ("precalc", "detailed"),
    "POSTS_PER_SUB_IN_GRAPH": ("precalc", "posts_per_subreddit"),
    "COMMENTS_PER_POST_IN_GRAPH": ("precalc", "comments_per_post"),
    "MAX_AUTHOR_CONTENT_LINKS": ("precalc", "max_author_content_links"),
    "RESET_CRAWLING_AFTER_MIN": ("queue", "stuck_after_min"),
    "BACKUP_INTERVAL": ("backup", "interval"),
    "REDDIT_CLIENT_ID": ("reddit", "client_id"),
    "REDDIT_CLIENT_SECRET": ("reddit", "client_secret"),
    "REDDIT_USER_AGENT": ("reddit", "user_agent"),
}
#: The runbook's names that no command of this version reads, with what to say about them.
UNREAD_NAMES: Mapping[str, str] = {
    **dict.fromkeys(
        ("ADMIN_API_TOKEN", "RATE_LIMIT_GLOBAL", "RATE_LIMIT_PER_IP", "DISABLE_API_GRAPH_JOB"),
        "accepted and not read: redclust has no web API",
    ),
}
