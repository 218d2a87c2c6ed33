-- Vacuuming, and how far a vacuum is.

-- name: vacuum_analyze
-- Make the dead rows of a table reusable and count it anew; a table that is locked is passed by with a warning.
VACUUM (ANALYZE, SKIP_LOCKED) {table}

-- name: vacuum_analyze_waiting
-- The same where only an autovacuum is in the way: that one gives way to a waiting vacuum.
VACUUM (ANALYZE) {table}

-- name: progress
-- What the vacuum or analyze of a session is at, and how much of the table's blocks it has seen.
SELECT phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum WHERE pid = %(pid)s
UNION ALL
SELECT phase, sample_blks_scanned, sample_blks_total FROM pg_stat_progress_analyze WHERE pid = %(pid)s
UNION ALL
SELECT phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_cluster WHERE pid = %(pid)s
LIMIT 1

-- name: limit_lock_waits
-- How long a statement of this session may wait for a lock.
SELECT set_config('lock_timeout', %(limit_ms)s::text, false)

-- name: vacuum_full
-- Write a table and its indexes anew without dead rows and free space; everybody else waits until it is done.
VACUUM (FULL, ANALYZE) {table}

-- name: file_of_table
-- The number of a table's file, another one after it was written anew; and what may be logged of that.
SELECT c.relfilenode::bigint,
       CASE WHEN current_setting('wal_level') = 'minimal' THEN 0
            ELSE pg_size_bytes(current_setting('max_wal_size')) END
FROM pg_class AS c
WHERE c.oid = %(relation)s::oid
