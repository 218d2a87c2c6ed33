-- Building indexes anew, and what runs that died have left of it.

-- name: indexes
-- The indexes of the application's tables and of their TOAST tables, with what stands against building them anew.
SELECT i.indexrelid::bigint, n.nspname, c.relname,
       CASE WHEN o.n = 'public' THEN o.relname ELSE o.n || '.' || o.relname END,
       i.indrelid::bigint, n.nspname = 'pg_toast', i.indisvalid, i.indisexclusion,
       CASE WHEN current_setting('server_version_num')::integer >= 170000
            THEN has_table_privilege(o.oid, 'MAINTAIN') ELSE pg_has_role(o.relowner, 'USAGE') END,
       has_schema_privilege(n.oid, 'USAGE'),
       CASE WHEN NOT EXISTS (
           SELECT FROM pg_locks AS l
           WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation = c.oid
             AND l.pid IS DISTINCT FROM pg_backend_pid()
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
       THEN pg_relation_size(c.oid) END
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN LATERAL (
    SELECT t.oid, t.relname, t.relowner, t.relpersistence, tn.nspname AS n
    FROM pg_class AS t
    JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
    WHERE t.oid = i.indrelid AND t.relkind IN ('r', 'm') OR t.reltoastrelid = i.indrelid
) AS o ON true
WHERE o.n NOT IN ('pg_catalog', 'information_schema') AND o.relpersistence <> 't' AND c.relkind = 'i'
ORDER BY o.n <> 'public', 4, n.nspname = 'pg_toast', c.relname

-- name: reindex_concurrently
-- Build an index anew beside its readers and writers.
REINDEX INDEX CONCURRENTLY {index}

-- name: reindex
-- Build an index anew; writers of its table wait, and so do readers that would use it.
REINDEX INDEX {index}

-- name: drop_leftover
-- Remove an invalid index beside the readers and writers of its table.
DROP INDEX CONCURRENTLY IF EXISTS {index}

-- name: progress
-- What the building of an index is at: its phase, and how much of it is done.
SELECT phase, greatest(blocks_done::double precision / nullif(blocks_total, 0),
                       tuples_done::double precision / nullif(tuples_total, 0))
FROM pg_stat_progress_create_index
WHERE pid = %(pid)s

-- name: check_index
-- Whether a B-tree is in order, and with heapallindexed whether each row of its table has its entry.
SELECT {schema}.bt_index_check(%(index)s::oid::regclass, %(heapallindexed)s::boolean)

-- name: index_state
-- Whether an index of this name may be used, its oid and size, and whether it is a B-tree.
SELECT c.oid::bigint, i.indisvalid AND i.indisready, pg_relation_size(c.oid), am.amname = 'btree'
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_index AS i ON i.indexrelid = c.oid
JOIN pg_am AS am ON am.oid = c.relam
WHERE n.nspname = %(schema)s AND c.relname = %(name)s

-- name: limit_lock_waits
-- How long a statement of this transaction may wait for a lock.
SELECT set_config('lock_timeout', %(limit_ms)s::text, true)
