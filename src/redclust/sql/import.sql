-- Files of dumps: which are known, how far each is read, how it ended.

-- name: find_files
-- Earlier imports, with whatever filters, of files that begin like this one; a number tells them apart.
SELECT id, fingerprint, filters, kind, state, offset_bytes, line, crc32, read_bytes, rejects_path, rejects_bytes
FROM import_files
WHERE starts_with(fingerprint, %(fingerprint)s)
ORDER BY filters = %(filters)s DESC, id

-- name: begin_file
-- A file's import begins, or begins again from its start.
INSERT INTO import_files (fingerprint, filters, name, kind, state, rejects_path)
VALUES (%(fingerprint)s, %(filters)s, %(name)s, %(kind)s, 'running', %(rejects_path)s)
ON CONFLICT (fingerprint, filters) DO UPDATE
SET name = EXCLUDED.name, kind = EXCLUDED.kind, state = 'running', rejects_path = EXCLUDED.rejects_path,
    offset_bytes = 0, line = 0, crc32 = 0, read_bytes = 0, rows_read = 0, rows_filtered = 0, rows_rejected = 0,
    rejects_bytes = 0, started_at = now(), finished_at = NULL
RETURNING id

-- name: interactions_file
-- Under which file a CSV's pairs are counted: the first import of that content, whatever its filters.
SELECT min(id) FROM import_files WHERE fingerprint = %(fingerprint)s

-- name: checkpoint_file
-- How far a file is read, committed together with the rows read so far.
UPDATE import_files
SET offset_bytes = %(offset_bytes)s, line = %(line)s, crc32 = %(crc32)s, read_bytes = %(read_bytes)s,
    rows_read = rows_read + %(rows_read)s, rows_filtered = rows_filtered + %(rows_filtered)s,
    rows_rejected = rows_rejected + %(rows_rejected)s, rejects_bytes = %(rejects_bytes)s
WHERE id = %(id)s

-- name: end_file
-- How a file's import ended, with its counts over all its sessions; rejected rows make it partial.
UPDATE import_files
SET state = CASE WHEN %(state)s = 'complete' AND rows_rejected > 0 THEN 'partial' ELSE %(state)s END,
    finished_at = now()
WHERE id = %(id)s
RETURNING rows_read, rows_filtered, rows_rejected, state

-- name: analyze_imported
-- The planner's statistics after a bulk load.
ANALYZE subreddits, users, posts, comments, imported_interactions

-- name: commit_without_waiting
-- This transaction's commit does not wait for the disk.
SET LOCAL synchronous_commit = off
