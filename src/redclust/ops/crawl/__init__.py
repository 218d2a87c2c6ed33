"""``crawl``: subreddits through Reddit's API into the tables, by any number of workers.

What sends requests is in ``named``, ``run`` and ``refresh``: they load PRAW, which takes as long to import as
all the rest.
"""

from redclust.ops.crawl.forget import ForgetReport, forget
from redclust.ops.crawl.plan import PlanReport, plan
from redclust.ops.crawl.request import Request, parse
from redclust.ops.crawl.status import ResetReport, StatusReport, reset_breaker, status

__all__ = [
    "ForgetReport",
    "PlanReport",
    "Request",
    "ResetReport",
    "StatusReport",
    "forget",
    "parse",
    "plan",
    "reset_breaker",
    "status",
]
