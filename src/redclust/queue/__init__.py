"""The queue of crawl jobs: one row a subreddit, leased to one worker at a time, fenced by a token.

A worker's life::

    with Worker(database, settings.queue, say) as worker:
        while (lease := worker.claim()) is not None:
            with lease:                                           # the heartbeat; no end lets the job go
                for page in pages_after(lease.job.checkpoint):    # asks Reddit: no transaction is open
                    with worker.page(lease) as connection:        # a transaction, the fence first
                        store(connection, page)
                        lease.checkpoint(connection, page.state)
                    if lease.interrupted:                         # paused, taken away, schema changed
                        break
                else:
                    with worker.page(lease) as connection:
                        lease.complete(connection, "ok")

Every call with a ``connection`` works in the caller's transaction, or commits at once on an autocommit
connection. ``LeaseLost`` means that the job is somebody else's now: drop what is in hand, claim the next one.
"""

from redclust.queue.claims import Depth, Rescued, claim, depth, release_all, rescue
from redclust.queue.enqueue import Enqueued, enqueue, enqueue_new, enqueue_stale
from redclust.queue.lease import Job, Lease, LeaseLost
from redclust.queue.pauses import Pause, pause, pauses, resume
from redclust.queue.worker import Worker, WorkerId

__all__ = [
    "Depth",
    "Enqueued",
    "Job",
    "Lease",
    "LeaseLost",
    "Pause",
    "Rescued",
    "Worker",
    "WorkerId",
    "claim",
    "depth",
    "enqueue",
    "enqueue_new",
    "enqueue_stale",
    "pause",
    "pauses",
    "release_all",
    "rescue",
    "resume",
]
