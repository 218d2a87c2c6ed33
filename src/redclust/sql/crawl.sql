-- Crawling: what is known about subreddits, posts and authors beside their rows, and what is kept aside.

-- name: describe_subreddit
-- What Reddit says about a subreddit; it can be read, whatever was the matter before.
UPDATE subreddits
SET title = %(title)s, description = %(description)s, subscribers = %(subscribers)s,
    created_at = COALESCE(%(created_at)s::timestamptz, created_at),
    verdict = NULL, verdict_at = NULL, next_check_at = NULL
WHERE id = %(id)s
  AND ROW(title, description, subscribers, created_at, verdict, next_check_at)
      IS DISTINCT FROM
      ROW(%(title)s::text, %(description)s::text, %(subscribers)s::integer,
          COALESCE(%(created_at)s::timestamptz, created_at), NULL::text, NULL::timestamptz)

-- name: set_verdict
-- A subreddit cannot be read: why, since when, and when it is asked for again.
UPDATE subreddits
SET verdict_at = CASE WHEN verdict = %(verdict)s THEN verdict_at ELSE now() END, verdict = %(verdict)s,
    next_check_at = now() + %(recheck_after_s)s::double precision * interval '1 s'
WHERE id = %(id)s

-- name: new_reach
-- How far back the posts of a subreddit are known without a gap, by its newest crawl that came to its end.
SELECT figures ->> 'new_reach' FROM crawl_runs
WHERE job_id = %(job_id)s AND outcome = 'completed' AND verdict = 'ok'
ORDER BY token DESC LIMIT 1

-- name: seen_posts
-- Which of these posts have been seen themselves.
SELECT count(*) FROM posts WHERE id = ANY(%(ids)s::bigint[]) AND NOT placeholder

-- name: post_looks
-- The last looks at the comments of these posts.
SELECT id, num_comments, reach, cardinality(comment_ids) FROM post_looks WHERE id = ANY(%(ids)s::bigint[])

-- name: looked_at_comments
-- What the last looks at these posts brought.
SELECT id, comment_ids FROM post_looks WHERE id = ANY(%(ids)s::bigint[])

-- name: write_look
-- What a look at a post's comments brought.
INSERT INTO post_looks (id, num_comments, reach, comment_ids)
VALUES (%(id)s, %(num_comments)s, %(reach)s, %(comment_ids)s::bigint[])
ON CONFLICT (id) DO UPDATE
SET num_comments = EXCLUDED.num_comments, reach = EXCLUDED.reach, comment_ids = EXCLUDED.comment_ids

-- name: authors_to_ask
-- Authors of these posts, people who were not asked lately where else they are active, in the order of the posts.
SELECT array_agg(author_id ORDER BY place)
FROM (
    SELECT p.author_id, min(t.place) AS place
    FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS t (id, place)
    JOIN posts AS p ON p.id = t.id
    JOIN users AS u ON u.id = p.author_id AND u.bot_reason IS NULL
    WHERE NOT EXISTS (SELECT FROM author_looks AS l WHERE l.user_id = p.author_id
                      AND l.looked_at > now() - %(recheck_after_s)s::double precision * interval '1 s')
    GROUP BY p.author_id
) AS authors

-- name: author_name
-- What an author is called; no row where the account is gone.
SELECT name FROM users WHERE id = %(id)s

-- name: write_author_look
-- An author was asked.
INSERT INTO author_looks AS l (user_id) SELECT id FROM users WHERE id = %(id)s
ON CONFLICT (user_id) DO UPDATE SET looked_at = now()

-- name: keep_aside
-- Things that no row could be made of, each once.
INSERT INTO crawl_rejects (sha256, subreddit_name, kind, reason, raw)
SELECT DISTINCT ON (hash) hash, %(subreddit)s, kind, reason, raw
FROM (SELECT sha256(convert_to(raw, 'UTF8')) AS hash, kind, reason, raw
      FROM unnest(%(kinds)s::text[], %(reasons)s::text[], %(raws)s::text[]) AS r (kind, reason, raw)) AS hashed
ORDER BY hash
ON CONFLICT DO NOTHING

-- name: without_job
-- Which of these names, in lower case, have no job yet.
SELECT name FROM unnest(%(names)s::text[]) WITH ORDINALITY AS n (name, place)
WHERE NOT EXISTS (SELECT FROM crawl_jobs AS j WHERE lower(j.subreddit_name) = n.name)
ORDER BY place

-- name: jobs_now
-- Where these jobs stand, and what their newest run did; no name where a job is gone.
SELECT asked.id, j.subreddit_name, j.status, j.verdict, j.error_message, r.figures
FROM unnest(%(ids)s::integer[]) AS asked (id)
LEFT JOIN crawl_jobs AS j ON j.id = asked.id
LEFT JOIN LATERAL (
    SELECT figures FROM crawl_runs WHERE job_id = asked.id ORDER BY token DESC LIMIT 1
) AS r ON true

-- name: last_requests
-- What the newest crawl of each of these subreddits cost, in requests, that came to its end.
SELECT DISTINCT ON (j.id) lower(j.subreddit_name), (r.figures ->> 'requests')::integer
FROM crawl_jobs AS j
JOIN crawl_runs AS r ON r.job_id = j.id
WHERE lower(j.subreddit_name) = ANY(%(names)s::text[]) AND r.outcome = 'completed' AND r.figures ? 'requests'
ORDER BY j.id, r.token DESC

-- name: workers_now
-- Who is at work, and at what, those that beat last first.
SELECT w.host, w.pid, w.version, w.started_at, w.heartbeat_at, COALESCE(j.subreddit_name, ''), COALESCE(j.pages, 0)
FROM crawl_workers AS w
LEFT JOIN crawl_jobs AS j ON j.worker_id = w.id AND j.status = 'crawling'
ORDER BY w.heartbeat_at DESC, w.host, w.pid

-- name: count_jobs
-- How many jobs there are of each status.
SELECT status, count(*) FROM crawl_jobs GROUP BY status ORDER BY status

-- name: now
-- The time by the database's clock.
SELECT now()
