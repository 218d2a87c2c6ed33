"""``metrics``: what ``doctor`` looks at, as numbers for Prometheus."""

from redclust.ops.metrics.collect import exposition, serve, textfile

__all__ = ["exposition", "serve", "textfile"]
