-- Rows of dumps into the base tables.
--
-- Lists of names come as one text, a line each: names hold no line ends, and a driver takes one text many
-- times faster than an array.
--
-- What wins where an id is there already is the same rule everywhere, and does not depend on the order of
-- files: a seen post beats a placeholder; the later retrieved_at wins, an absent one loses; at the same
-- time the greater content wins, names instead of surrogate ids, NULL as the greatest.

-- name: resolve_subreddits
-- The ids and written names of these subreddits, and how many are new; those not known yet are added, in one order everywhere, so that two writers never wait in a ring.
WITH asked AS (
    SELECT name FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
), found AS (
    SELECT n.name AS asked, s.id, s.name
    FROM asked AS n JOIN subreddits AS s ON lower(s.name) = lower(n.name)
), added AS (
    INSERT INTO subreddits (name)
    SELECT n.name
    FROM asked AS n
    WHERE NOT EXISTS (SELECT FROM found AS f WHERE f.asked = n.name)
    ORDER BY lower(n.name)
    ON CONFLICT DO NOTHING
    RETURNING name AS asked, id, name
)
SELECT array_agg(asked), array_agg(id), array_agg(name), (SELECT count(*) FROM added)
FROM (SELECT * FROM found UNION ALL SELECT * FROM added) AS known

-- name: respell_subreddits
-- Of several spellings the one that sorts first is kept, whichever file came first.
UPDATE subreddits AS s SET name = n.name
FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
WHERE lower(s.name) = lower(n.name) AND n.name COLLATE "C" < s.name COLLATE "C"

-- name: resolve_users
-- The ids and written names of these users, and how many are new; those not known yet are added, accounts whose name says so are marked as bots.
WITH asked AS (
    SELECT name FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
), found AS (
    SELECT n.name AS asked, u.id, u.name
    FROM asked AS n JOIN users AS u ON lower(u.name) = lower(n.name)
), added AS (
    INSERT INTO users (name, bot_reason)
    SELECT n.name,
           CASE WHEN lower(n.name) IN ('automoderator', 'autotldr', 'remindmebot', 'totesmessenger',
                                       'sneakpeekbot', 'imguralbumbot', 'gifreversingbot', 'savevideo',
                                       'vredditdownloader', 'repostsleuthbot', 'wikitextbot', 'haikubot-1911',
                                       'thesaurusbot')
                  OR lower(n.name) ~ '([_-]|auto|mod|moderator|reply|link|info|stats|tldr|image|video)bot$'
                THEN 'name' END
    FROM asked AS n
    WHERE NOT EXISTS (SELECT FROM found AS f WHERE f.asked = n.name)
    ORDER BY lower(n.name)
    ON CONFLICT DO NOTHING
    RETURNING name AS asked, id, name
)
SELECT array_agg(asked), array_agg(id), array_agg(name), (SELECT count(*) FROM added)
FROM (SELECT * FROM found UNION ALL SELECT * FROM added) AS known

-- name: respell_users
-- Of several spellings the one that sorts first is kept, whichever file came first.
UPDATE users AS u SET name = n.name
FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
WHERE lower(u.name) = lower(n.name) AND n.name COLLATE "C" < u.name COLLATE "C"

-- name: newest_comment
-- Comments with a greater id cannot be there yet.
SELECT COALESCE(max(id), -1) FROM comments

-- name: known_comments
-- Which of these comments are there already.
SELECT array_agg(id) FROM comments WHERE id = ANY(%(ids)s::bigint[])

-- name: newest_post
-- Posts with a greater id cannot be there yet.
SELECT COALESCE(max(id), -1) FROM posts

-- name: known_posts
-- Which of these posts are there already, as what, and where.
SELECT array_agg(id), array_agg(placeholder), array_agg(subreddit_id)
FROM posts WHERE id = ANY(%(ids)s::bigint[])

-- name: copy_comments
-- New comments, straight into the table.
COPY comments (id, post_id, parent_id, subreddit_id, author_id, score, created_at, retrieved_at, body)
FROM STDIN (FORMAT binary)

-- name: copy_posts
-- New posts, straight into the table.
COPY posts (id, subreddit_id, author_id, score, created_at, retrieved_at, is_self, title, selftext, url, flair)
FROM STDIN (FORMAT binary)

-- name: copy_placeholders
-- New placeholders, straight into the table.
COPY posts (id, subreddit_id, placeholder) FROM STDIN (FORMAT binary)

-- name: stage_comments
-- Where comments wait that may be there already; the round tells an id's several rows in one batch apart.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_comments (round integer, LIKE comments) ON COMMIT DELETE ROWS

-- name: copy_staged_comments
-- Comments that may be there already.
COPY staged_comments (id, post_id, parent_id, subreddit_id, author_id, score, created_at, retrieved_at, round, body)
FROM STDIN (FORMAT binary)

-- name: merge_comments
-- One round of staged comments into the table; how many were new and how many replaced an older row.
WITH merged AS (
    INSERT INTO comments AS c
        (id, post_id, parent_id, subreddit_id, author_id, score, created_at, retrieved_at, body)
    SELECT id, post_id, parent_id, subreddit_id, author_id, score, created_at, retrieved_at, body
    FROM staged_comments WHERE round = %(round)s ORDER BY id
    ON CONFLICT (id) DO UPDATE
    SET post_id = EXCLUDED.post_id, parent_id = EXCLUDED.parent_id, subreddit_id = EXCLUDED.subreddit_id,
        author_id = EXCLUDED.author_id, score = EXCLUDED.score, created_at = EXCLUDED.created_at,
        retrieved_at = EXCLUDED.retrieved_at, body = EXCLUDED.body
    WHERE COALESCE(EXCLUDED.retrieved_at, '-infinity') > COALESCE(c.retrieved_at, '-infinity')
       OR (EXCLUDED.retrieved_at IS NOT DISTINCT FROM c.retrieved_at
           AND (ROW(EXCLUDED.body, EXCLUDED.score, EXCLUDED.created_at, EXCLUDED.post_id, EXCLUDED.parent_id,
                    (SELECT lower(u.name) FROM users AS u WHERE u.id = EXCLUDED.author_id),
                    (SELECT lower(s.name) FROM subreddits AS s WHERE s.id = EXCLUDED.subreddit_id))::record
                > ROW(c.body, c.score, c.created_at, c.post_id, c.parent_id,
                      (SELECT lower(u.name) FROM users AS u WHERE u.id = c.author_id),
                      (SELECT lower(s.name) FROM subreddits AS s WHERE s.id = c.subreddit_id))::record))
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged

-- name: stage_posts
-- Where posts wait that may be there already.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_posts (round integer, LIKE posts) ON COMMIT DELETE ROWS

-- name: copy_staged_posts
-- Posts that may be there already.
COPY staged_posts (id, subreddit_id, author_id, score, created_at, retrieved_at, is_self, placeholder, round,
                   title, selftext, url, flair)
FROM STDIN (FORMAT binary)

-- name: merge_posts
-- One round of staged posts into the table; a placeholder gives way to what was seen.
WITH merged AS (
    INSERT INTO posts AS p
        (id, subreddit_id, author_id, score, created_at, retrieved_at, is_self, title, selftext, url, flair)
    SELECT id, subreddit_id, author_id, score, created_at, retrieved_at, is_self, title, selftext, url, flair
    FROM staged_posts WHERE round = %(round)s ORDER BY id
    ON CONFLICT (id) DO UPDATE
    SET subreddit_id = EXCLUDED.subreddit_id, author_id = EXCLUDED.author_id, score = EXCLUDED.score,
        created_at = EXCLUDED.created_at, retrieved_at = EXCLUDED.retrieved_at, is_self = EXCLUDED.is_self,
        title = EXCLUDED.title, selftext = EXCLUDED.selftext, url = EXCLUDED.url, flair = EXCLUDED.flair,
        placeholder = false
    WHERE p.placeholder
       OR COALESCE(EXCLUDED.retrieved_at, '-infinity') > COALESCE(p.retrieved_at, '-infinity')
       OR (EXCLUDED.retrieved_at IS NOT DISTINCT FROM p.retrieved_at
           AND (ROW(EXCLUDED.title, EXCLUDED.selftext, EXCLUDED.url, EXCLUDED.flair, EXCLUDED.score,
                    EXCLUDED.created_at, EXCLUDED.is_self,
                    (SELECT lower(u.name) FROM users AS u WHERE u.id = EXCLUDED.author_id),
                    (SELECT lower(s.name) FROM subreddits AS s WHERE s.id = EXCLUDED.subreddit_id))::record
                > ROW(p.title, p.selftext, p.url, p.flair, p.score, p.created_at, p.is_self,
                      (SELECT lower(u.name) FROM users AS u WHERE u.id = p.author_id),
                      (SELECT lower(s.name) FROM subreddits AS s WHERE s.id = p.subreddit_id))::record))
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged

-- name: merge_placeholders
-- Placeholders where some may be there already; of several subreddits the first by name is kept.
INSERT INTO posts AS p (id, subreddit_id, placeholder)
SELECT id, subreddit_id, true FROM staged_posts WHERE placeholder ORDER BY id
ON CONFLICT (id) DO UPDATE SET subreddit_id = EXCLUDED.subreddit_id
WHERE p.placeholder AND p.subreddit_id <> EXCLUDED.subreddit_id
  AND (SELECT lower(s.name) COLLATE "C" FROM subreddits AS s WHERE s.id = EXCLUDED.subreddit_id)
    < (SELECT lower(s.name) COLLATE "C" FROM subreddits AS s WHERE s.id = p.subreddit_id)

-- name: stage_interactions
-- Where the pairs of one batch wait.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_interactions
    (user_id integer NOT NULL, subreddit_id integer NOT NULL, n integer NOT NULL) ON COMMIT DELETE ROWS

-- name: copy_staged_interactions
-- The pairs of one batch.
COPY staged_interactions (user_id, subreddit_id, n) FROM STDIN (FORMAT binary)

-- name: merge_interactions
-- A pair counts once in a file; named twice, its greater number counts.
WITH merged AS (
    INSERT INTO imported_interactions AS i (file_id, user_id, subreddit_id, n)
    SELECT %(file_id)s, user_id, subreddit_id, max(n) FROM staged_interactions
    GROUP BY user_id, subreddit_id
    ON CONFLICT (file_id, user_id, subreddit_id) DO UPDATE SET n = EXCLUDED.n WHERE EXCLUDED.n > i.n
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged

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

-- name: clear_staged_comments
-- Room for the next batch.
TRUNCATE staged_comments

-- name: clear_staged_posts
-- Room for the next batch.
TRUNCATE staged_posts

-- name: clear_staged_interactions
-- Room for the next batch.
TRUNCATE staged_interactions

-- name: commit_without_waiting
-- This transaction's commit does not wait for the disk.
SET LOCAL synchronous_commit = off
