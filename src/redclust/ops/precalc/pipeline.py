"""``precalc``: read, relate, cluster, place, stage, swap."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import LiteralString

import psycopg
from psycopg import sql

from redclust.config import PrecalcSettings
from redclust.db import locks, tombstones
from redclust.db.connect import Connection
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.graph.overlap import Minimum
from redclust.graph.worker import INLINE_EDGES, Worker
from redclust.ops.precalc import (
    atlas,
    bots,
    detailed,
    history,
    increment,
    previous,
    regions,
    shown,
    snapshot,
    staging,
    versions,
)
from redclust.ops.precalc.activity import Counted
from redclust.ops.precalc.atlas import Pairs, Places
from redclust.ops.precalc.figures import Detail, Figures, TableChange
from redclust.ops.precalc.increment import Basis
from redclust.ops.precalc.shown import Shown
from redclust.ops.precalc.snapshot import People
from redclust.ops.precalc.steps import Steps, as_rows, as_seconds
from redclust.ops.precalc.swap import TABLES, swap, tidy
from redclust.sql import query

_MIB = 1024 * 1024
#: How long the finished graph waits for maintenance, a migration or a restore to end.
_OPERATIONS_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One run that has begun: from a snapshot to the graph that is shown; see ``run``."""

    database: Database
    connection: Connection
    watch: Connection
    settings: PrecalcSettings
    clear: bool
    full: bool
    steps: Steps
    worker: Worker
    run_id: int

    def through(self) -> tuple[datetime, Figures]:
        """The moment whose data is shown from now on, and what was made of it."""
        with nullcontext() if self.full else shown.beside(self.database, self.settings) as before:
            return self._through(before)

    def _through(self, before: Callable[[], Shown | str | None] | None) -> tuple[datetime, Figures]:
        cap = self.settings.max_subreddits_per_user
        with self.steps.step("reading_s", "reading activity") as task:
            taken = snapshot.read(
                self.connection,
                self.settings,
                beside=lambda connection, over: detailed.choose(connection, self.settings, over),
                task=task,
            )
            people = snapshot.leave_out_bots(taken, cap)
            left_out = bots.told(self.connection, people, cap)
        at = taken.at
        minimum = atlas.minimum_shared_users(self.settings.min_shared_users, len(people.users))
        figures = Figures(
            activity_rows=len(taken.users) + taken.dangling_rows,
            dangling_rows=taken.dangling_rows,
            memberships=len(people.users),
            min_shared_users=minimum.usual,
            min_shared_users_small=minimum.small,
            subreddit_nodes=len(people.subreddit_ids),
            user_nodes=len(people.user_ids),
            bots=left_out,
        )
        counted, dangling = taken.counted, bool(taken.dangling_rows)
        del taken  # as large as people
        basis = None if dangling or before is None else self._basis(before, counted, minimum)
        if figures.subreddit_nodes:
            figures = self._map(counted, people, basis, minimum, at, figures)
        else:
            history.fail(self.database.connector, self.run_id, "No subreddits found")
        return at, replace(figures, times=self.steps.times)

    def _basis(
        self, before: Callable[[], Shown | str | None], counted: Counted, minimum: Minimum
    ) -> Basis | None:
        """What an incremental run starts from; None for a full one, and why."""
        with self.steps.step("reading_s", "reading the graph that is shown"):
            found = before()
            basis = increment.compare(found, counted) if isinstance(found, Shown) else None
        limit = self.settings.incremental_up_to
        if basis and basis.changed_ratio > limit:
            found, basis = f"{basis.changed_ratio:.1%} of the activity changed, over {limit:.1%}", None
        if basis and basis.shown.minimum != minimum:
            found = f"pairs are counted from {minimum} shared users on, and were from {basis.shown.minimum}"
            basis = None
        if isinstance(found, str):
            self.steps.say(f"computes the graph in full: {found}")
        return basis

    def _map(
        self,
        counted: Counted,
        people: People,
        basis: Basis | None,
        minimum: Minimum,
        at: datetime,
        figures: Figures,
    ) -> Figures:
        relate = partial(increment.relate, basis) if basis else atlas.relate
        # There when it is needed: in large data a third of the memberships' number are close pairs.
        close = figures.memberships // 3 if basis is None else basis.close_pairs
        if close >= INLINE_EDGES and not (basis and basis.unchanged):
            self.worker.start()
        with self.steps.rows("overlap_s", "counting shared users") as task:
            pairs = relate(
                people,
                minimum=minimum,
                memory_bytes=self.settings.memory_mb * _MIB,
                progress=as_rows(task, figures.memberships),
            )
        fingerprint = atlas.fingerprint(people, pairs, self.settings.seed)
        places, kept = self._places(people, pairs, fingerprint)
        with self.steps.step("layout_s", "placing users"):
            place_users = partial(increment.place_users, basis) if basis else regions.place_users
            user_places = place_users(people, places)
        with self.steps.step("naming_s", "naming communities"):
            titles = snapshot.titles(self.connection, people)
            communities = regions.describe(people, pairs, places, user_places, titles)
            links_between = regions.links_between(pairs, places)
        with self.steps.rows("staging_s", "staging the new graph") as task:
            blocks = self.settings.node_batch_size, self.settings.link_batch_size
            staging.stage_regions(self.connection, communities, links_between, link_block_rows=blocks[1])
            made = people, pairs, places, user_places
            if basis:
                increment.stage(self.connection, basis, *made, block_rows=min(blocks), task=task)
                things = Detail()
            else:
                staging.stage(
                    self.connection,
                    counted,
                    *made,
                    node_block_rows=blocks[0],
                    link_block_rows=blocks[1],
                    task=task,
                )
                things = detailed.stage(self.connection, self.settings)
                staging.define(self.connection)
        modularity = regions.modularity(pairs, places)
        figures = replace(
            figures,
            links=len(pairs.source) + figures.memberships + things.links,
            detail=things,
            relationships=2 * len(pairs.source),
            communities=len(communities[0].ids),
            communities_by_level=tuple(len(table.ids) for table in communities),
            community_links=len(links_between.source),
            islands=regions.islands(communities[0], links_between),
            modularity=modularity[0],
            modularity_by_level=modularity,
            kept_communities=kept,
            changed_ratio=round(basis.changed_ratio, 6) if basis else None,
            reweighed=basis is not None and basis.reweighs(figures.user_nodes),
        )
        return self._swap(at, f"{fingerprint} {places.digest()}", places.next_id, figures, basis)

    def _places(self, people: People, pairs: Pairs, fingerprint: str) -> tuple[Places, bool]:
        """Where the subreddits are, and whether that is as before because nothing to cluster has changed."""
        old = None if self.clear else previous.read(self.connection, people)
        kept = old.places(fingerprint) if old else None
        if kept:
            return kept, True
        n, seed = len(people.subreddit_ids), self.settings.seed
        before, next_id = (old.before, old.next_id) if old else (None, 0)
        with self.steps.step("communities_s", "finding communities") as task:
            found = atlas.find_communities(
                self.worker, n, pairs, seed=seed, before=before, progress=as_seconds(task)
            )
        with self.steps.step("layout_s", "placing subreddits") as task:
            told = as_seconds(task)
            places = atlas.place_subreddits(
                self.worker, n, pairs, found, seed=seed, before=before, next_id=next_id, progress=told
            )
        return places, False

    def _swap(
        self, at: datetime, fingerprint: str, next_id: int, figures: Figures, basis: Basis | None
    ) -> Figures:
        def record(changes: tuple[TableChange, ...]) -> bool:
            # Who was forgotten meanwhile is in what was computed yet.
            erased = tombstones.erase_computed(self.connection, since=at)
            known = replace(figures, changes=changes, times=self.steps.times)
            history.complete(self.connection, self.run_id, at, fingerprint, next_id, known)
            return erased

        with (
            self.steps.step("swap_s", "swapping the graph in") as task,
            # Beside a backup it goes through at once; what works on the whole database is waited for.
            locks.hold(
                self.database.connector,
                LockName.OPERATIONS,
                shared=True,
                wait_s=_OPERATIONS_LIMIT_S,
                on_wait=task.note,
            ),
        ):
            swapped = swap(
                self.database.connector,
                self.connection,
                self.watch,
                version=self.run_id,
                differences={name: _differences(name, figures.incremental) for name in TABLES},
                known_rows=basis.shown.rows if basis else None,
                clear=self.clear,
                fill_memory_mb=self.settings.memory_mb,
                top_mark=basis.shown.top_mark if basis else None,
                record=record,
                task=task,
            )
        # From here on the new graph is shown, whatever happens to this session.
        vacuumed: tuple[str, ...] = ()
        with self.steps.step("tidying_s", "analyzing") as task, suppress(psycopg.OperationalError):
            vacuumed = tidy(self.connection, swapped.changes, task)
            versions.forget_older(self.connection, keep=self.settings.versions_kept)
        figures = replace(
            figures,
            changes=swapped.changes,
            swap_exclusive=swapped.exclusive,
            swap_waited_ms=swapped.waited_ms,
            swap_passed_by=swapped.passed_by,
            vacuumed=vacuumed,
            times=self.steps.times,
        )
        with suppress(psycopg.OperationalError):
            history.add_figures(self.connection, self.run_id, figures)
        return figures


def _differences(name: str, incremental: bool) -> LiteralString | sql.Composed:
    """The statement that finds what differs in a table: of what was sent, or of all of it."""
    if incremental and name not in ("communities", "community_links"):
        statement = sql.SQL(query("precalc", f"find_{name}_changes"))
        return statement.format(changes=sql.Identifier(f"{name}_changes"))
    return query("precalc", f"stage_{name}_changes")
