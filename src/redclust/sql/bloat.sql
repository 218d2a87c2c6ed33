-- Bytes that hold nothing: estimated from the catalog, confirmed by looking at the pages.

-- name: relations
-- Every table, TOAST table and B-tree with its size, its live rows and how full its pages should be.
SELECT c.oid::bigint, o.oid::bigint,
       CASE WHEN n.nspname = 'public' THEN o.relname ELSE n.nspname || '.' || o.relname END,
       CASE WHEN cn.nspname = 'public' THEN c.relname ELSE cn.nspname || '.' || c.relname END,
       CASE c.relkind WHEN 't' THEN 'toast' WHEN 'i' THEN 'index' ELSE 'table' END,
       pg_relation_size(c.oid),
       current_setting('block_size')::integer,
       CASE WHEN s.last_vacuum IS NULL AND s.last_autovacuum IS NULL
             AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL
            THEN CASE WHEN r.reltuples >= 0 THEN r.reltuples ELSE nullif(s.n_live_tup, 0) END
            -- Of a partial index its own share of the rows.
            WHEN c.relkind = 'i' AND i.indpred IS NOT NULL THEN c.reltuples
            ELSE s.n_live_tup END,
       coalesce(s.n_dead_tup, 0),
       coalesce((SELECT option_value::integer FROM pg_options_to_table(c.reloptions)
                 WHERE option_name = 'fillfactor'), CASE c.relkind WHEN 'i' THEN 90 ELSE 100 END) / 100.0::double precision,
       coalesce(i.indisunique, false)
FROM pg_class AS c
JOIN pg_namespace AS cn ON cn.oid = c.relnamespace
LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
JOIN pg_class AS r ON r.oid = coalesce(i.indrelid, c.oid)
JOIN pg_class AS o ON o.oid = r.oid AND r.relkind <> 't' OR o.reltoastrelid = r.oid
JOIN pg_namespace AS n ON n.oid = o.relnamespace
LEFT JOIN pg_am AS am ON am.oid = c.relam
LEFT JOIN pg_stat_all_tables AS s ON s.relid = r.oid
WHERE c.relkind IN ('r', 'm', 't', 'i') AND c.relpersistence <> 't' AND am.amname IN ('heap', 'btree')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND i.indisvalid IS NOT FALSE
  AND NOT EXISTS (
      SELECT FROM pg_locks AS l
      WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.relation IN (c.oid, r.oid, o.oid))
ORDER BY 3, c.relkind = 'i', c.relkind, 4

-- name: table_columns
-- What the planner knows of the columns of every table, in their order.
SELECT a.attrelid::bigint, a.attlen, a.attalign::text,
       CASE WHEN a.attlen > 0 THEN a.attlen ELSE s.avg_width END, coalesce(s.null_frac, 0),
       coalesce(s.n_distinct, -1)
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_stats AS s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY a.attrelid, a.attnum

-- name: index_columns
-- The same of the columns of every B-tree; an expression has statistics of its own.
SELECT i.indexrelid::bigint, a.attlen, a.attalign::text,
       CASE WHEN a.attlen > 0 THEN a.attlen ELSE coalesce(own.avg_width, s.avg_width) END,
       coalesce(own.null_frac, s.null_frac, 0), coalesce(own.n_distinct, s.n_distinct, -1)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = i.indexrelid AND a.attnum > 0
LEFT JOIN pg_attribute AS ta ON ta.attrelid = i.indrelid AND ta.attnum = i.indkey[a.attnum - 1] AND ta.attnum > 0
LEFT JOIN pg_stats AS s
       ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = ta.attname AND NOT s.inherited
LEFT JOIN pg_stats AS own
       ON own.schemaname = n.nspname AND own.tablename = c.relname AND own.attname = a.attname
WHERE t.relkind IN ('r', 'm', 't') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY i.indexrelid, a.attnum

-- name: confirm_table
-- Live, dead and free bytes of a table; pages that are visible to all are believed from the free space map.
SELECT table_len, scanned_percent, approx_tuple_count, approx_tuple_len, dead_tuple_len, approx_free_space
FROM {schema}.pgstattuple_approx(%(relation)s::oid::regclass)

-- name: confirm_index
-- The pages of a B-tree, and how full its leaves are (in percent).
SELECT index_size, internal_pages, leaf_pages, nullif(avg_leaf_density, 'NaN')
FROM {schema}.pgstatindex(%(relation)s::oid::regclass)

-- name: limit_time
-- How long the next statement may take.
SELECT set_config('statement_timeout', %(limit_ms)s::text, true)
