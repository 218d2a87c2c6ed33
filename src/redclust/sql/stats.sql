-- How large everything is, how it is used, and how far from trouble.

-- name: sizes
-- The parts of each table in bytes: its main part, its TOAST table and its indexes; and the age of its oldest row.
SELECT c.oid::bigint, pg_table_size(c.oid) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
       coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0), pg_indexes_size(c.oid),
       greatest(c.reltuples, 0)::bigint, age(c.relfrozenxid)
FROM pg_class AS c
WHERE c.oid = ANY (%(relations)s::oid[])

-- name: index_sizes
-- Each index of these tables: its size and how often it was read.
SELECT i.indrelid::bigint, c.relname, pg_relation_size(c.oid), coalesce(pg_stat_get_numscans(c.oid), 0)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (%(relations)s::oid[])
ORDER BY i.indrelid, c.relname

-- name: placeholders
-- How many posts are placeholders, counted.
SELECT count(*) FROM posts WHERE placeholder

-- name: placeholder_ratio
-- Which share of the posts are placeholders, as the planner knows it.
SELECT coalesce((
    SELECT f FROM pg_stats, unnest(most_common_vals::text::boolean[], most_common_freqs) AS common (v, f)
    WHERE schemaname = 'public' AND tablename = 'posts' AND attname = 'placeholder' AND v), 0)

-- name: database_figures
-- The database as a whole: size, share of blocks found in memory, ages, and since when is counted.
SELECT pg_database_size(d.oid),
       s.blks_hit::double precision / nullif(s.blks_hit + s.blks_read, 0),
       age(d.datfrozenxid), mxid_age(d.datminmxid),
       current_setting('autovacuum_freeze_max_age')::bigint,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint,
       s.stats_reset, s.checksum_failures
FROM pg_database AS d
JOIN pg_stat_database AS s ON s.datid = d.oid
WHERE d.datname = current_database()
