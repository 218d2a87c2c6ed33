"""Keys, constraints, indexes, triggers and functions as the migrations make them."""

from __future__ import annotations

from psycopg import errors as pg
from psycopg import sql

from redclust.ops.integrity.hands import Hands, from_catalog
from redclust.ops.integrity.probes import drift
from redclust.ops.integrity.probes.drift import Drift
from redclust.sql import query

_ONLY_A_BACKUP = "its rows are in a backup at most: redclust restore; what is wanted: {wanted}"
#: In this order: triggers call functions, foreign keys need keys.
_ORDER = ("function", "constraint", "index", "trigger", "column", "table")
_NEW = "_redclust_new"


def mend_drift(hands: Hands) -> None:
    """Make again what the migrations made."""
    try:
        found = drift.compare(hands.session)
    except (pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction) as error:
        hands.refuse("compare the schema", "public", " ".join(str(error).split()))
        return
    for one in sorted(found, key=_rank):
        _mend(hands, one)


def mend_constraints(hands: Hands) -> None:
    """Make constraints hold that are not valid, or whose triggers are switched off."""
    broken = hands.session.execute(query("catalogs", "broken_constraints")).fetchall()
    for name, table, only_validate in broken:
        if only_validate:
            hands.act("validate", f"{name} of {table}", lambda n=name, t=table: _validate(hands, t, n))
        else:
            hands.act("switch on", f"{name} of {table}", lambda n=name, t=table: renew(hands, t, n))


def renew(hands: Hands, table: str, name: str, definition: str = "") -> None:
    """Drop a constraint and make it again, in one transaction; then look at every row."""
    if not definition:
        values = {"table": table, "name": name}
        row = hands.session.execute(query("repair", "constraint_definition"), values).fetchone()
        definition = str(row[0]) if row else ""
    names = {"name": sql.Identifier(name), "definition": from_catalog(definition)}
    hands.on_table(table, "replace_constraint", names)
    _validate(hands, table, name)


def _rank(one: Drift) -> tuple[int, bool, str, str]:
    return _ORDER.index(one.kind), one.wanted.startswith("FOREIGN"), one.table, one.name


def _mend(hands: Hands, one: Drift) -> None:
    of = f"{one.name} of {one.table}" if one.name != one.table else one.name
    if one.kind in ("table", "column"):
        what = "make again" if one.state == "missing" else "change back"
        hands.refuse(f"{what} the {one.kind}", of, _ONLY_A_BACKUP.format(wanted=one.wanted))
    elif one.kind == "constraint":
        hands.act("make the constraint again", of, lambda: _constraint(hands, one))
    elif one.kind == "index":
        hands.act("make the index again", of, lambda: _index(hands, one))
    elif one.kind == "trigger":
        hands.act("make the trigger again", of, lambda: _trigger(hands, one))
    else:
        hands.act("make the function again", of, lambda: hands.beside(from_catalog(one.wanted)))


def _constraint(hands: Hands, one: Drift) -> None:
    kind = next((k for k in ("PRIMARY KEY", "UNIQUE") if one.wanted.startswith(k)), None)
    name = sql.Identifier(one.name)
    if kind is None and one.state == "different":
        renew(hands, one.table, one.name, one.wanted)
    elif kind is None:
        names = {"name": name, "definition": from_catalog(one.wanted)}
        hands.on_table(one.table, "add_constraint", names)
        _validate(hands, one.table, one.name)
    else:
        columns = from_catalog(one.wanted.removeprefix(kind))
        names = {"name": name, "table": sql.Identifier(one.table), "columns": columns}
        _build(hands, sql.SQL(query("repair", "make_unique_index")).format(**names), one.name)
        hands.on_table(one.table, "key_of_index", {"name": name, "kind": from_catalog(kind)})


def _index(hands: Hands, one: Drift) -> None:
    name = one.name if one.state == "missing" else f"{one.name}{_NEW}"
    head, _, rest = one.wanted.partition(f"INDEX {one.name} ")
    built = from_catalog(f"{head}INDEX CONCURRENTLY ") + sql.Identifier(name) + from_catalog(f" {rest}")
    _build(hands, built, name)
    if one.state == "different":
        with hands.session.transaction():
            for text, names in (
                ("drop_index", {"index": sql.Identifier(one.name)}),
                ("rename_index", {"index": sql.Identifier(name), "new_name": sql.Identifier(one.name)}),
            ):
                hands.session.execute(sql.SQL(query("repair", text)).format(**names))


def _build(hands: Hands, statement: sql.Composed, name: str) -> None:
    """Build an index beside readers and writers; one that failed leaves nothing."""
    drop = sql.SQL(query("reindex", "drop_leftover")).format(index=sql.Identifier(name))
    try:
        hands.beside(statement)
    except Exception:
        if not hands.session.broken:
            hands.session.execute(drop)
        raise


def _trigger(hands: Hands, one: Drift) -> None:
    definition, _, enabled = one.wanted.rpartition(" ")
    hands.session.execute(from_catalog(definition))
    if enabled == "O":
        hands.on_table(one.table, "enable_trigger", {"trigger": sql.Identifier(one.name)})


def _validate(hands: Hands, table: str, name: str) -> None:
    names = {"table": sql.Identifier(table), "name": sql.Identifier(name)}
    hands.beside(sql.SQL(query("repair", "validate_constraint")).format(**names))
