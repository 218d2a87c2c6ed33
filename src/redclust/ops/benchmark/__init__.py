"""``benchmark``: speed as a ratio against a named baseline in the same run."""

from redclust.ops.benchmark.frame import Comparison, Side
from redclust.ops.benchmark.import_ import ImportBenchmark, import_benchmark
from redclust.ops.benchmark.queue import QueueBenchmark, QueueSpeed, Throughput, queue_benchmark

__all__ = [
    "Comparison",
    "ImportBenchmark",
    "QueueBenchmark",
    "QueueSpeed",
    "Side",
    "Throughput",
    "import_benchmark",
    "queue_benchmark",
]
