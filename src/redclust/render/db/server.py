"""``db start|stop|status|migrate|upgrade`` in words."""

from __future__ import annotations

from rich.console import Console

from redclust.ops.db import MigrateReport, ServerReport, StatusReport, UpgradeReport
from redclust.render.output import size, table


def server(report: ServerReport, out: Console) -> None:
    out.print(f"embedded server: {report.state} (data in {report.data_dir})")
    if report.url:
        out.print(report.url)


def status(report: StatusReport, out: Console) -> None:
    stays = "stays until `redclust db stop`" if report.kept else "stops when no command uses it"
    running = "answers" if report.kind == "external" else f"running, {stays}"
    rows = [
        ("database", f"{report.kind}: {report.database}"),
        ("state", running if report.running else "not running (a command starts it)"),
    ]
    if report.server_version and report.size_bytes is not None and report.started_at:
        rows.append(
            ("server", f"Postgres {report.server_version}, up since {report.started_at:%Y-%m-%d %H:%M} UTC")
        )
        rows.append(("size", size(report.size_bytes)))
        rows.append(("schema", f"{report.schema_state}, version {report.schema_version}"))
    if report.data_dir:
        rows += [("data", report.data_dir), ("log", report.log_file or "")]
    for name, value in rows:
        out.print(f"{name:<9} {value}")


def migrate(report: MigrateReport, out: Console) -> None:
    steps = table("version", "name", "state", "applied", right=("version",))
    for step in report.steps:
        at = f"{step.applied_at:%Y-%m-%d %H:%M} UTC" if step.applied_at else ""
        steps.add_row(f"{step.version:04}", step.name, step.state, at)
    out.print(steps)
    out.print(f"schema: {report.state}; {report.applied_now} applied now")


def upgrade(report: UpgradeReport, out: Console) -> None:
    if report.kept_dir is None:
        out.print(f"nothing to upgrade: the data is of Postgres {report.to_major} already")
        return
    out.print(
        f"Upgraded from Postgres {report.from_major} to {report.to_major}: "
        f"{report.tables} tables, {report.rows} rows, counted equal before and after"
    )
    for note in report.notes:
        out.print(f"note: {note}")
    out.print(f"The old data is kept in {report.kept_dir}; remove it when you are content")
