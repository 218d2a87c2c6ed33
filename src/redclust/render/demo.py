"""``demo`` in words."""

from __future__ import annotations

import shlex
import shutil
import sys

from rich.console import Console

from redclust.ops.demo import DemoReport
from redclust.render.output import table
from redclust.report import Report


def show(report: Report, out: Console) -> None:
    if not isinstance(report, DemoReport):
        raise TypeError(type(report).__name__)
    out.print(
        f"{report.comments} comments and {report.posts} posts of {report.users} users "
        f"in {report.subreddits} subreddits; {report.planted_communities} communities were planted"
    )
    out.print(f"Crawled from a rehearsal Reddit: {report.requests} requests in {report.crawl_s:.1f} s")
    rows = table("found community", "subreddits", "planted as", "share", right=("subreddits", "share"))
    for one in report.communities:
        rows.add_row(one.label, str(one.subreddits), one.planted, f"{one.share_ratio:.0%}")
    out.print(rows)
    ami, ari = report.adjusted_mutual_information, report.adjusted_rand_index
    out.print(f"Agreement with what was planted: AMI {ami:.3f}, adjusted Rand {ari:.3f}")
    out.print(f"Map: {report.picture}")
    out.print(f"Done in {report.duration_s:.1f} s. Next:")
    # In a clone the command is not on PATH: what is printed must work when it is typed.
    redclust = "redclust" if shutil.which("redclust") else shlex.quote(sys.argv[0])
    home = shlex.quote(report.home)
    out.print(f"  {redclust} --home {home} graph show")
    out.print(f"  {redclust} --home {home} graph node r/{report.communities[0].label.split(',')[0].strip()}")
    out.print(f"  {redclust} import YOUR_DUMP.zst")
