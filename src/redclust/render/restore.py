"""``restore`` in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console

from redclust import duration
from redclust.ops.restore import DropReport, RestorePlan, RestoreReport, UndoReport
from redclust.render.output import size, table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    match report:
        case RestorePlan():
            for line in plan_lines(report):
                out.print(line)
            out.print("Nothing was done (--dry-run)")
        case RestoreReport():
            _restored(report, out)
        case UndoReport():
            out.print(f"{report.database} is again what it was until {_at(report.kept_at)}")
            out.print(f"What was live is kept as {report.kept}")
            _changes(report.migrated, report.erased, report.ended_sessions, out)
            for line in report.left_undone:
                out.print(line)
        case DropReport():
            _kept(report, out)
        case _:
            raise TypeError(type(report).__name__)


def plan_lines(plan: RestorePlan) -> list[str]:
    """What a restore is about to do, a line each; obstacles last."""
    lines = [f"source: {plan.source}{_told_of(plan)}"]
    if plan.mode == "swap":
        kept = f"; what is live is kept as {plan.kept_as}" if plan.kept_as else ""
        lines.append(f"target: {plan.target}, the live database{kept}")
        lines.append(f"safety backup: {plan.safety_backup}")
    else:
        lines.append(f"target: {plan.target}, a new database; {plan.live} stays as it is")
    lines += [
        f"newer than the backup: {one.count} {one.what}{'s' if one.count > 1 else ''}, "
        f"the last {_at(one.last_at)}"
        for one in plan.since
    ]
    lines += [f"connected: {one.who}: {one.fate}" for one in plan.connected]
    for one in plan.space:
        free = "cannot be seen from here" if one.free_bytes is None else f"{size(one.free_bytes)} free"
        lines.append(f"space for {one.what}: {size(one.needed_bytes)} needed, {free}")
    if plan.missing_roles:
        lines.append(f"roles to be made, without passwords: {', '.join(plan.missing_roles)}")
    if plan.kept_databases:
        lines.append(f"kept by earlier restores: {plan.kept_databases} databases, {size(plan.kept_bytes)}")
    expected = f", about {duration.words(plan.expected_s)} by the last drill" if plan.expected_s else ""
    lines.append(f"jobs: {plan.jobs}{expected}")
    lines += plan.notes
    lines += [f"in the way: {one.told}{f' (HINT: {one.hint})' if one.hint else ''}" for one in plan.obstacles]
    return lines


def _told_of(plan: RestorePlan) -> str:
    if plan.backup_at is None:
        return ", without a manifest: nothing tells what it holds"
    age = duration.words((datetime.now(UTC) - plan.backup_at).total_seconds())
    versions = f"Postgres {plan.backup_server}"
    if plan.backup_schema_version is not None:
        versions += f", schema {plan.backup_schema_version}"
    now = f"Postgres {plan.server_version}, schema {plan.schema_version}"
    return (
        f", {plan.backup_state}, of {_at(plan.backup_at)} ({age} ago), {plan.backup_rows or 0:,} rows; "
        f"{versions}; here {now}"
    )


def _restored(report: RestoreReport, out: Console) -> None:
    rows = f"{report.rows:,} rows in {report.tables} tables"
    compared = "as its manifest says" if report.compared else "not compared: it has no manifest"
    took = duration.words(sum(report.seconds.values()))
    out.print(f"Restored {report.source} into {report.database}: {rows}, {compared}, in {took}")
    if report.safety_backup:
        out.print(f"What was live was backed up before: {report.safety_backup}")
    if report.kept:
        out.print(f"What was live is kept as {report.kept}")
        if report.swapped and "/" not in report.kept:
            out.print("Back again: redclust restore --undo; for good: redclust restore --drop-kept")
    elif not report.swapped:
        out.print(f"Look at it: redclust db psql -- -d {report.database}")
    _changes(report.migrated, report.erased, report.ended_sessions, out)
    for line in (*report.notes, *report.left_undone):
        out.print(line)


def _changes(migrated: int, erased: Mapping[str, int], ended: tuple[str, ...], out: Console) -> None:
    if migrated:
        out.print(f"{migrated} migrations applied")
    if erased:
        out.print(f"Erased again, as it was deleted meanwhile: {sum(erased.values())} rows")
    for who in ended:
        out.print(f"ended: {who}")


def _kept(report: DropReport, out: Console) -> None:
    if not report.kept:
        out.print(f"No restore has kept anything of {report.database}")
        return
    rows = table("database", "live until", "size", right=("size",))
    for one in report.kept:
        rows.add_row(one.name, _at(one.until), size(one.size_bytes))
    out.print(rows)
    out.print(f"Dropped {len(report.kept)}" if report.dropped else "Nothing was dropped (--dry-run)")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
