-- Restoring: what the live database has that a backup has not, how far a copy is, whether it is sound.

-- name: rows_in_hand
-- Rows that each session has loaded of the table it is loading.
SELECT pid, relid, tuples_processed
FROM pg_stat_progress_copy
WHERE datname = current_database()

-- name: indexes_in_hand
-- The tables whose indexes are being made.
SELECT DISTINCT c.relname
FROM pg_stat_progress_create_index AS p
JOIN pg_class AS c ON c.oid = p.relid
WHERE p.datname = current_database()
ORDER BY 1

-- name: has_tables
-- How many of these tables are here.
SELECT count(*) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname = ANY(%(tables)s::text[])

-- name: has_rows
-- Whether a table has a row.
SELECT EXISTS (SELECT FROM {table})

-- name: next_xid
-- No transaction that wrote anything has this number yet, or a later one.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint

-- name: history_writers
-- How many transactions have written rows of the history since a number.
SELECT count(DISTINCT h.xmin::text)
FROM run_history AS h
WHERE pg_snapshot_xmax(pg_current_snapshot())::text::bigint - age(h.xmin) >= %(since)s::bigint

-- name: since
-- What has happened here since a moment, each kind with how often and when last.
SELECT what, n, last_at FROM (
    SELECT 1 AS place, 'import' AS what, count(*) AS n, max(finished_at) AS last_at
    FROM import_files WHERE finished_at > %(at)s
    UNION ALL
    SELECT 2, 'crawl', count(*), max(finished_at) FROM crawl_runs WHERE finished_at > %(at)s
    UNION ALL
    SELECT 3, 'precalc', count(*), max(finished_at) FROM precalc_runs
    WHERE finished_at > %(at)s AND status = 'completed'
    UNION ALL
    SELECT 4, 'deletion', count(*), max(deleted_at) FROM tombstones WHERE deleted_at > %(at)s
) AS kinds
WHERE n > 0
ORDER BY place

-- name: extensions
-- Which of these extensions the server has in that or a newer version, and which this role may make.
SELECT w.name, max(v.version) IS NOT NULL,
       coalesce(bool_or(NOT v.superuser OR v.trusted
                        OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)), false)
FROM unnest(%(names)s::text[]) AS w (name)
LEFT JOIN pg_available_extension_versions AS v ON v.name = w.name
GROUP BY w.name
ORDER BY w.name

-- name: data_directory
-- Where the server keeps its files, where this role may know, and how much of its log it keeps at most.
SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'MEMBER') THEN current_setting('data_directory', true) END,
       pg_size_bytes(current_setting('max_wal_size'))

-- name: newest_migration
-- The version of the schema.
SELECT max(version) FROM redclust_migrations

-- name: indexes
-- Every index of the database's own that is in use; which of them amcheck can look into (B-trees), and whether
-- it is valid.
SELECT c.oid, format('%I.%I', n.nspname, c.relname), am.amname = 'btree', i.indisvalid AND i.indisready
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_am AS am ON am.oid = c.relam
WHERE c.relkind = 'i' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY 2

-- name: check_index
-- Whether an index is in order and has an entry for each row of its table.
SELECT {schema}.bt_index_check(%(index)s::oid::regclass, true)

-- name: unvalidated
-- Constraints that no longer hold for every row, or were never checked.
SELECT format('%I of %s', conname, conrelid::regclass)
FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0
ORDER BY 1

-- name: sequences
-- Every sequence that gives a column its numbers.
SELECT format('%I.%I', sn.nspname, s.relname), n.nspname, t.relname, a.attname,
       coalesce(ps.last_value, ps.start_value - ps.increment_by), ps.increment_by > 0
FROM pg_class AS s
JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
JOIN pg_sequences AS ps ON ps.schemaname = sn.nspname AND ps.sequencename = s.relname
WHERE s.relkind = 'S'
ORDER BY 1

-- name: greatest
-- The greatest number that a column has.
SELECT max({column}) FROM {table}
