"""``benchmark``: speed as a ratio against a named baseline in the same run."""

from redclust.ops.benchmark.backup import BackupBenchmark, backup_benchmark
from redclust.ops.benchmark.frame import Comparison, Side
from redclust.ops.benchmark.graph import GraphBenchmark, graph_benchmark
from redclust.ops.benchmark.import_ import ImportBenchmark, import_benchmark
from redclust.ops.benchmark.map import MapBenchmark, map_benchmark
from redclust.ops.benchmark.precalc import PrecalcBenchmark, precalc_benchmark
from redclust.ops.benchmark.queue import QueueBenchmark, QueueSpeed, Throughput, queue_benchmark

__all__ = [
    "BackupBenchmark",
    "Comparison",
    "GraphBenchmark",
    "ImportBenchmark",
    "MapBenchmark",
    "PrecalcBenchmark",
    "QueueBenchmark",
    "QueueSpeed",
    "Side",
    "Throughput",
    "backup_benchmark",
    "graph_benchmark",
    "import_benchmark",
    "map_benchmark",
    "precalc_benchmark",
    "queue_benchmark",
]
