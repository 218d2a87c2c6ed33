"""``import``: dumps, or the older system's database, into the tables."""

from redclust.ops.import_.files import ImportReport, import_files
from redclust.ops.import_.older_system import import_older_system
from redclust.ops.import_.one import FileResult
from redclust.ops.import_.request import Request, parse, run

__all__ = [
    "FileResult",
    "ImportReport",
    "Request",
    "import_files",
    "import_older_system",
    "parse",
    "run",
]
