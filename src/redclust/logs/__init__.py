"""What a run writes down: one line an event, with the ids of run and job, and no secret.

Everything logs through the standard library's ``logging``; here is where it goes.
"""

from redclust.logs.ids import bound
from redclust.logs.known import known
from redclust.logs.run import begin, details, end, log_file
from redclust.logs.told import Told

__all__ = ["Told", "begin", "bound", "details", "end", "known", "log_file"]
