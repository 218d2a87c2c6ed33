-- What the use of the indexes suggests.

-- name: unused
-- Indexes that no scan was counted of, and since when was counted; constraints are there for another reason.
SELECT CASE WHEN n.nspname = 'public' THEN t.relname ELSE n.nspname || '.' || t.relname END,
       c.relname, pg_relation_size(c.oid),
       (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database())
FROM pg_stat_user_indexes AS s
JOIN pg_index AS i USING (indexrelid)
JOIN pg_class AS c ON c.oid = s.indexrelid
JOIN pg_class AS t ON t.oid = s.relid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE s.idx_scan = 0 AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident AND i.indisvalid
  AND t.relkind IN ('r', 'm') AND c.relpages::bigint * current_setting('block_size')::integer >= %(min_bytes)s::bigint
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
ORDER BY c.relpages DESC

-- name: duplicates
-- Of two indexes on the same columns in the same order and manner the one that is no constraint, or is newer.
SELECT CASE WHEN n.nspname = 'public' THEN t.relname ELSE n.nspname || '.' || t.relname END,
       c.relname, c.relpages::bigint * current_setting('block_size')::integer, k.relname,
       coalesce(pg_stat_get_numscans(c.oid), 0), coalesce(pg_stat_get_numscans(k.oid), 0)
FROM pg_index AS i
JOIN pg_index AS other ON other.indrelid = i.indrelid AND other.indexrelid <> i.indexrelid
 AND other.indnkeyatts = i.indnkeyatts
 AND (other.indkey::text, other.indclass::text, other.indcollation::text, other.indoption::text)
   = (i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text)
 -- Expressions and conditions as they are stored, without where they stood in their statement: to have them
 -- written out would wait for a table that somebody has locked.
 AND regexp_replace(concat(other.indexprs::text, ' ', other.indpred::text), ':location -?[0-9]+', '', 'g')
   = regexp_replace(concat(i.indexprs::text, ' ', i.indpred::text), ':location -?[0-9]+', '', 'g')
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS k ON k.oid = other.indexrelid AND k.relam = c.relam
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND i.indisvalid AND other.indisvalid
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
  AND (i.indisunique, -i.indexrelid::bigint) < (other.indisunique, -other.indexrelid::bigint)
ORDER BY 1, 2

-- name: missing
-- Foreign keys whose columns no index of the table begins with.
SELECT CASE WHEN n.nspname = 'public' THEN t.relname ELSE n.nspname || '.' || t.relname END,
       k.conname,
       (SELECT string_agg(attname, ', ' ORDER BY place)
        FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
        JOIN pg_attribute ON attrelid = k.conrelid AND attnum = number),
       k.confrelid::regclass::text, t.relpages::bigint * current_setting('block_size')::integer
FROM pg_constraint AS k
JOIN pg_class AS t ON t.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE k.contype = 'f' AND t.relpages::bigint * current_setting('block_size')::integer >= %(min_bytes)s::bigint
  AND NOT EXISTS (
      SELECT FROM pg_index AS i
      WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
        AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)
ORDER BY 1, 2
