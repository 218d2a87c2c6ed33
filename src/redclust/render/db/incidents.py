"""``db activity|slow|locks|connections|terminate-idle|settings`` in words."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console

from redclust.duration import words
from redclust.ops.db import (
    ActivityReport,
    ConnectionsReport,
    IdleReport,
    LocksReport,
    Session,
    Setting,
    SettingsReport,
    SlowReport,
    Waiting,
)
from redclust.render.output import figures, size, table

_SHOWN_CHARACTERS = 100


def activity(report: ActivityReport, out: Console) -> None:
    states = ", ".join(f"{count} {state}" for state, count in report.states.items()) or "none"
    out.print(f"Clients of {report.database}: {states}")
    if report.active:
        out.print(f"At one statement for longer than {words(report.longer_than_s)}:")
        out.print(_sessions(report.active, report.at))
    if report.in_transaction:
        out.print(f"Inside a transaction and doing nothing for longer than {words(report.longer_than_s)}:")
        out.print(_sessions(report.in_transaction, report.at))
    for one in report.prepared:
        since = words((report.at - one.prepared_at).total_seconds())
        out.print(
            f"Prepared transaction {one.gid} of {one.user}, for {since}: COMMIT PREPARED or ROLLBACK PREPARED"
        )
    if report.blockers:
        out.print(f"{report.waiting} wait for a lock:")
        for one in report.blockers:
            _tree(one, report.at, out, "")
    else:
        out.print("Nobody waits for a lock")
    if report.hidden:
        out.print(
            f"{report.hidden} sessions of other roles hide what they do (GRANT pg_read_all_stats shows it)"
        )


def _tree(one: Waiting, at: datetime, out: Console, indent: str) -> None:
    who = one.name or "a session"
    process = f"process {one.pid}" if one.pid else "prepared transaction"
    began = f", in its transaction for {_since(one.since, at)}" if one.since else ""
    waits = f", waits for {_since(one.waits_since, at)}" if one.waits_since else ""
    what = f": {_short(one.query)}" if one.query else ""
    out.print(f"{indent}{who} ({process}, {one.user or 'another role'}, {one.state}{began}{waits}){what}")
    for child in one.blocks:
        _tree(child, at, out, f"{indent}  <- " if not indent else f"  {indent}")


def _sessions(sessions: tuple[Session, ...], at: datetime) -> object:
    rows = table("process", "application", "role", "for", "waits for", "statement", right=("process", "for"))
    for one in sessions:
        rows.add_row(
            str(one.pid),
            one.application,
            one.user or "",
            _since(one.since, at),
            one.waits_for or "",
            _short(one.query),
        )
    return rows


def slow(report: SlowReport, out: Console) -> None:
    if report.statements:
        rows = table(
            "calls", "total", "mean", "longest", "statement", right=("calls", "total", "mean", "longest")
        )
        for one in report.statements:
            times = (
                words(part) if part >= 60 else f"{part:.3f}s" for part in (one.total_s, one.mean_s, one.max_s)
            )
            rows.add_row(str(one.calls), *times, _short(one.query))
        out.print(rows)
    source = {"none": "Nothing counts statements here", "log": "Counted from the server's log"}
    out.print(source.get(report.source, f"Counted by {report.source}"))
    limit = report.logged_from_ms
    logged = "nothing" if limit is None else f"statements of {words(limit / 1000)} and longer"
    out.print(f"New sessions of {report.database} have {logged} logged for being slow")
    for line in report.how:
        out.print(f"  {line}")


def locks(report: LocksReport, out: Console) -> None:
    if not report.locks:
        out.print("No lock that would keep anybody waiting for long" if not report.every else "No lock")
        return
    columns = ("process", "application", "role", "on", "mode", "", "transaction since", "waits since")
    rows = table(*columns, right=("process",))
    for one in report.locks:
        rows.add_row(
            str(one.pid) if one.pid else "prepared",
            one.application,
            one.user or "",
            one.on,
            one.mode.removesuffix("Lock"),
            "held" if one.granted else "WANTED",
            _at(one.transaction_at),
            _at(one.waits_since),
        )
    out.print(rows)
    out.print(f"{report.waiting} wanted and not given (redclust db activity says by whom they are held up)")


def connections(report: ConnectionsReport, out: Console) -> None:
    columns = ("database", "application", "role", "state", "sessions", "the oldest since")
    rows = [
        (one.database, one.application, one.user, one.state, str(one.count), _at(one.oldest_at))
        for one in report.clients
    ]
    figures(out, columns, rows, right=("sessions",), spare="role")
    out.print(
        f"{report.used} of {report.limit} connections ({report.used_ratio:.0%} of those that are not for "
        f"superusers alone)"
    )
    if not report.ok:
        out.print("Too many: redclust db terminate-idle --older-than 10m, or redclust db settings")


def idle(report: IdleReport, out: Console) -> None:
    if not report.sessions:
        out.print(f"No session of {report.database} has been idle for {words(report.older_than_s)}")
        return
    rows = table("process", "application", "role", "was", "since", "", right=("process",))
    for one in report.sessions:
        rows.add_row(str(one.pid), one.application, one.user, one.was, _at(one.since), one.outcome)
    out.print(rows)
    ended = sum(one.outcome == "ended" for one in report.sessions)
    out.print("Nothing was done (--dry-run)" if report.dry_run else f"Ended {ended} sessions")


def settings(report: SettingsReport, out: Console) -> None:
    columns = ("setting", "now", "suggested", "because")
    rows = table(*columns, right=("now", "suggested"))
    for one in report.settings:
        rows.add_row(one.name, _value(one, one.now), _value(one, one.suggested), one.reason)
    out.print(rows)
    if report.memory_bytes is None:
        out.print("The memory of the server's machine cannot be seen from here: --memory 8GB says it")
    different = [one for one in report.settings if one.differs]
    applied = [one for one in report.settings if one.applied]
    if applied:
        out.print(f"Written: {', '.join(one.name for one in applied)}")
    elif not different:
        out.print("Nothing to change")
    elif report.embedded:
        out.print("redclust db settings --apply writes what differs; --set NAME=VALUE to choose your own")
    else:
        for one in different:
            out.print(f"{one.statement};{'  -- then a restart' if one.restart else ''}")
        out.print(f"{report.reload_statement};")
    if report.pending_restart:
        out.print(f"In force after redclust db restart: {', '.join(report.pending_restart)}")


def _value(one: Setting, value: int) -> str:
    return str(value) if one.name == "max_connections" else size(value)


def _since(at: datetime | None, now: datetime) -> str:
    return "" if at is None else words(max(0.0, (now - at).total_seconds()))


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
