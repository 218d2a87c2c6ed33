-- What a backup records of a database, in the snapshot that its dump sees.

-- name: identity
-- Which database this is, wherever it is reached by.
SELECT system_identifier::text, current_database() FROM pg_control_system()

-- name: export_snapshot
-- What this transaction sees, for other sessions to see the same.
SELECT pg_export_snapshot()

-- name: moment
-- The instant of this transaction's snapshot: time, first transaction that is not in it, place in the WAL.
SELECT statement_timestamp(), pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text

-- name: tables
-- Every table that pg_dump takes rows from: size without indexes, rows as the planner guesses (-1: never
-- counted), whether this role may read it, and whether a row policy would hide rows from this role.
SELECT n.nspname, c.relname, pg_table_size(c.oid), c.relpersistence::text, c.reltuples::bigint, c.oid::bigint,
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
       row_security_active(c.oid)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname <> 'public', n.nspname, c.relname

-- name: unreadable_sequences
-- Sequences that this role may not read, which stops pg_dump.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\_%'
  -- The function must see sequences alone, in whatever order the conditions are looked at.
  AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT') ELSE false END
ORDER BY 1

-- name: extensions
-- The extensions with their versions; plpgsql is in every database.
SELECT e.extname, e.extversion, n.nspname
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql'
ORDER BY e.extname

-- name: newest_migration
-- The version of the schema.
SELECT max(version) FROM redclust_migrations

-- name: lint
-- What a dump would carry along silently, or a restore would stumble over: kind, what it is about, and
-- whether a restore would fail by it.
SELECT 'invalid index', format('%I.%I', n.nspname, c.relname), false
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname NOT LIKE 'pg\_%'
  -- One that is being built is invalid until it is done.
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid)
UNION ALL
SELECT 'constraint never validated', format('%I of %s', t.conname, t.conrelid::regclass), false
FROM pg_constraint AS t
WHERE NOT t.convalidated AND t.conrelid <> 0
UNION ALL
SELECT 'disabled trigger', format('%I of %s', g.tgname, g.tgrelid::regclass), false
FROM pg_trigger AS g
WHERE g.tgenabled = 'D' AND NOT g.tgisinternal
UNION ALL
SELECT 'foreign key whose trigger is disabled', format('of %s', g.tgrelid::regclass), false
FROM pg_trigger AS g
WHERE g.tgenabled = 'D' AND g.tgisinternal
GROUP BY g.tgrelid
UNION ALL
SELECT 'unlogged table, emptied by a crash', format('%I.%I', n.nspname, c.relname), false
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'u'
UNION ALL
SELECT 'materialized view without contents', format('%I.%I', n.nspname, c.relname), false
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND NOT c.relispopulated
UNION ALL
SELECT 'foreign table, whose rows lie elsewhere and are not in the backup',
       format('%I.%I', n.nspname, c.relname), false
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'f'
UNION ALL
SELECT 'collation library changed since the indexes were built',
       format('%s, now %s', d.datcollversion, pg_database_collation_actual_version(d.oid)), false
FROM pg_database AS d
WHERE d.datname = current_database() AND d.datcollversion <> pg_database_collation_actual_version(d.oid)
ORDER BY 1, 2

-- name: foreign_keys
-- The foreign keys that count as valid, with the tables and columns of both sides in order.
SELECT t.conname, rn.nspname, r.relname, fn.nspname, f.relname,
       ARRAY(SELECT a.attname::text FROM unnest(t.conkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = t.conrelid AND a.attnum = k.attnum ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM unnest(t.confkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = t.confrelid AND a.attnum = k.attnum ORDER BY k.place)
FROM pg_constraint AS t
JOIN pg_class AS r ON r.oid = t.conrelid
JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
JOIN pg_class AS f ON f.oid = t.confrelid
JOIN pg_namespace AS fn ON fn.oid = f.relnamespace
WHERE t.contype = 'f' AND t.convalidated AND t.conparentid = 0
ORDER BY t.conrelid::regclass::text, t.conname

-- name: count_orphans
-- Rows that name a row which is not there, though the key counts as valid: restoring them fails.
SELECT count(*) FROM {table} AS one
WHERE ({columns}) IS NOT NULL
  AND NOT EXISTS (SELECT FROM {parent} AS other WHERE ({key}) = ({columns}))

-- name: copying
-- How far this command's pg_dump is in each table that it copies at this moment.
SELECT p.relid::bigint, p.tuples_processed, p.bytes_processed
FROM pg_stat_progress_copy AS p
JOIN pg_stat_activity AS a USING (pid)
WHERE p.command = 'COPY TO' AND p.datname = current_database() AND a.application_name = %(application)s

-- name: lock_blockers
-- The sessions that hold a lock which keeps this command's pg_dump, or its counting, waiting.
SELECT DISTINCT b.pid, b.application_name, b.xact_start, l.relation::regclass::text
FROM pg_locks AS l
JOIN pg_stat_activity AS b ON b.pid = l.pid
WHERE l.granted AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND b.pid <> pg_backend_pid()
ORDER BY b.pid
