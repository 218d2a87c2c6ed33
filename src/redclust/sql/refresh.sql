-- What is stored, looked at again: what is due, and what became of it. A thing was checked when it was retrieved,
-- or later when it was found unchanged. Placeholders say nothing that could be deleted, and what has a tombstone is
-- gone already.

-- name: room_to_sort
-- A chunk of what is due is sorted in memory.
SELECT set_config('work_mem', '64MB', false)

-- name: due_things
-- Posts and comments that were not checked since, the oldest check first; not those of subreddits that cannot
-- be read for now.
SELECT t.is_comment, t.id, COALESCE(extract(epoch FROM t.checked_at), 0)::double precision AS checked_s
FROM (
    SELECT false AS is_comment, p.id, p.subreddit_id, GREATEST(p.retrieved_at, k.checked_at) AS checked_at
    FROM posts AS p LEFT JOIN post_checks AS k USING (id)
    WHERE NOT p.placeholder
      AND NOT EXISTS (SELECT FROM tombstones AS d WHERE d.kind = 'post' AND d.thing_id = p.id)
    UNION ALL
    SELECT true, c.id, c.subreddit_id, GREATEST(c.retrieved_at, k.checked_at)
    FROM comments AS c LEFT JOIN comment_checks AS k USING (id)
    WHERE NOT EXISTS (SELECT FROM tombstones AS d WHERE d.kind = 'comment' AND d.thing_id = c.id)
) AS t
JOIN subreddits AS s ON s.id = t.subreddit_id AND COALESCE(s.next_check_at <= now(), true)
WHERE COALESCE(t.checked_at < %(before)s, true)
ORDER BY checked_s, t.is_comment, t.id
LIMIT %(limit)s

-- name: due_accounts
-- Accounts with a known number that were not checked since, the oldest check first.
SELECT u.id, u.reddit_id, COALESCE(extract(epoch FROM k.checked_at), 0)::double precision AS checked_s
FROM users AS u LEFT JOIN account_checks AS k ON k.user_id = u.id
WHERE u.reddit_id IS NOT NULL AND COALESCE(k.checked_at < %(before)s, true)
ORDER BY checked_s, u.id
LIMIT %(limit)s

-- name: outstanding
-- How many posts, comments and accounts were not checked since, how many accounts have no known number, and
-- the oldest check of a post or comment.
WITH things AS (
    SELECT 'post' AS kind, p.subreddit_id, GREATEST(p.retrieved_at, k.checked_at) AS checked_at
    FROM posts AS p LEFT JOIN post_checks AS k USING (id)
    WHERE NOT p.placeholder
      AND NOT EXISTS (SELECT FROM tombstones AS d WHERE d.kind = 'post' AND d.thing_id = p.id)
    UNION ALL
    SELECT 'comment', c.subreddit_id, GREATEST(c.retrieved_at, k.checked_at)
    FROM comments AS c LEFT JOIN comment_checks AS k USING (id)
    WHERE NOT EXISTS (SELECT FROM tombstones AS d WHERE d.kind = 'comment' AND d.thing_id = c.id)
), told AS (
    SELECT t.kind, t.checked_at, COALESCE(t.checked_at < %(before)s, true) AS due
    FROM things AS t
    JOIN subreddits AS s ON s.id = t.subreddit_id AND COALESCE(s.next_check_at <= now(), true)
)
SELECT count(*) FILTER (WHERE due AND kind = 'post'), count(*) FILTER (WHERE due AND kind = 'comment'),
    (SELECT count(*) FROM users AS u LEFT JOIN account_checks AS k ON k.user_id = u.id
     WHERE u.reddit_id IS NOT NULL AND COALESCE(k.checked_at < %(before)s, true)),
    (SELECT count(*) FROM users WHERE reddit_id IS NULL),
    min(checked_at)
FROM told

-- name: lost_posts
-- Authors, their number unknown, of posts here that Reddit shows without an author now.
SELECT DISTINCT u.id, u.name FROM posts AS p JOIN users AS u ON u.id = p.author_id
WHERE p.id = ANY(%(ids)s::bigint[]) AND u.reddit_id IS NULL

-- name: lost_comments
-- Authors, their number unknown, of comments here that Reddit shows without an author now.
SELECT DISTINCT u.id, u.name FROM comments AS c JOIN users AS u ON u.id = c.author_id
WHERE c.id = ANY(%(ids)s::bigint[]) AND u.reddit_id IS NULL

-- name: places_of_posts
-- The subreddits of these posts.
SELECT p.id, s.id, s.name FROM posts AS p JOIN subreddits AS s ON s.id = p.subreddit_id
WHERE p.id = ANY(%(ids)s::bigint[])

-- name: places_of_comments
-- The subreddits of these comments.
SELECT c.id, s.id, s.name FROM comments AS c JOIN subreddits AS s ON s.id = c.subreddit_id
WHERE c.id = ANY(%(ids)s::bigint[])

-- name: names_of
-- What these accounts are called here.
SELECT id, name FROM users WHERE id = ANY(%(ids)s::integer[])

-- name: check_accounts
-- These accounts were there.
INSERT INTO account_checks AS k (user_id, checked_at)
SELECT u.id, to_timestamp(%(seen_s)s::double precision) FROM users AS u WHERE u.id = ANY(%(ids)s::integer[])
ORDER BY u.id
ON CONFLICT (user_id) DO UPDATE SET checked_at = GREATEST(k.checked_at, EXCLUDED.checked_at)
