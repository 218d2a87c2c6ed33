-- What the operator asks about the queue, and does to it.

-- name: counts
-- Jobs by status.
SELECT status, count(*) FROM crawl_jobs GROUP BY status ORDER BY status

-- name: list
-- Jobs, those at work first, then those that wait in their turn, then those that have ended, the newest first.
SELECT subreddit_name, status, priority,
       CASE WHEN status = 'pending'
            THEN crawl_urgency(priority, now() - run_at, %(ageing_step_s)s::double precision,
                               %(ageing_levels)s::integer) END AS urgency,
       attempts, pages, created_at, CASE WHEN status = 'pending' THEN run_at END, started_at, completed_at,
       verdict, error_message, host, pid, heartbeat_at, page_at, lease_until, options, checkpoint
FROM crawl_jobs
WHERE (%(names)s::text[] IS NULL OR lower(subreddit_name) = ANY (%(names)s::text[]))
  AND (%(status)s::text IS NULL OR status = %(status)s::text)
ORDER BY array_position(ARRAY['crawling', 'pending', 'failed', 'completed'], status), run_at > now(),
         urgency DESC, CASE WHEN status = 'pending' THEN run_at END, completed_at DESC, lower(subreddit_name)
LIMIT %(limit)s::bigint

-- name: runs
-- How the newest tries of a job ended, the newest first.
SELECT r.outcome, r.started_at, r.finished_at, r.host, r.pid, r.pages, r.verdict, r.error_message, r.figures
FROM crawl_runs AS r
JOIN crawl_jobs AS j ON j.id = r.job_id
WHERE lower(j.subreddit_name) = lower(%(name)s::text)
ORDER BY r.token DESC
LIMIT %(limit)s::bigint

-- name: turn
-- How many jobs that may run now come before one of this urgency and time; how many were completed within the
-- hour. Cost grows with the number of jobs.
SELECT count(*) FILTER (WHERE status = 'pending' AND run_at <= now()
           AND (-crawl_urgency(priority, now() - run_at, %(ageing_step_s)s::double precision,
                               %(ageing_levels)s::integer), run_at)
               < (-%(urgency)s::integer, %(run_at)s::timestamptz)),
       count(*) FILTER (WHERE status = 'completed' AND completed_at > now() - interval '1 hour')
FROM crawl_jobs

-- name: workers
-- Workers, how many seconds ago each was heard, and what it holds.
SELECT w.host, w.pid, w.version, w.started_at, w.heartbeat_at,
       extract(epoch FROM now() - w.heartbeat_at)::double precision,
       (SELECT min(subreddit_name) FROM crawl_jobs WHERE status = 'crawling' AND worker_id = w.id)
FROM crawl_workers AS w
ORDER BY w.started_at

-- name: retry
-- Failed jobs wait again, from their checkpoints, with all their tries before them.
UPDATE crawl_jobs
SET status = 'pending', token = token + 1, attempts = 0, run_at = now(), started_at = NULL, completed_at = NULL,
    error_message = NULL
WHERE status = 'failed' AND (%(names)s::text[] IS NULL OR lower(subreddit_name) = ANY (%(names)s::text[]))
RETURNING subreddit_name

-- name: statuses
-- Which status each of these has, by lower case.
SELECT lower(subreddit_name), status FROM crawl_jobs WHERE lower(subreddit_name) = ANY (%(names)s::text[])

-- name: count_ended
-- What clear would delete, by status.
SELECT status, count(*)
FROM crawl_jobs
WHERE status = ANY (%(statuses)s::text[])
  AND COALESCE(completed_at, created_at) < now() - %(older_than_s)s::double precision * interval '1 s'
GROUP BY status
ORDER BY status

-- name: clear
-- Some of the jobs that nobody needs any more, with their past runs.
WITH gone AS (
    DELETE FROM crawl_jobs
    WHERE id IN (
        SELECT id FROM crawl_jobs
        WHERE status = ANY (%(statuses)s::text[])
          AND COALESCE(completed_at, created_at) < now() - %(older_than_s)s::double precision * interval '1 s'
        LIMIT %(limit)s::bigint
        FOR UPDATE SKIP LOCKED
    )
    RETURNING status
)
SELECT status, count(*) FROM gone GROUP BY status

-- name: set_priority
-- A job that waits, or that is being crawled and may wait again, gets another priority.
UPDATE crawl_jobs
SET priority = %(priority)s::integer
WHERE lower(subreddit_name) = lower(%(name)s::text) AND status IN ('pending', 'crawling')
RETURNING subreddit_name, status

-- name: now
-- The database's clock, by which all times of the queue are.
SELECT now()
