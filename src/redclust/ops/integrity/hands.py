"""What puts things right, one action after the other: each is done, or says why not, and the next follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, LiteralString, cast

import psycopg
from psycopg import sql

from redclust.db.connect import Connection
from redclust.db.patience import GaveUp, Patience
from redclust.sql import query

State = Literal["planned", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was put right, or was not: ``reason`` says why."""

    what: str
    about: str
    state: State
    reason: str = ""


@dataclass(slots=True)
class Hands:
    """A session that works and one that watches it; with ``dry_run`` nothing is done."""

    patience: Patience
    dry_run: bool
    actions: list[Action] = field(default_factory=list[Action])

    @property
    def session(self) -> Connection:
        return self.patience.session

    def act(self, what: str, about: str, do: Callable[[], None]) -> None:
        """Do it, and write down what became of it."""
        if self.dry_run:
            self.actions.append(Action(what, about, "planned"))
            return
        try:
            do()
        except (psycopg.Error, GaveUp) as error:
            if self.session.broken:
                raise
            self.refuse(what, about, " ".join(str(error).split()))
        else:
            self.actions.append(Action(what, about, "done"))

    def refuse(self, what: str, about: str, reason: str) -> None:
        """Write down what cannot be done."""
        self.actions.append(Action(what, about, "failed", reason))

    def on_table(self, table: str, name: str, names: Mapping[str, sql.Composable]) -> None:
        """Run a statement that keeps others out of a table for a moment, without making readers queue."""
        row = self.session.execute(query("repair", "relation"), {"table": f'"{table}"'}).fetchone()
        statement = sql.SQL(query("repair", name)).format(table=sql.Identifier(table), **names)
        self.patience.run_exclusively(statement, row[0] if row else 0)

    def beside(self, statement: sql.Composed) -> None:
        """Run a statement that lets others go on, and waits for older transactions, which are named."""
        self.patience.run(statement)


def from_catalog(text: str) -> sql.Composed:
    """A definition as the server itself writes it."""
    return sql.Composed([sql.SQL(cast(LiteralString, text))])
