"""``crawl``: subreddits through Reddit's API into the tables, by any number of workers."""

from redclust.ops.crawl.forget import ForgetReport, forget
from redclust.ops.crawl.named import CrawlReport, crawl_named
from redclust.ops.crawl.one import Outcome
from redclust.ops.crawl.plan import PlanReport, plan
from redclust.ops.crawl.request import Request, parse
from redclust.ops.crawl.run import Limits, RunReport, run
from redclust.ops.crawl.status import ResetReport, StatusReport, reset_breaker, status

__all__ = [
    "CrawlReport",
    "ForgetReport",
    "Limits",
    "Outcome",
    "PlanReport",
    "Request",
    "ResetReport",
    "RunReport",
    "StatusReport",
    "crawl_named",
    "forget",
    "parse",
    "plan",
    "reset_breaker",
    "run",
    "status",
]
