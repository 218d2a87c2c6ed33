"""``crawl``: subreddits through Reddit's API into the tables, by any number of workers."""

from redclust.ops.crawl.named import CrawlReport, crawl_named
from redclust.ops.crawl.one import Outcome
from redclust.ops.crawl.request import Request, parse

__all__ = ["CrawlReport", "Outcome", "Request", "crawl_named", "parse"]
