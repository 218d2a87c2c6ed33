"""What a run of precalc tells: as its report, and as the figures that ``precalc_runs`` keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An account that counts as a bot, by its number: who is forgotten is named nowhere.

    ``why`` is ``marked`` (by its name or in the settings), ``subreddits`` or ``regular``.
    """

    user_id: int
    why: str
    subreddits: int
    activity: int


@dataclass(frozen=True, slots=True)
class Bots:
    """Accounts left out of the map: marked ones, those in more subreddits than a person is, and of the rest
    those that write at regular times.

    ``most_active`` and ``left_out`` are the first few of all by activity.
    """

    marked: int = 0
    over_cap: int = 0
    regular: int = 0
    max_subreddits_per_user: int = 0
    most_active: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def total(self) -> int:
        return self.marked + self.over_cap + self.regular


@dataclass(frozen=True, slots=True)
class Detail:
    """What a detailed graph holds beside subreddits and users, and the links of these, by their types.

    ``unseen_posts`` of the ``posts`` are known from their comments alone.
    """

    posts: int = 0
    unseen_posts: int = 0
    comments: int = 0
    links_by_type: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def links(self) -> int:
        return sum(self.links_by_type.values())


@dataclass(frozen=True, slots=True)
class TableChange:
    """What the swap did to one table; ``rows`` is how many it has now."""

    table: str
    rows: int
    inserted_rows: int
    updated_rows: int
    deleted_rows: int

    @property
    def changed_rows(self) -> int:
        return self.inserted_rows + self.updated_rows + self.deleted_rows


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each step."""

    reading_s: float = 0.0
    overlap_s: float = 0.0
    communities_s: float = 0.0
    naming_s: float = 0.0
    layout_s: float = 0.0
    staging_s: float = 0.0
    swap_s: float = 0.0
    tidying_s: float = 0.0

    @property
    def total_s(self) -> float:
        return float(sum(getattr(self, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and times of one run.

    ``memberships`` are pairs of a person and a subreddit; ``relationships`` rows, so both directions;
    ``dangling_rows`` activity that names a user or subreddit that is not there.

    ``swap_exclusive`` tells that no transaction stood between two looks at the graph when it changed;
    otherwise ``swap_passed_by`` names the sessions that may have seen nodes of the old graph and links of the
    new one. ``communities`` and ``modularity`` are of the first level, as are the ``islands`` among them,
    which have no link to another; ``kept_communities`` tells that nothing to cluster had changed.
    ``changed_ratio`` is the share of the activity that an incremental run found changed; None for a full
    one; with ``reweighed`` the number of users came to another step, which changes the weight of every pair.
    ``min_shared_users_small`` is the minimum of two small subreddits.
    """

    activity_rows: int = 0
    dangling_rows: int = 0
    memberships: int = 0
    min_shared_users: int = 0
    min_shared_users_small: int = 0
    subreddit_nodes: int = 0
    user_nodes: int = 0
    links: int = 0
    relationships: int = 0
    communities: int = 0
    communities_by_level: tuple[int, ...] = ()
    community_links: int = 0
    islands: int = 0
    modularity: float = 0.0
    modularity_by_level: tuple[float, ...] = ()
    kept_communities: bool = False
    changed_ratio: float | None = None
    reweighed: bool = False
    bots: Bots = field(default_factory=Bots)
    detail: Detail = field(default_factory=Detail)
    changes: tuple[TableChange, ...] = ()
    swap_exclusive: bool = False
    swap_waited_ms: int = 0
    swap_passed_by: tuple[str, ...] = ()
    vacuumed: tuple[str, ...] = ()
    times: Times = field(default_factory=Times)

    @property
    def incremental(self) -> bool:
        return self.changed_ratio is not None
