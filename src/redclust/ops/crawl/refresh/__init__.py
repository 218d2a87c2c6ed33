"""``crawl refresh``: what is stored is looked at again, so that what people deleted goes here too."""

from redclust.ops.crawl.refresh.report import RefreshReport
from redclust.ops.crawl.refresh.run import Limits, refresh

__all__ = ["Limits", "RefreshReport", "refresh"]
