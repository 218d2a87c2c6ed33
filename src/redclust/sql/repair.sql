-- Putting keys, indexes, sequences, jobs and collations right; no row is removed.

-- name: add_constraint
-- A constraint that holds for new rows at once; those that are there are looked at afterwards, without a lock.
ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID

-- name: replace_constraint
-- A constraint anew, with triggers that are switched on.
ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition} NOT VALID

-- name: validate_constraint
-- Look at every row; readers and writers go on.
ALTER TABLE {table} VALIDATE CONSTRAINT {name}

-- name: make_unique_index
-- The index of a key, beside readers and writers.
CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns}

-- name: key_of_index
-- That index becomes the key.
ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {name}

-- name: rename_index
-- The index that was built anew takes the place of the other.
ALTER INDEX {index} RENAME TO {new_name}

-- name: drop_index
-- One that is replaced in the same transaction.
DROP INDEX {index}

-- name: enable_trigger
-- Fire again.
ALTER TABLE {table} ENABLE TRIGGER {trigger}

-- name: invalid_indexes
-- Indexes that no query may use and nobody is building: as a person types their names.
SELECT c.relname
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_class AS o ON o.reltoastrelid = t.oid
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
  AND COALESCE(o.relnamespace, t.relnamespace) = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid)
ORDER BY c.relname

-- name: collated_indexes
-- Indexes whose order is that of a collation which sorts otherwise now.
SELECT c.relname
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
WHERE t.relnamespace = 'public'::regnamespace AND c.relkind = 'i'
  AND EXISTS (SELECT FROM unnest(i.indcollation) AS used JOIN pg_collation AS o ON o.oid = used
              WHERE o.collname = 'default' OR o.collversion IS DISTINCT FROM pg_collation_actual_version(o.oid))
ORDER BY c.relname

-- name: drifted_collations
-- Collations that columns use and that sort otherwise now, with their schemas.
SELECT n.nspname, c.collname
FROM pg_collation AS c
JOIN pg_namespace AS n ON n.oid = c.collnamespace
WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
  AND EXISTS (
      SELECT FROM pg_attribute AS a JOIN pg_class AS t ON t.oid = a.attrelid
      WHERE a.attcollation = c.oid AND t.relnamespace = 'public'::regnamespace
  )

-- name: refresh_database
-- From now on the database's own collation is known to be what indexes were built by.
ALTER DATABASE {database} REFRESH COLLATION VERSION

-- name: refresh_collation
-- The same of one collation.
ALTER COLLATION {collation} REFRESH VERSION

-- name: relation
-- A table's number.
SELECT %(table)s::regclass::oid::bigint

-- name: constraint_definition
-- What a constraint says.
SELECT regexp_replace(pg_get_constraintdef(o.oid, true), ' NOT (VALID|ENFORCED)', '', 'g')
FROM pg_constraint AS o JOIN pg_class AS t ON t.oid = o.conrelid
WHERE t.relnamespace = 'public'::regnamespace AND t.relname = %(table)s AND o.conname = %(name)s

-- name: mend_jobs
-- What the status says counts; the token becomes newer than every run, so that no old worker can write.
UPDATE crawl_jobs AS j
SET started_at = CASE WHEN j.status = 'crawling' THEN COALESCE(j.started_at, j.page_at, j.heartbeat_at, now())
                      ELSE LEAST(j.started_at, j.completed_at) END,
    completed_at = CASE WHEN j.status IN ('completed', 'failed') THEN COALESCE(j.completed_at, now()) END,
    worker_id = CASE WHEN j.status = 'crawling' THEN j.worker_id END,
    host = CASE WHEN j.status = 'crawling' THEN j.host END,
    pid = CASE WHEN j.status = 'crawling' THEN j.pid END,
    heartbeat_at = CASE WHEN j.status = 'crawling' THEN j.heartbeat_at END,
    lease_until = CASE WHEN j.status = 'crawling' THEN j.lease_until END,
    page_at = CASE WHEN j.status = 'crawling' THEN j.page_at END,
    deadline_at = CASE WHEN j.status = 'crawling' THEN j.deadline_at END,
    token = GREATEST(j.token, (SELECT max(r.token) + 1 FROM crawl_runs AS r WHERE r.job_id = j.id))
FROM ({found}) AS f
WHERE j.ctid = f.place
