-- The queue: jobs, leases, past runs, pauses and workers.

-- name: enqueue
-- One job a subreddit: a new one waits, one that has ended waits again from its beginning, one that waits gets
-- the higher priority and the newer options, one that is being crawled stays as it is.
WITH wanted AS (
    -- Of equal priority, they are crawled in the order in which they were named.
    SELECT name, lower(name) AS key, now() + n * interval '1 microsecond' AS run_at
    FROM unnest(%(names)s::text[]) WITH ORDINALITY AS wanted (name, n)
), before AS (
    SELECT key, j.id, j.status FROM wanted JOIN crawl_jobs AS j ON lower(j.subreddit_name) = key
), put AS (
    INSERT INTO crawl_jobs AS j (subreddit_name, priority, options, run_at)
    -- In one order, so that of two who enqueue none waits for the other in a ring.
    SELECT name, %(priority)s::integer, %(options)s::jsonb, run_at FROM wanted ORDER BY key
    ON CONFLICT (lower(subreddit_name)) DO UPDATE
    SET status = 'pending', options = excluded.options, attempts = 0,
        token = CASE j.status WHEN 'pending' THEN j.token ELSE j.token + 1 END,
        run_at = CASE j.status WHEN 'pending' THEN LEAST(j.run_at, excluded.run_at) ELSE excluded.run_at END,
        priority = CASE j.status WHEN 'pending' THEN GREATEST(j.priority, excluded.priority)
                                 ELSE excluded.priority END,
        checkpoint = CASE WHEN j.status = 'pending' AND j.options = excluded.options THEN j.checkpoint END,
        pages = CASE WHEN j.status = 'pending' AND j.options = excluded.options THEN j.pages ELSE 0 END,
        created_at = CASE j.status WHEN 'pending' THEN j.created_at ELSE now() END,
        started_at = NULL, completed_at = NULL, error_message = NULL, verdict = NULL
    WHERE j.status <> 'crawling'
    RETURNING j.id, lower(j.subreddit_name) AS key
)
SELECT wanted.name, COALESCE(put.id, before.id), before.status
FROM wanted LEFT JOIN before USING (key) LEFT JOIN put USING (key)
ORDER BY wanted.run_at

-- name: enqueue_new
-- Jobs for subreddits that have none; the others are not touched and not waited for.
INSERT INTO crawl_jobs (subreddit_name, priority, options)
SELECT name, %(priority)s::integer, %(options)s::jsonb
FROM unnest(%(names)s::text[]) AS wanted (name)
ORDER BY lower(name)
ON CONFLICT (lower(subreddit_name)) DO NOTHING
RETURNING subreddit_name, id

-- name: enqueue_stale
-- Completed jobs whose crawl has grown old wait again, the oldest first; failed ones are the operator's, and a
-- subreddit that cannot be read has a time of its own.
UPDATE crawl_jobs AS j
SET status = 'pending', priority = %(priority)s::integer, token = j.token + 1, run_at = now(), attempts = 0,
    checkpoint = NULL, pages = 0, started_at = NULL, completed_at = NULL, error_message = NULL, verdict = NULL
FROM (
    SELECT id FROM crawl_jobs AS done
    WHERE status = 'completed' AND completed_at < now() - %(stale_after_s)s::double precision * interval '1 s'
      AND NOT EXISTS (SELECT FROM subreddits AS s
                      WHERE lower(s.name) = lower(done.subreddit_name) AND s.next_check_at > now())
    ORDER BY completed_at
    LIMIT %(limit)s::bigint
    FOR NO KEY UPDATE SKIP LOCKED
) AS old
WHERE j.id = old.id

-- name: claim
-- Take the most urgent job that may run. The first of each priority is found from the index, so that the cost
-- grows with the number of priorities, not of jobs; ageing is computed here and written nowhere.
WITH RECURSIVE lane (priority, run_at) AS (
    (SELECT priority, run_at FROM crawl_jobs WHERE status = 'pending' ORDER BY priority DESC, run_at LIMIT 1)
    UNION ALL
    SELECT below.priority, below.run_at
    FROM lane, LATERAL (
        SELECT j.priority, j.run_at FROM crawl_jobs AS j
        WHERE j.status = 'pending' AND j.priority < lane.priority
        ORDER BY j.priority DESC, j.run_at
        LIMIT 1
    ) AS below
), taken AS MATERIALIZED (
    SELECT job.id
    FROM (
        SELECT priority FROM lane
        WHERE run_at <= now() AND NOT EXISTS (SELECT FROM crawl_pauses)
          AND (SELECT max(version) FROM redclust_migrations) <= %(schema_version)s::integer
        ORDER BY crawl_urgency(priority, now() - run_at, %(ageing_step_s)s::double precision,
                               %(ageing_levels)s::integer) DESC, run_at
    ) AS urgent, LATERAL (
        SELECT j.id FROM crawl_jobs AS j
        WHERE j.status = 'pending' AND j.priority = urgent.priority AND j.run_at <= now()
        ORDER BY j.run_at
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS job
    LIMIT 1
)
UPDATE crawl_jobs AS j
SET status = 'crawling', token = j.token + 1, attempts = j.attempts + 1, started_at = now(),
    completed_at = NULL, worker_id = %(worker)s::uuid, host = %(host)s::text, pid = %(pid)s::integer,
    heartbeat_at = clock_timestamp(), page_at = clock_timestamp(),
    lease_until = clock_timestamp() + %(lease_s)s::double precision * interval '1 s',
    deadline_at = clock_timestamp() + %(deadline_s)s::double precision * interval '1 s'
FROM taken
WHERE j.id = taken.id
RETURNING j.id, j.subreddit_name, j.token, j.priority, j.attempts, j.options, j.checkpoint, j.pages

-- name: claim_one_of
-- Take one of the named jobs if it waits, whatever its turn and its backoff.
UPDATE crawl_jobs AS j
SET status = 'crawling', token = j.token + 1, attempts = j.attempts + 1, started_at = now(),
    completed_at = NULL, worker_id = %(worker)s::uuid, host = %(host)s::text, pid = %(pid)s::integer,
    heartbeat_at = clock_timestamp(), page_at = clock_timestamp(),
    lease_until = clock_timestamp() + %(lease_s)s::double precision * interval '1 s',
    deadline_at = clock_timestamp() + %(deadline_s)s::double precision * interval '1 s'
FROM (
    SELECT id FROM crawl_jobs
    WHERE id = ANY (%(ids)s::integer[]) AND status = 'pending' AND NOT EXISTS (SELECT FROM crawl_pauses)
      AND (SELECT max(version) FROM redclust_migrations) <= %(schema_version)s::integer
    ORDER BY run_at > now(), priority DESC, run_at
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
) AS taken
WHERE j.id = taken.id
RETURNING j.id, j.subreddit_name, j.token, j.priority, j.attempts, j.options, j.checkpoint, j.pages

-- name: fence
-- Whether the job is still this worker's; its row is locked until the transaction ends, so that nobody can
-- take it before what is written here is committed.
SELECT (SELECT max(version) FROM redclust_migrations)
FROM crawl_jobs
WHERE id = %(id)s AND token = %(token)s AND worker_id = %(worker)s
FOR NO KEY UPDATE

-- name: checkpoint
-- Where the crawl goes on after this page; a committed page is progress, so earlier tries no longer count.
UPDATE crawl_jobs
SET checkpoint = %(state)s, pages = pages + 1, attempts = 1, page_at = clock_timestamp(),
    heartbeat_at = clock_timestamp(),
    lease_until = clock_timestamp() + %(lease_s)s::double precision * interval '1 s'
WHERE id = %(id)s AND token = %(token)s AND worker_id = %(worker)s

-- name: complete
-- The crawl came to its end; the run is written down in the same statement.
WITH done AS (
    UPDATE crawl_jobs
    SET status = 'completed', token = token + 1, verdict = %(verdict)s, completed_at = clock_timestamp(),
        attempts = 0, checkpoint = NULL, error_message = NULL, worker_id = NULL, host = NULL, pid = NULL,
        heartbeat_at = NULL, lease_until = NULL, page_at = NULL, deadline_at = NULL
    WHERE id = %(id)s AND token = %(token)s AND worker_id = %(worker)s
    RETURNING id, started_at, pages
)
INSERT INTO crawl_runs (job_id, token, outcome, started_at, host, pid, pages, verdict, figures)
SELECT id, %(token)s, 'completed', started_at, %(host)s, %(pid)s, pages, %(verdict)s, %(figures)s
FROM done

-- name: fail
-- The try failed: the job waits for its next one, longer each time, or has failed for good.
WITH ended AS (
    UPDATE crawl_jobs
    SET status = CASE WHEN %(retryable)s::boolean AND attempts <= %(retries)s::integer THEN 'pending' ELSE 'failed' END,
        completed_at = CASE WHEN %(retryable)s::boolean AND attempts <= %(retries)s::integer THEN NULL ELSE clock_timestamp() END,
        run_at = CASE WHEN %(retryable)s::boolean AND attempts <= %(retries)s::integer
            THEN clock_timestamp() + interval '1 s' * GREATEST(%(after_s)s::double precision,
                LEAST(%(backoff_max_s)s::double precision,
                      %(backoff_s)s::double precision * 2.0 ^ LEAST(30, attempts - 1))
                * (1 + %(jitter_ratio)s::double precision * (2 * random() - 1)))
            ELSE run_at END,
        token = token + 1, error_message = %(error)s::text, worker_id = NULL, host = NULL, pid = NULL,
        heartbeat_at = NULL, lease_until = NULL, page_at = NULL, deadline_at = NULL
    WHERE id = %(id)s AND token = %(token)s AND worker_id = %(worker)s
    RETURNING id, status, started_at, pages, run_at
), written AS (
    INSERT INTO crawl_runs (job_id, token, outcome, started_at, host, pid, pages, error_message, figures)
    SELECT id, %(token)s, CASE status WHEN 'failed' THEN 'failed' ELSE 'retry' END, started_at, %(host)s, %(pid)s,
           pages, %(error)s, %(figures)s
    FROM ended
)
SELECT CASE status WHEN 'pending' THEN run_at END FROM ended

-- name: hand_back
-- The job waits again where it stood, as if this try had not been.
WITH ended AS (
    UPDATE crawl_jobs
    SET status = 'pending', token = token + 1, attempts = GREATEST(0, attempts - 1), started_at = NULL,
        run_at = CASE WHEN %(after_s)s::double precision > 0
                      THEN clock_timestamp() + %(after_s)s * interval '1 s' ELSE run_at END,
        worker_id = NULL, host = NULL, pid = NULL, heartbeat_at = NULL, lease_until = NULL, page_at = NULL,
        deadline_at = NULL
    FROM (SELECT id AS held_id, started_at AS since FROM crawl_jobs WHERE id = %(id)s) AS held
    WHERE id = held_id AND token = %(token)s AND worker_id = %(worker)s
    RETURNING id, since, pages
)
INSERT INTO crawl_runs (job_id, token, outcome, started_at, host, pid, pages, error_message, figures)
SELECT id, %(token)s, 'handed back', since, %(host)s, %(pid)s, pages, %(reason)s, %(figures)s
FROM ended

-- name: beat
-- The worker is alive, and holds its job for longer. A page that is just being committed has the row locked
-- and prolongs the lease itself: a heartbeat never waits for it.
WITH alive AS (
    INSERT INTO crawl_workers (id, host, pid, version)
    VALUES (%(worker)s, %(host)s, %(pid)s, %(version)s)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
), free AS (
    SELECT id FROM crawl_jobs
    WHERE id = %(id)s AND token = %(token)s AND worker_id = %(worker)s
    FOR NO KEY UPDATE SKIP LOCKED
), longer AS (
    UPDATE crawl_jobs AS j
    SET heartbeat_at = clock_timestamp(),
        lease_until = clock_timestamp() + %(lease_s)s::double precision * interval '1 s'
    FROM free
    WHERE j.id = free.id
)
SELECT EXISTS (SELECT FROM crawl_jobs
               WHERE id = %(id)s AND token = %(token)s AND worker_id = %(worker)s),
       (SELECT reason FROM crawl_pauses ORDER BY since LIMIT 1),
       (SELECT max(version) FROM redclust_migrations)

-- name: end_frozen
-- End the sessions of crawlers whose process has sent nothing for a lease in the middle of a COPY: while the server
-- waits for that none of its time limits counts, and the page would keep its job from everybody.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE 'redclust crawl%%'
  AND state = 'active' AND wait_event = 'ClientRead'
  AND query_start < clock_timestamp() - %(lease_s)s::double precision * interval '1 s'

-- name: rescue
-- Take jobs from workers that are silent, hang, or have had their time. A server that has just started gives
-- everybody time to come back. What a page transaction has locked is not stuck.
WITH stuck AS MATERIALIZED (
    SELECT id, token, started_at, host, pid, pages,
           CASE WHEN lease_until IS NULL THEN 'nobody holds it'
                WHEN GREATEST(lease_until, up.since + %(lease_s)s::double precision * interval '1 s') < now()
                    THEN 'no heartbeat for ' || round(extract(epoch FROM now() - heartbeat_at)) || ' s'
                WHEN deadline_at < now() THEN 'held for longer than one worker may'
                ELSE 'no committed page for ' || round(extract(epoch FROM now() - page_at) / 60, 1) || ' min'
           END AS why,
           lease_until IS NULL OR lease_until < now() AS silent
    FROM crawl_jobs, (SELECT pg_postmaster_start_time() AS since) AS up
    WHERE status = 'crawling'
      AND (lease_until IS NULL
           OR GREATEST(lease_until, up.since + %(lease_s)s::double precision * interval '1 s') < now()
           OR deadline_at < now()
           OR GREATEST(page_at, up.since) < now() - %(stuck_after_s)s::double precision * interval '1 s')
    LIMIT 1000
    FOR NO KEY UPDATE OF crawl_jobs SKIP LOCKED
), reset AS (
    UPDATE crawl_jobs AS j
    SET status = CASE WHEN j.attempts <= %(retries)s::integer THEN 'pending' ELSE 'failed' END,
        completed_at = CASE WHEN j.attempts <= %(retries)s::integer THEN NULL ELSE clock_timestamp() END,
        -- After a crash at once; what hangs is given some rest.
        run_at = CASE WHEN stuck.silent OR j.attempts > %(retries)s::integer THEN j.run_at ELSE clock_timestamp() + interval '1 s'
                 * LEAST(%(backoff_max_s)s::double precision, %(backoff_s)s::double precision * 2.0 ^ LEAST(30, GREATEST(0, j.attempts - 1)))
                 * (1 + %(jitter_ratio)s::double precision * (2 * random() - 1)) END,
        token = j.token + 1, error_message = stuck.why, started_at = NULL, worker_id = NULL, host = NULL,
        pid = NULL, heartbeat_at = NULL, lease_until = NULL, page_at = NULL, deadline_at = NULL
    FROM stuck
    WHERE j.id = stuck.id
    RETURNING j.id, j.subreddit_name, j.status, j.attempts
), written AS (
    INSERT INTO crawl_runs (job_id, token, outcome, started_at, host, pid, pages, error_message)
    SELECT id, token, 'reset', started_at, host, pid, pages, why FROM stuck
)
SELECT reset.subreddit_name, reset.status, reset.attempts, stuck.why, stuck.host, stuck.pid
FROM reset JOIN stuck USING (id)
ORDER BY reset.subreddit_name

-- name: release_all
-- Take every job from its worker, whoever that is: after a restore the leases in the copy are of another time.
WITH held AS MATERIALIZED (
    SELECT id, token, started_at, host, pid, pages FROM crawl_jobs WHERE status = 'crawling' FOR NO KEY UPDATE
), freed AS (
    UPDATE crawl_jobs AS j
    SET status = 'pending', token = j.token + 1, attempts = GREATEST(0, j.attempts - 1), started_at = NULL,
        worker_id = NULL, host = NULL, pid = NULL, heartbeat_at = NULL, lease_until = NULL, page_at = NULL,
        deadline_at = NULL
    FROM held
    WHERE j.id = held.id
)
INSERT INTO crawl_runs (job_id, token, outcome, started_at, host, pid, pages, error_message)
SELECT id, token, 'taken away', started_at, host, pid, pages, %(reason)s FROM held

-- name: forget_workers
-- Workers that were killed long ago.
DELETE FROM crawl_workers WHERE heartbeat_at < now() - interval '1 day'

-- name: leave
-- A worker that ends is no longer among the living.
DELETE FROM crawl_workers WHERE id = %(worker)s

-- name: pause
-- From now on nothing is claimed; a holder that pauses again changes the reason.
INSERT INTO crawl_pauses (holder, reason) VALUES (%(holder)s, %(reason)s)
ON CONFLICT (holder) DO UPDATE SET reason = excluded.reason

-- name: resume
-- One holder's pause ends.
DELETE FROM crawl_pauses WHERE holder = %(holder)s

-- name: pauses
-- Who holds the queue back, and why, the oldest first.
SELECT holder, reason, since FROM crawl_pauses ORDER BY since

-- name: schema_version
-- The newest migration that this database has.
SELECT max(version) FROM redclust_migrations

-- name: depth
-- What waits and may run, what waits for its time, what is being crawled, and when the next one may run.
SELECT count(*) FILTER (WHERE status = 'pending' AND run_at <= now()),
       count(*) FILTER (WHERE status = 'pending' AND run_at > now()),
       count(*) FILTER (WHERE status = 'crawling'),
       min(run_at) FILTER (WHERE status = 'pending')
FROM crawl_jobs
WHERE status IN ('pending', 'crawling')
