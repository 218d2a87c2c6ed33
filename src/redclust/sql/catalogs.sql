-- What the server's catalogs tell of keys, indexes, sequences and the schema.

-- name: foreign_keys
-- The foreign keys with their columns, the key of the table that has them, and whether all is as it should be.
SELECT c.conname, t.relname, r.relname,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (n, place)
             JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY place),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k (n, place)
             JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY place),
       ARRAY(SELECT a.attname::text FROM pg_constraint AS p, unnest(p.conkey) WITH ORDINALITY AS k (n, place)
             JOIN pg_attribute AS a ON true
             WHERE p.conrelid = c.conrelid AND p.contype = 'p' AND a.attrelid = p.conrelid AND a.attnum = k.n
             ORDER BY place)
FROM pg_constraint AS c
JOIN pg_class AS t ON t.oid = c.conrelid
JOIN pg_class AS r ON r.oid = c.confrelid
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND c.conparentid = 0
ORDER BY t.relname, c.conname

-- name: key_not_enforced
-- Constraints that do not hold for every row, or whose triggers are switched off. Through JSON, because older
-- servers have no constraints that are not enforced.
SELECT c.conname || ' of ' || t.relname || CASE WHEN NOT c.convalidated THEN ' (not valid)' ELSE ' (switched off)' END
       AS key
FROM pg_constraint AS c
JOIN pg_class AS t ON t.oid = c.conrelid
WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('c', 'f') AND t.relkind = 'r'
  AND (NOT c.convalidated OR to_jsonb(c) ->> 'conenforced' = 'false'
       OR EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgconstraint = c.oid AND g.tgenabled <> 'O'))

-- name: broken_constraints
-- The same, to be put right: constraint, table, and whether all that is lacking is a look at its rows.
SELECT c.conname, t.relname,
       COALESCE(to_jsonb(c) ->> 'conenforced', 'true') = 'true'
       AND NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgconstraint = c.oid AND g.tgenabled <> 'O')
FROM pg_constraint AS c
JOIN pg_class AS t ON t.oid = c.conrelid
WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('c', 'f') AND t.relkind = 'r'
  AND (NOT c.convalidated OR to_jsonb(c) ->> 'conenforced' = 'false'
       OR EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgconstraint = c.oid AND g.tgenabled <> 'O'))
ORDER BY t.relname, c.conname

-- name: index_invalid
-- Indexes that no query may use, or that are not kept up, and that nobody is building now; of TOAST tables too.
SELECT c.relname || ' of ' || COALESCE(o.relname, t.relname) AS key
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_class AS o ON o.reltoastrelid = t.oid
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
  AND COALESCE(o.relnamespace, t.relnamespace) = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid)

-- name: btrees
-- The B-trees of the application's tables and of their TOAST tables, with their tables and sizes.
SELECT c.oid::bigint, c.relname, COALESCE(o.relname, t.relname), pg_relation_size(c.oid)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS am ON am.oid = c.relam AND am.amname = 'btree'
JOIN pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_class AS o ON o.reltoastrelid = t.oid
WHERE COALESCE(o.relnamespace, t.relnamespace) = 'public'::regnamespace AND i.indisvalid AND i.indisready
  AND COALESCE(o.relpersistence, t.relpersistence) <> 't'
ORDER BY 3, 2

-- name: heaps
-- The application's tables and their sizes.
SELECT oid::bigint, relname, relname, pg_table_size(oid)
FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relpersistence <> 't'
ORDER BY relname

-- name: check_heap
-- What is wrong on the pages of a table and with its large values: the first of it, and how much.
SELECT min('block ' || blkno || COALESCE(', row ' || offnum, '') || ': ' || msg), count(*)
FROM {schema}.verify_heapam(%(relation)s::oid::regclass, check_toast := %(deep)s::boolean)

-- name: collation_drift
-- Collations whose order is another now than when indexes were built by it.
SELECT 'database: ' || datcollversion || ' is ' || COALESCE(pg_database_collation_actual_version(oid), 'unknown') || ' now'
       AS key
FROM pg_database
WHERE datname = current_database() AND datcollversion IS NOT NULL
  AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
UNION ALL
SELECT 'collation ' || c.collname || ': ' || c.collversion || ' is ' || COALESCE(pg_collation_actual_version(c.oid), 'unknown')
       || ' now'
FROM pg_collation AS c
WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
  AND EXISTS (
      SELECT FROM pg_attribute AS a JOIN pg_class AS t ON t.oid = a.attrelid
      WHERE a.attcollation = c.oid AND t.relnamespace = 'public'::regnamespace
  )

-- name: checksum_failures
-- How many pages of this database and of what all databases share have not had their checksum, since the server
-- counts; NULL where it has no checksums. And how many of them a repair has seen.
SELECT sum(s.checksum_failures)::bigint, max(s.checksum_last_failure),
       COALESCE((SELECT (r.figures ->> 'checksum_failures')::bigint FROM run_history AS r
                 WHERE r.verb = 'integrity.repair' AND r.figures ? 'checksum_failures'
                 ORDER BY r.id DESC LIMIT 1), 0)
FROM pg_stat_database AS s
WHERE s.datname = current_database() OR s.datid = 0

-- name: sequences
-- The sequences that number rows: sequence, table, column.
SELECT s.relname, t.relname, a.attname
FROM pg_class AS s
JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass
                   AND d.deptype IN ('a', 'i')
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
ORDER BY t.relname

-- name: sequence_state
-- The greatest number of a table's rows, and the next one that its sequence gives. The rows are of the snapshot,
-- the sequence is of now: it can only be further.
SELECT (SELECT max({column}) FROM {table}), CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM {sequence}

-- name: advance_sequence
-- Beyond every number that is there; never back.
SELECT setval(%(sequence)s::regclass, m.highest) FROM (SELECT max({column}) AS highest FROM {table}) AS m, {sequence}
WHERE m.highest >= CASE WHEN is_called THEN last_value + 1 ELSE last_value END

-- name: make_template_schema
-- Where the migrations are run once more, to be compared with; rolled back.
CREATE SCHEMA {schema}

-- name: use_schema
-- Names without a schema are of this one, until the transaction ends.
SELECT set_config('search_path', %(schema)s, true)

-- name: describe
-- Every table, column, constraint, index, trigger and function of a schema that is in the search path, as text that
-- makes it (a trigger with whether it fires).
SELECT 'table' AS kind, c.relname AS table_name, c.relname AS name, c.relpersistence::text AS definition
FROM pg_class AS c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'column', c.relname, a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), NULLIF(a.attidentity::text, ''))
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'constraint', c.relname, o.conname,
       regexp_replace(pg_get_constraintdef(o.oid, true), ' NOT (VALID|ENFORCED)', '', 'g')
FROM pg_class AS c
JOIN pg_constraint AS o ON o.conrelid = c.oid AND o.contype IN ('c', 'f', 'p', 'u', 'x')
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'index', t.relname, c.relname, pg_get_indexdef(i.indexrelid, 0, true)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
WHERE t.relnamespace = %(schema)s::regnamespace AND t.relkind = 'r'
  AND NOT EXISTS (SELECT FROM pg_constraint AS o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 'trigger', c.relname, g.tgname, replace(pg_get_triggerdef(g.oid, true), 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER') || ' ' || g.tgenabled::text
FROM pg_trigger AS g
JOIN pg_class AS c ON c.oid = g.tgrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND NOT g.tgisinternal
UNION ALL
SELECT 'function', p.proname, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
       replace(pg_get_functiondef(p.oid), quote_ident(%(schema)s::text) || '.', '')
FROM pg_proc AS p
WHERE p.pronamespace = %(schema)s::regnamespace AND p.prokind IN ('f', 'p')
ORDER BY 1, 2, 3

-- name: limit_lock_waits
-- How long a statement of this session waits for a lock.
SELECT set_config('lock_timeout', %(limit_ms)s::text, false)
