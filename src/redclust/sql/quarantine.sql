-- What was taken out of the tables, and putting it back.

-- name: begin_run
-- A clean begins to write.
INSERT INTO quarantine_runs (types, batch_rows) VALUES (%(types)s, %(batch_rows)s) RETURNING id

-- name: end_run
-- It came to its end; this commit makes all before it durable.
UPDATE quarantine_runs SET finished_at = clock_timestamp() WHERE id = %(id)s

-- name: forget_empty_runs
-- Runs that removed nothing, or of which nothing is left.
DELETE FROM quarantine_runs AS r
WHERE NOT EXISTS (SELECT FROM quarantine AS q WHERE q.run_id = r.id)

-- name: runs
-- Each run with what is left of it in the quarantine, the newest first.
SELECT r.id, r.started_at, r.finished_at, r.types, q.table_name, q.reason, q.removed, q.changed
FROM quarantine_runs AS r
LEFT JOIN (
    SELECT run_id, table_name, reason, count(*) FILTER (WHERE changed IS NULL) AS removed,
           count(changed) AS changed
    FROM quarantine GROUP BY run_id, table_name, reason
) AS q ON q.run_id = r.id
ORDER BY r.id DESC, q.table_name, q.reason

-- name: last_number
-- The number of a run's last row; NULL where nothing is left of it.
SELECT max(n) FROM quarantine WHERE run_id = %(run_id)s

-- name: kinds
-- What a stretch of a run holds, the last done first: table, the changed column or NULL, and the last number.
SELECT table_name, column_name, max(n)
FROM quarantine, LATERAL (SELECT (SELECT json_object_keys(changed)) AS column_name) AS c
WHERE run_id = %(run_id)s AND n BETWEEN %(first)s AND %(last)s
GROUP BY table_name, column_name
ORDER BY max(n) DESC

-- name: columns
-- The columns that a row had, but for those that Postgres makes of others.
SELECT key FROM quarantine, json_object_keys(content) AS key
WHERE run_id = %(run_id)s AND n = %(n)s
  AND NOT EXISTS (SELECT FROM pg_attribute
                  WHERE attrelid = to_regclass(table_name) AND attname = key AND attgenerated <> '')

-- name: numbers
-- The rows of one kind in a stretch, the last done first.
SELECT n FROM quarantine, LATERAL (SELECT (SELECT json_object_keys(changed)) AS column_name) AS c
WHERE run_id = %(run_id)s AND n BETWEEN %(first)s AND %(last)s AND table_name = %(table)s
  AND column_name IS NOT DISTINCT FROM %(column)s::text
ORDER BY n DESC

-- name: pass_by_keys
-- Rows that broke a foreign key go back as they were, too, where this role may pass the keys by.
SELECT set_config('session_replication_role', 'replica', true)

-- name: put_back
-- Removed rows into their table again, out of the quarantine.
WITH part AS (
    DELETE FROM quarantine
    WHERE run_id = %(run_id)s AND n BETWEEN %(first)s AND %(last)s AND table_name = %(table)s AND changed IS NULL
    RETURNING content
)
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM part, json_populate_record(NULL::{table}, content)

-- name: change_back
-- A changed column to what it was, where it still is as it was left; out of the quarantine.
WITH part AS (
    SELECT n, content, changed FROM quarantine
    WHERE run_id = %(run_id)s AND n BETWEEN %(first)s AND %(last)s AND table_name = %(table)s
      AND (SELECT json_object_keys(changed)) = %(column)s
), done AS (
    UPDATE {table} AS t SET {column} = was.{column}
    FROM part, json_populate_record(NULL::{table}, content) AS was,
         json_populate_record(was, changed) AS left_as
    WHERE ROW({key}) = ROW({left_key}) AND t.{column} IS NOT DISTINCT FROM left_as.{column}
    RETURNING part.n
)
DELETE FROM quarantine AS q USING done WHERE q.run_id = %(run_id)s AND q.n = done.n

-- name: runs_before
-- Which runs are older than a moment, how many rows of each are left, and how large they are.
SELECT r.id, r.started_at, count(q.n), COALESCE(sum(pg_column_size(q.content)), 0)::bigint
FROM quarantine_runs AS r LEFT JOIN quarantine AS q ON q.run_id = r.id
WHERE r.started_at < %(before)s
GROUP BY r.id ORDER BY r.id

-- name: drop_run
-- What was removed by this run is gone for good.
DELETE FROM quarantine WHERE run_id = %(run_id)s

-- name: vacuum_quarantine
-- Give the space back: nothing else would on a server that lives for one command.
VACUUM quarantine

-- name: rows_left
-- How many rows of a run are in the quarantine.
SELECT count(*) FROM quarantine WHERE run_id = %(run_id)s
