-- The older system's tables, read as lines of JSON in the shape of dumps, so that one reader checks both.

-- name: tables
-- Which of its tables are there, and whether users have its column.
SELECT count(*) FILTER (WHERE table_name IN ('subreddits', 'users', 'posts', 'comments')),
       count(*) FILTER (WHERE table_name = 'redclust_migrations'),
       (SELECT count(*) FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = 'users' AND column_name = 'username')
FROM information_schema.tables
WHERE table_schema = 'public'

-- name: posts_bytes
-- About how much there is to read of posts.
SELECT pg_table_size('public.posts')

-- name: comments_bytes
-- About how much there is to read of comments.
SELECT pg_table_size('public.comments')

-- name: has_posts
-- Whether there is any post.
SELECT EXISTS (SELECT FROM posts)

-- name: has_comments
-- Whether there is any comment.
SELECT EXISTS (SELECT FROM comments)

-- name: snapshot
-- Everything is read as of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: posts
-- Its posts; JSON holds no raw control characters, so CSV with such ones as quote and delimiter adds nothing.
COPY (
    SELECT json_build_object(
        'id', p.id, 'subreddit', s.name, 'author', u.username, 'title', COALESCE(p.title, ''),
        'selftext', p.selftext, 'url', p.url, 'link_flair_text', p.flair, 'is_self', p.is_self,
        'score', p.score, 'created_utc', extract(epoch FROM p.created_at),
        'retrieved_on', extract(epoch FROM p.last_seen))::text
    FROM posts AS p
    JOIN subreddits AS s ON s.id = p.subreddit_id
    LEFT JOIN users AS u ON u.id = p.author_id
) TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')

-- name: comments
-- Its comments; it never read a comment's score (always 0), so none is brought over.
COPY (
    SELECT json_build_object(
        'id', c.id, 'subreddit', s.name, 'author', u.username, 'link_id', c.post_id,
        'parent_id', c.parent_id, 'body', COALESCE(c.body, ''),
        'created_utc', extract(epoch FROM c.created_at), 'retrieved_on', extract(epoch FROM c.last_seen))::text
    FROM comments AS c
    JOIN subreddits AS s ON s.id = c.subreddit_id
    LEFT JOIN users AS u ON u.id = c.author_id
) TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')

-- name: subreddits
-- Its subreddits, those that differ by case as one: the spelling that sorts first, the newest description.
SELECT DISTINCT ON (lower(name))
       min(name COLLATE "C") OVER (PARTITION BY lower(name)), title, description, subscribers, created_at
FROM subreddits
ORDER BY lower(name), last_seen DESC NULLS LAST

-- name: users
-- Its users, those that differ by case as one.
SELECT min(username COLLATE "C") FROM users
WHERE username NOT IN ('', '[deleted]', '[removed]')
GROUP BY lower(username)

-- name: jobs
-- Its crawl jobs in our words; one that was running there is waiting here, and normal priority is 1, not 0.
SELECT min(s.name COLLATE "C"),
       (array_agg(CASE j.status WHEN 'success' THEN 'completed' WHEN 'failed' THEN 'failed' ELSE 'pending' END
                  ORDER BY j.updated_at DESC, j.id DESC))[1],
       GREATEST(1, max(j.priority)), min(j.created_at),
       max(CASE WHEN j.status = 'success' THEN j.updated_at END)
FROM crawl_jobs AS j
JOIN subreddits AS s ON s.id = j.subreddit_id
GROUP BY lower(s.name)

-- name: has_jobs
-- Not every installation has crawl jobs.
SELECT to_regclass('public.crawl_jobs') IS NOT NULL

-- name: describe_subreddits
-- What the older system knew about subreddits, where nothing is known here.
UPDATE subreddits AS s
SET title = COALESCE(s.title, n.title), description = COALESCE(s.description, n.description),
    subscribers = COALESCE(s.subscribers, n.subscribers), created_at = COALESCE(s.created_at, n.created_at)
FROM unnest(%(names)s::text[], %(titles)s::text[], %(descriptions)s::text[], %(subscribers)s::integer[],
            %(created)s::timestamptz[]) AS n (name, title, description, subscribers, created_at)
WHERE lower(s.name) = lower(n.name)
  AND (s.title, s.description, s.subscribers, s.created_at)
      IS DISTINCT FROM (COALESCE(s.title, n.title), COALESCE(s.description, n.description),
                        COALESCE(s.subscribers, n.subscribers), COALESCE(s.created_at, n.created_at))

-- name: add_jobs
-- Jobs for subreddits that have none here.
INSERT INTO crawl_jobs (subreddit_name, status, priority, created_at, completed_at)
SELECT n.name, n.status, n.priority, n.created_at, n.completed_at
FROM unnest(%(names)s::text[], %(statuses)s::text[], %(priorities)s::integer[], %(created)s::timestamptz[],
            %(completed)s::timestamptz[]) AS n (name, status, priority, created_at, completed_at)
ON CONFLICT (lower(subreddit_name)) DO NOTHING
