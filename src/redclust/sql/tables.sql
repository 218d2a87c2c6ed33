-- Tables, their sizes and what the server counts about them.

-- name: tables
-- Tables with their figures, one or all; a size is NULL where asking for it would wait for a lock.
WITH locked AS (
    SELECT coalesce(i.indrelid, t.oid, l.relation) AS oid
    FROM pg_locks AS l
    LEFT JOIN pg_index AS i ON i.indexrelid = l.relation
    LEFT JOIN pg_class AS t ON t.reltoastrelid = coalesce(i.indrelid, l.relation)
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT c.oid::bigint, n.nspname, c.relname, n.nspname = 'pg_catalog',
       CASE WHEN current_setting('server_version_num')::integer >= 170000
            THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE pg_has_role(c.relowner, 'USAGE') END
       OR NOT c.relisshared
          AND pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'),
       CASE WHEN c.oid NOT IN (SELECT oid FROM locked) THEN pg_total_relation_size(c.oid) END,
       coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0),
       greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze),
       coalesce(s.vacuum_count, 0), coalesce(s.analyze_count, 0)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
  AND (n.nspname <> 'pg_catalog' OR %(catalogs)s)
  AND (c.oid = %(relation)s::oid OR %(relation)s::oid IS NULL)
ORDER BY n.nspname = 'pg_catalog', n.nspname <> 'public', n.nspname, c.relname

-- name: data_directory
-- Where the server keeps its data; only a monitoring role may know.
SELECT current_setting('data_directory')
