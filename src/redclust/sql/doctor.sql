-- What takes room on the server's disk and need not.

-- name: quarantine_bytes
-- The quarantine with its indexes, where there is something in it.
SELECT CASE WHEN EXISTS (SELECT FROM quarantine) THEN pg_total_relation_size('quarantine') ELSE 0 END

-- name: slots
-- Replication slots that nobody reads, and the log of changes that is kept for each; nothing of a role that may
-- not know.
SELECT slot_name,
       greatest(0, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                        ELSE pg_current_wal_lsn() END, restart_lsn))::bigint
FROM pg_replication_slots
WHERE NOT active AND restart_lsn IS NOT NULL
ORDER BY 2 DESC

-- name: drop_slot
-- Give up what is kept for one replica.
SELECT pg_drop_replication_slot(%(name)s)

-- name: server
-- The server's version, its clock, and since when it runs.
SELECT current_setting('server_version'), clock_timestamp(), pg_postmaster_start_time()

-- name: outcomes
-- How crawls have ended within a time, and how many jobs stand as failed.
SELECT count(*) FILTER (WHERE outcome = 'completed'), count(*) FILTER (WHERE outcome = 'failed'),
       count(*) FILTER (WHERE outcome IN ('retry', 'reset')),
       (SELECT count(*) FROM crawl_jobs WHERE status = 'failed'),
       (SELECT count(*) FROM crawl_jobs)
FROM crawl_runs
WHERE finished_at > now() - %(within_s)s::double precision * interval '1 s'

-- name: waiting
-- Since when the oldest job that may run waits, and how many jobs have lost their worker or make no page.
SELECT min(run_at) FILTER (WHERE status = 'pending' AND run_at <= now()),
       count(*) FILTER (WHERE status = 'crawling'
                        AND (lease_until IS NULL OR lease_until < now()
                             OR page_at < now() - %(stuck_s)s::double precision * interval '1 s'))
FROM crawl_jobs
WHERE status IN ('pending', 'crawling')

-- name: data
-- Whether there is data at all, since when the newest of it is there, and whether there is a graph.
SELECT EXISTS (SELECT FROM subreddits), EXISTS (SELECT FROM graph_nodes),
       greatest((SELECT max(finished_at) FROM import_files WHERE rows_read > 0),
                (SELECT max(finished_at) FROM crawl_runs WHERE outcome = 'completed' AND pages > 0))

-- name: invalid_indexes
-- Indexes that no query may use: what a rebuild that died has left.
SELECT i.indexrelid::regclass::text
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1
