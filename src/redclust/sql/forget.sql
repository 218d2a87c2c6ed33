-- Forgetting a person: everywhere that a tombstone's erasure does not reach.

-- name: known_as
-- The account's numbers here, also those under which cleaned rows were kept, and how it is written.
SELECT array_agg(id), max(name)
FROM (
    SELECT id, name FROM users WHERE lower(name) = lower(%(name)s::text)
    UNION
    SELECT (content ->> 'id')::integer, content ->> 'name' FROM quarantine
    WHERE table_name = 'users' AND lower(content ->> 'name') = lower(%(name)s::text)
) AS known

-- name: mark_posts
-- What the account posted is gone, also where a later dump no longer says whose it was.
INSERT INTO tombstones (kind, thing_id, reason)
SELECT 'post', id, 'forgotten' FROM posts WHERE author_id = ANY(%(ids)s::integer[]) ORDER BY id
ON CONFLICT DO NOTHING

-- name: mark_comments
-- What the account commented is gone, likewise.
INSERT INTO tombstones (kind, thing_id, reason)
SELECT 'comment', id, 'forgotten' FROM comments WHERE author_id = ANY(%(ids)s::integer[]) ORDER BY id
ON CONFLICT DO NOTHING

-- name: count_rows
-- How many rows name the account.
SELECT (SELECT count(*) FROM posts WHERE author_id = ANY(%(ids)s::integer[])),
       (SELECT count(*) FROM comments WHERE author_id = ANY(%(ids)s::integer[])),
       (SELECT count(*) FROM imported_interactions WHERE user_id = ANY(%(ids)s::integer[])),
       (SELECT count(*) FROM graph_nodes WHERE type = 'user' AND lower(name) = lower(%(name)s::text))

-- name: purge_quarantine
-- Rows that cleaning took out: the account's own, and those that refer to it.
DELETE FROM quarantine
WHERE (table_name = 'users' AND lower(content ->> 'name') = lower(%(name)s::text))
   OR (table_name = 'graph_nodes' AND content ->> 'type' = 'user' AND lower(content ->> 'name') = lower(%(name)s::text))
   OR (table_name IN ('posts', 'comments') AND (content ->> 'author_id')::integer = ANY(%(ids)s::integer[]))
   OR (table_name IN ('imported_interactions', 'user_subreddit_activity')
       AND (content ->> 'user_id')::integer = ANY(%(ids)s::integer[]))
   OR (table_name = 'graph_links'
       AND ARRAY[content ->> 'source', content ->> 'target']
           && ARRAY(SELECT 'user_' || id FROM unnest(%(ids)s::integer[]) AS i (id)))

-- name: free_pages
-- What was erased leaves the pages of its table too.
VACUUM (ANALYZE) {table}
