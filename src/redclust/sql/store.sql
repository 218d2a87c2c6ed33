-- Rows of dumps and of Reddit's pages into the base tables.
--
-- Lists of names come as one text, a line each: names hold no line ends, and a driver takes one text many
-- times faster than an array.
--
-- What wins where an id is there already is the same rule everywhere, and does not depend on the order in which
-- rows arrive: a seen post beats a placeholder; the later time wins, an absent one loses; at the same time the
-- greater content wins, names instead of surrogate ids, NULL as the greatest. A row's time is retrieved_at, or
-- when it was found unchanged after that (post_checks, comment_checks).

-- name: find_names
-- The ids of these subreddits or users, and how each is written here.
SELECT array_agg(n.name), array_agg(t.id), array_agg(t.name)
FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
JOIN {table} AS t ON lower(t.name) = lower(n.name)

-- name: add_names
-- Subreddits or users that were not known, in one order everywhere, so that two writers never wait in a ring.
WITH added AS (
    INSERT INTO {table} (name)
    SELECT n.name FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name) ORDER BY lower(n.name)
    ON CONFLICT DO NOTHING
    RETURNING name, id
)
SELECT array_agg(name), array_agg(id) FROM added

-- name: respell_names
-- Of several spellings the one that sorts first is kept, whichever came first.
UPDATE {table} AS t SET name = n.name
FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
WHERE lower(t.name) = lower(n.name) AND n.name COLLATE "C" < t.name COLLATE "C"

-- name: mark_bots
-- New accounts whose name says that they are bots.
UPDATE users SET bot_reason = 'name' WHERE id = ANY(%(ids)s::integer[])

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
    WHERE COALESCE(EXCLUDED.retrieved_at, '-infinity')
          > COALESCE(GREATEST(c.retrieved_at, (SELECT k.checked_at FROM comment_checks AS k WHERE k.id = c.id)),
                     '-infinity')
       OR (EXCLUDED.retrieved_at IS NOT DISTINCT FROM
           GREATEST(c.retrieved_at, (SELECT k.checked_at FROM comment_checks AS k WHERE k.id = c.id))
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
       OR COALESCE(EXCLUDED.retrieved_at, '-infinity')
          > COALESCE(GREATEST(p.retrieved_at, (SELECT k.checked_at FROM post_checks AS k WHERE k.id = p.id)),
                     '-infinity')
       OR (EXCLUDED.retrieved_at IS NOT DISTINCT FROM
           GREATEST(p.retrieved_at, (SELECT k.checked_at FROM post_checks AS k WHERE k.id = p.id))
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

-- name: pass_over_unchanged_comments
-- Staged comments that say what is stored already need no new row: when they were looked at is kept beside it.
WITH same AS (
    DELETE FROM staged_comments AS n USING comments AS c
    WHERE c.id = n.id
      AND ROW(c.post_id, c.parent_id, c.subreddit_id, c.author_id, c.score, c.created_at, c.body)
          IS NOT DISTINCT FROM
          ROW(n.post_id, n.parent_id, n.subreddit_id, n.author_id, n.score, n.created_at, n.body)
    RETURNING n.id, n.retrieved_at
)
INSERT INTO comment_checks AS k (id, checked_at)
SELECT id, max(retrieved_at) FROM same GROUP BY id ORDER BY id
ON CONFLICT (id) DO UPDATE SET checked_at = EXCLUDED.checked_at WHERE EXCLUDED.checked_at > k.checked_at

-- name: pass_over_unchanged_posts
-- Staged posts that say what is stored already need no new row: when they were looked at is kept beside it.
WITH same AS (
    DELETE FROM staged_posts AS n USING posts AS p
    WHERE p.id = n.id AND NOT p.placeholder
      AND ROW(p.subreddit_id, p.author_id, p.score, p.created_at, p.is_self, p.title, p.selftext, p.url, p.flair)
          IS NOT DISTINCT FROM
          ROW(n.subreddit_id, n.author_id, n.score, n.created_at, n.is_self, n.title, n.selftext, n.url, n.flair)
    RETURNING n.id, n.retrieved_at
)
INSERT INTO post_checks AS k (id, checked_at)
SELECT id, max(retrieved_at) FROM same GROUP BY id ORDER BY id
ON CONFLICT (id) DO UPDATE SET checked_at = EXCLUDED.checked_at WHERE EXCLUDED.checked_at > k.checked_at

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

-- name: clear_staged_comments
-- Room for the next batch.
TRUNCATE staged_comments

-- name: clear_staged_posts
-- Room for the next batch.
TRUNCATE staged_posts

-- name: clear_staged_interactions
-- Room for the next batch.
TRUNCATE staged_interactions

-- name: share_references
-- Until this transaction ends, nobody deletes a row whose id it has looked up.
SELECT pg_advisory_xact_lock_shared(%(class)s::integer, %(name)s::integer)

-- name: number_accounts
-- Reddit's numbers of accounts, where they are new; locked in one order.
WITH told AS (
    SELECT lower(name) AS name, min(number) AS number
    FROM unnest(%(names)s::text[], %(numbers)s::bigint[]) AS t (name, number) GROUP BY 1
), new AS (
    SELECT u.id, told.number
    FROM told JOIN users AS u ON lower(u.name) = told.name
    WHERE u.reddit_id IS DISTINCT FROM told.number
    ORDER BY u.id
    FOR NO KEY UPDATE OF u
)
UPDATE users AS u SET reddit_id = new.number FROM new WHERE u.id = new.id
