-- What may be wrong with the data, row by row.
--
-- The queries that find rows give their place (ctid), their key as text, and for one of several that are the same
-- the place of the one that stays. {rows} are all rows of a table, or those that a batch is about. None of them
-- trusts an index: a check turns index scans off.

-- name: read_heaps
-- For this transaction: no index is asked, what is joined is hashed in memory, and both cores read.
SELECT set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('enable_nestloop', 'off', true),
       -- Parameters of some megabytes stay parameters instead of becoming text of the plan.
       set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
       -- Few rows are found; the planner fears that many have to be handed over.
       set_config('parallel_tuple_cost', '0', true), set_config('parallel_setup_cost', '0', true),
       set_config('work_mem', %(work_mem)s, true)

-- name: snapshot_at
-- The moment that a check looks at.
SELECT now()

-- name: name_moment
-- By which another session can look at the same moment.
SELECT pg_export_snapshot()

-- name: join_moment
-- Look at the moment of another session.
SET TRANSACTION SNAPSHOT {moment}

-- name: relation_pages
-- How large tables are, by name.
SELECT relname, greatest(1, pg_relation_size(oid) / current_setting('block_size')::integer)
FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace

-- name: stage_doomed
-- What one pass of a clean is about: found once, worked off by number; a later one is of a row that an
-- earlier step changes.
CREATE TEMPORARY TABLE doomed
    (step integer NOT NULL, n bigint NOT NULL, place tid NOT NULL, key text NOT NULL, other tid, later boolean NOT NULL)

-- name: sample
-- The first keys of what was found, each with the number of all.
SELECT key, count(*) OVER () FROM ({found}) AS f ORDER BY key LIMIT %(samples)s

-- name: dangling
-- Rows that name a row of another table which is not there.
SELECT t.ctid AS place, concat_ws(' ', {key}) AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE t.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} AS r WHERE r.id = t.{column})

-- name: dangling_by_set
-- The same where the ids of the other table are known as bits: of each page of them, from low to high, pages says
-- where its bits are.
SELECT t.ctid AS place, concat_ws(' ', {key}) AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE t.{column} IS NOT NULL
  AND CASE WHEN t.{column}::bigint >> 12 BETWEEN %(low)s::bigint AND %(high)s::bigint
           THEN get_bit(%(bits)s::bytea,
                        (%(pages)s::integer[])[((t.{column}::bigint >> 12) - %(low)s::bigint)::integer + 1]::bigint << 12
                        | (t.{column}::bigint & 4095))
           ELSE 0 END = 0

-- name: comment_subreddit_differs_by_set
-- The same where the subreddits of the posts are known, four bytes each, 0 for a post that is not there.
SELECT place, key, NULL::tid AS other
FROM (
    SELECT t.ctid AS place, t.id::text AS key, int4send(t.subreddit_id) AS own,
           substr(%(values)s::bytea,
                  CASE WHEN t.post_id >> 12 BETWEEN %(low)s::bigint AND %(high)s::bigint
                       THEN 4 * ((%(pages)s::integer[])[((t.post_id >> 12) - %(low)s::bigint)::integer + 1] << 12
                                 | (t.post_id & 4095)::integer)
                       ELSE 0 END + 1, 4) AS of_post
    FROM ({rows}) AS t
) AS t
WHERE of_post <> own AND of_post <> '\x00000000'

-- name: comments_looked_by_sets
-- Comments whose author or subreddit is not there, or whose post is not there or in another subreddit: in one pass,
-- where the ids are known as bits from 0 on, and the subreddits of the posts as above.
SELECT t.ctid AS place, t.id::text AS key, l.of_post = '\x00000000' AS no_post, l.no_subreddit, l.no_author,
       l.of_post <> '\x00000000' AND l.of_post <> int4send(t.subreddit_id) AS elsewhere
FROM comments AS t
CROSS JOIN LATERAL (
    SELECT CASE WHEN t.author_id BETWEEN 0 AND %(highest_user)s::integer
                THEN get_bit(%(users)s::bytea, t.author_id) = 0 ELSE t.author_id IS NOT NULL END AS no_author,
           CASE WHEN t.subreddit_id BETWEEN 0 AND %(highest_subreddit)s::integer
                THEN get_bit(%(subreddits)s::bytea, t.subreddit_id) = 0 ELSE true END AS no_subreddit,
           substr(%(values)s::bytea,
                  CASE WHEN t.post_id >> 12 BETWEEN %(low)s::bigint AND %(high)s::bigint
                       THEN 4 * ((%(pages)s::integer[])[((t.post_id >> 12) - %(low)s::bigint)::integer + 1] << 12
                                 | (t.post_id & 4095)::integer)
                       ELSE 0 END + 1, 4) AS of_post
) AS l
WHERE l.of_post <> int4send(t.subreddit_id) OR l.no_author OR l.no_subreddit

-- name: comments_looked_by_join
-- The same where the ids of posts are too far apart; a post may stand twice.
SELECT t.ctid AS place, t.id::text AS key, count(p.id) = 0 AS no_post, l.no_subreddit, l.no_author,
       COALESCE(bool_or(p.subreddit_id <> t.subreddit_id), false) AS elsewhere
FROM comments AS t
LEFT JOIN posts AS p ON p.id = t.post_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN t.author_id BETWEEN 0 AND %(highest_user)s::integer
                THEN get_bit(%(users)s::bytea, t.author_id) = 0 ELSE t.author_id IS NOT NULL END AS no_author,
           CASE WHEN t.subreddit_id BETWEEN 0 AND %(highest_subreddit)s::integer
                THEN get_bit(%(subreddits)s::bytea, t.subreddit_id) = 0 ELSE true END AS no_subreddit
) AS l
WHERE p.subreddit_id IS DISTINCT FROM t.subreddit_id OR l.no_author OR l.no_subreddit
GROUP BY t.ctid, t.id, l.no_subreddit, l.no_author

-- name: comments_told_apart
-- What was looked up, by the name of the check: the first keys, each with the number of all.
WITH looked AS MATERIALIZED ({looked})
(SELECT 'comment_post_missing' AS name, key, (SELECT count(*) FROM looked WHERE no_post) AS rows
 FROM looked WHERE no_post ORDER BY key LIMIT %(samples)s)
UNION ALL
(SELECT 'comment_subreddit_missing' AS name, key, (SELECT count(*) FROM looked WHERE no_subreddit) AS rows
 FROM looked WHERE no_subreddit ORDER BY key LIMIT %(samples)s)
UNION ALL
(SELECT 'comment_author_missing' AS name, key, (SELECT count(*) FROM looked WHERE no_author) AS rows
 FROM looked WHERE no_author ORDER BY key LIMIT %(samples)s)
UNION ALL
(SELECT 'comment_subreddit_differs' AS name, key, (SELECT count(*) FROM looked WHERE elsewhere) AS rows
 FROM looked WHERE elsewhere ORDER BY key LIMIT %(samples)s)

-- name: stage_wrong_comments
-- The same, kept until the end of this transaction for each step that mends some of them.
CREATE TEMPORARY TABLE wrong_comments ON COMMIT DROP AS {looked}

-- name: stage_sets
-- What is known of ids, where a statement that makes a table finds it: parameters of one become text of its plan,
-- which its processes write and read.
CREATE TEMPORARY TABLE IF NOT EXISTS known_ids
    (users bytea, subreddits bytea, posts bigint[], subreddits_of_posts bytea) ON COMMIT DROP

-- name: store_sets_plainly
-- Compressing them costs more than it saves.
ALTER TABLE known_ids
    ALTER users SET STORAGE EXTERNAL, ALTER subreddits SET STORAGE EXTERNAL, ALTER posts SET STORAGE EXTERNAL,
    ALTER subreddits_of_posts SET STORAGE EXTERNAL

-- name: fill_sets
-- Each set once.
INSERT INTO known_ids
VALUES (%(users)s::bytea, %(subreddits)s::bytea, %(posts)s::bigint[], %(values)s::bytea)

-- name: stage_wrong_comments_by_sets
-- The same by those. An id beyond all that are there is an error.
CREATE TEMPORARY TABLE IF NOT EXISTS wrong_comments ON COMMIT DROP AS
SELECT t.ctid AS place, t.id::text AS key, COALESCE(l.of_post = '\x00000000', true) AS no_post, l.no_subreddit,
       COALESCE(l.no_author, false) AS no_author,
       COALESCE(l.of_post <> '\x00000000' AND l.of_post <> int4send(t.subreddit_id), false) AS elsewhere
FROM comments AS t
CROSS JOIN LATERAL (
    -- What is added is nothing: what is taken from a table else stays out of line, and is fetched for each row.
    SELECT substr((SELECT subreddits_of_posts || ''::bytea FROM known_ids),
                  ((SELECT posts || '{}'::bigint[] FROM known_ids)[(t.post_id >> 12)::integer]
                   + ((t.post_id & 4095) << 2))::integer, 4) AS of_post,
           get_bit((SELECT users || ''::bytea FROM known_ids), t.author_id) = 0 AS no_author,
           get_bit((SELECT subreddits || ''::bytea FROM known_ids), t.subreddit_id) = 0 AS no_subreddit
) AS l
WHERE l.of_post IS DISTINCT FROM int4send(t.subreddit_id) OR l.no_author OR l.no_subreddit

-- name: wrong_comments
-- Those with one fault.
SELECT place, key, NULL::tid AS other FROM wrong_comments WHERE {fault}

-- name: looks_block
-- The comments that crawls have seen under the posts of some pages, packed: after 4 bytes 8 of the id.
SELECT string_agg(substr(array_send(comment_ids), 21), ''::bytea) FROM post_looks
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: pages_of
-- How many pages a table has.
SELECT pg_relation_size(%(table)s::regclass) / current_setting('block_size')::integer

-- name: ids_block
-- The ids on some pages of a table, packed: 8 bytes each.
SELECT string_agg(int8send(id), ''::bytea) FROM {table}
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: posts_block
-- The posts on some pages, packed: 8 bytes of the id, 4 of the subreddit.
SELECT string_agg(int8send(id) || int4send(subreddit_id), ''::bytea) FROM posts
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: sum_seen
-- How many comments crawls have seen, a sum over their ids, and how many comments there are about.
SELECT count(*), sum((id & 1048575 | 1) * (id + 1)),
       (SELECT reltuples FROM pg_class WHERE oid = 'comments'::regclass)
FROM (SELECT unnest(comment_ids) AS id FROM post_looks) AS t

-- name: comments_counted
-- In one pass: how many comments name something that is not there or are in another subreddit than their post,
-- how many there are, and a sum over the ids of those that were seen, of all where seen is NULL. An id beyond all
-- that are there is an error.
SELECT count(*) FILTER (WHERE substr(%(values)s::bytea,
                                     ((%(posts)s::bigint[])[(t.post_id >> 12)::integer]
                                      + ((t.post_id & 4095) << 2))::integer, 4)
                              IS DISTINCT FROM int4send(t.subreddit_id)
                           OR get_bit(%(users)s::bytea, t.author_id) = 0
                           OR get_bit(%(subreddits)s::bytea, t.subreddit_id) = 0),
       count(*),
       sum((t.id & 1048575 | 1) * (t.id + 1))
           FILTER (WHERE %(seen)s::bytea IS NULL
                      OR get_bit(%(seen)s::bytea,
                                 (%(seen_pages)s::bigint[])[(t.id >> 12)::integer] + (t.id & 4095)) = 1)
FROM comments AS t

-- name: sum_comments
-- How many comments there are, and the same sum.
SELECT count(*),
       sum((t.id & 1048575 | 1) * (t.id + 1))
           FILTER (WHERE %(seen)s::bytea IS NULL
                      OR get_bit(%(seen)s::bytea,
                                 (%(seen_pages)s::bigint[])[(t.id >> 12)::integer] + (t.id & 4095)) = 1)
FROM comments AS t

-- name: bereft
-- Rows that name a row which an earlier step takes away.
SELECT t.ctid AS place, concat_ws(' ', {key}) AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE t.{column} IN (
    SELECT r.id FROM doomed AS d JOIN {parent} AS r ON r.ctid = d.place
    WHERE d.step = ANY (%(steps)s::integer[]) AND d.other IS NULL
)

-- name: comment_parent_missing
-- Comments that answer, themselves or through others, one that a crawl has seen under the same post and that is
-- gone. Whether any other should be there nobody knows: a dump begins and ends somewhere.
WITH RECURSIVE gone AS (
    SELECT seen.id
    FROM post_looks AS l, unnest(l.comment_ids) AS seen (id)
    WHERE NOT EXISTS (SELECT FROM comments AS c WHERE c.id = seen.id)
), lost AS (
    SELECT t.ctid AS place, t.id FROM ({rows}) AS t JOIN gone AS g ON g.id = t.parent_id
    UNION
    SELECT t.ctid, t.id FROM lost AS l JOIN comments AS t ON t.parent_id = l.id
)
SELECT place, id::text AS key, NULL::tid AS other FROM lost

-- name: comment_subreddit_differs
-- Comments that are in another subreddit than their post.
SELECT t.ctid AS place, t.id::text AS key, NULL::tid AS other
FROM ({rows}) AS t JOIN posts AS p ON p.id = t.post_id
WHERE t.subreddit_id <> p.subreddit_id

-- name: graph_node_source_missing
-- Nodes of subreddits, users, posts and comments that are not there.
SELECT t.ctid AS place, t.id AS key, NULL::tid AS other
FROM (
    SELECT n.ctid, n.id, n.type,
           CASE WHEN n.id ~ '^(subreddit|user)_[0-9]{{1,10}}$' THEN split_part(n.id, '_', 2)::bigint
                WHEN n.id ~ '^(post|comment)_[0-9a-z]{{1,12}}$' THEN reddit_number(split_part(n.id, '_', 2))
           END AS number
    FROM ({rows}) AS n
) AS t
LEFT JOIN subreddits AS s ON s.id = t.number AND t.type = 'subreddit' AND t.id = 'subreddit_' || s.id
LEFT JOIN users AS u ON u.id = t.number AND t.type = 'user' AND t.id = 'user_' || u.id
LEFT JOIN posts AS p ON p.id = t.number AND t.type = 'post' AND t.id = 'post_' || reddit_id(p.id)
LEFT JOIN comments AS c ON c.id = t.number AND t.type = 'comment' AND t.id = 'comment_' || reddit_id(c.id)
WHERE s.id IS NULL AND u.id IS NULL AND p.id IS NULL AND c.id IS NULL

-- name: foreign_key_broken
-- Rows that name, by a foreign key, a row that is not there: a key that is marked valid is not always.
SELECT t.ctid AS place, concat_ws(' ', {key}) AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE ROW({ours}) IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} AS r WHERE ROW({theirs}) = ROW({ours}))

-- name: relationship_one_way
-- Relationships that the other direction lacks, or has with other numbers.
SELECT t.ctid AS place, concat_ws(' ', t.source_subreddit_id, t.target_subreddit_id) AS key, NULL::tid AS other
FROM ({rows}) AS t
LEFT JOIN subreddit_relationships AS b
       ON b.source_subreddit_id = t.target_subreddit_id AND b.target_subreddit_id = t.source_subreddit_id
WHERE (b.overlap_count, b.weight) IS DISTINCT FROM (t.overlap_count, t.weight)

-- name: graph_link_backwards
-- Links whose first end is not the lesser one: the same link may stand twice so.
SELECT t.ctid AS place, concat_ws(' ', t.source, t.target) AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE t.source COLLATE "C" >= t.target COLLATE "C"

-- name: job_stuck
-- Jobs that are being crawled by nobody who shows a sign of life; as the queue itself tells it. A server that has
-- just started gives everybody time to come back.
SELECT t.ctid AS place, t.subreddit_name AS key, NULL::tid AS other
FROM ({rows}) AS t, (SELECT pg_postmaster_start_time() AS since) AS up
WHERE t.status = 'crawling'
  AND (t.lease_until IS NULL
       OR GREATEST(t.lease_until, up.since + %(lease_s)s::double precision * interval '1 s') < now()
       OR t.deadline_at < now()
       OR GREATEST(t.page_at, up.since) < now() - %(stuck_after_s)s::double precision * interval '1 s')

-- name: job_impossible
-- Jobs in a state that no command and no UPDATE of their status leaves behind.
SELECT t.ctid AS place, t.subreddit_name AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE (t.status = 'crawling' AND t.started_at IS NULL)
   OR (t.status <> 'crawling' AND (t.worker_id IS NOT NULL OR t.lease_until IS NOT NULL))
   OR (t.status IN ('completed', 'failed')) <> (t.completed_at IS NOT NULL)
   OR t.completed_at < t.started_at
   OR t.token <= (SELECT max(r.token) FROM crawl_runs AS r WHERE r.job_id = t.id)

-- name: marks
-- By which transactions the activity that is shown can be judged: the run, whether its graph is the one that is
-- shown, the oldest transaction that its snapshot did not see, the first that came after its swap, the swap itself,
-- and the next one now. Nothing in a copy made by dump and restore: transactions are others there.
SELECT m.run_id, m.run_id = (SELECT max(id) FROM precalc_runs WHERE status = 'completed'),
       pg_snapshot_xmin(m.source_snapshot)::text::bigint, pg_snapshot_xmax(m.swap_snapshot)::text::bigint,
       m.swap_xid::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       r.usual, COALESCE(NULLIF(r.small, 0), r.usual)
FROM precalc_marks AS m
LEFT JOIN (SELECT id, (figures ->> 'min_shared_users')::integer AS usual,
                  (figures ->> 'min_shared_users_small')::integer AS small FROM precalc_runs) AS r ON r.id = m.run_id
WHERE m.xmin = m.swap_xid::xid

-- name: activity_differs
-- Activity that is less than what was there before its snapshot and is still there unchanged, or more than all
-- that is there and written by somebody else since: how many, the first of them, and how many only are of another
-- time. What is newer than the oldest transaction of that moment may have been seen or not.
WITH sources AS (
    SELECT author_id AS user_id, subreddit_id, 1 AS n, xmin::text::bigint AS xid
    FROM posts WHERE NOT placeholder AND author_id IS NOT NULL
    UNION ALL
    SELECT author_id, subreddit_id, 1, xmin::text::bigint FROM comments WHERE author_id IS NOT NULL
    UNION ALL
    SELECT user_id, subreddit_id, n, xmin::text::bigint FROM imported_interactions
), counted AS (
    SELECT user_id, subreddit_id, sum(n) AS most,
           sum(n) FILTER (WHERE %(epoch)s::bigint + xid
                                - CASE WHEN %(epoch)s::bigint + xid >= %(now)s::bigint THEN 4294967296 ELSE 0 END
                                < %(seen_before)s::bigint) AS least
    FROM sources GROUP BY user_id, subreddit_id
), compared AS (
    SELECT user_id, subreddit_id, COALESCE(a.activity_count, 0) AS stored, COALESCE(c.most, 0) AS most,
           COALESCE(c.least, 0) AS least,
           %(epoch)s::bigint + a.xid
           - CASE WHEN %(epoch)s::bigint + a.xid >= %(now)s::bigint THEN 4294967296 ELSE 0 END AS xid
    FROM counted AS c
    FULL JOIN (SELECT *, xmin::text::bigint AS xid FROM user_subreddit_activity) AS a USING (user_id, subreddit_id)
    WHERE a.activity_count IS DISTINCT FROM c.most
), judged AS (
    SELECT c.*,
           (stored < least AND u.known AND s.known)
           OR (stored > most AND xid >= %(written_from)s::bigint AND xid <> %(swap)s::bigint) AS is_wrong
    FROM compared AS c
    -- An account or subreddit that came back since was not there to be counted.
    LEFT JOIN (SELECT id, %(epoch)s::bigint + xmin::text::bigint
                          - CASE WHEN %(epoch)s::bigint + xmin::text::bigint >= %(now)s::bigint THEN 4294967296 ELSE 0 END
                          < %(seen_before)s::bigint AS known FROM users) AS u ON u.id = c.user_id
    LEFT JOIN (SELECT id, %(epoch)s::bigint + xmin::text::bigint
                          - CASE WHEN %(epoch)s::bigint + xmin::text::bigint >= %(now)s::bigint THEN 4294967296 ELSE 0 END
                          < %(seen_before)s::bigint AS known FROM subreddits) AS s ON s.id = c.subreddit_id
)
SELECT count(*) FILTER (WHERE is_wrong), count(*) FILTER (WHERE is_wrong IS NOT TRUE),
       (SELECT array_agg(key) FROM (
           SELECT concat_ws(' ', 'user', user_id, 'in subreddit', subreddit_id, 'has', stored, 'of', most) AS key
           FROM judged WHERE is_wrong ORDER BY user_id, subreddit_id LIMIT %(samples)s
       ) AS first)
FROM judged

-- name: people
-- The users of the graph that is shown, packed.
SELECT string_agg(int4send(substr(id, 6)::integer), ''::bytea)
FROM graph_nodes WHERE type = 'user' AND id ~ '^user_[0-9]{1,9}$'

-- name: memberships_block
-- Who is active where, on some pages of the activity, packed: user and subreddit, 4 bytes each.
SELECT string_agg(int4send(user_id) || int4send(subreddit_id), ''::bytea) FROM user_subreddit_activity
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: relationships_block
-- The relationships on some pages, packed: both subreddits and the users shared, 4 bytes each, and 1 for a row that
-- somebody else than the swap has written since.
SELECT string_agg(int4send(source_subreddit_id) || int4send(target_subreddit_id) || int4send(overlap_count)
                  || int4send(CASE WHEN xid >= %(written_from)s::bigint AND xid <> %(swap)s::bigint THEN 1 ELSE 0 END),
                  ''::bytea)
FROM (
    SELECT r.*, %(epoch)s::bigint + xmin::text::bigint
                - CASE WHEN %(epoch)s::bigint + xmin::text::bigint >= %(now)s::bigint THEN 4294967296 ELSE 0 END AS xid
    FROM subreddit_relationships AS r
    WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid
) AS r

-- name: repeated
-- Rows whose key another row has too, without the one that stays: a seen post before a placeholder, then the
-- latest retrieved, then the first. Through JSON, because not every table has these columns.
SELECT place, key, other
FROM (
    SELECT t.ctid AS place, concat_ws(' ', {key}) AS key, first_value(t.ctid) OVER same AS other,
           row_number() OVER same AS nth
    FROM {table} AS t
    WHERE ({columns}) IN (SELECT {columns} FROM {table} GROUP BY {columns} HAVING count(*) > 1)
    WINDOW same AS (PARTITION BY {columns} ORDER BY to_jsonb(t) ->> 'placeholder',
                    to_jsonb(t) ->> 'retrieved_at' DESC NULLS LAST, t.ctid)
) AS r
WHERE nth > 1

-- name: repeated_still
-- Of a batch of repeated rows those whose other one is still there.
SELECT d.place, d.key, d.other
FROM doomed AS d
JOIN (SELECT ctid AS place, concat_ws(' ', {key}) AS key FROM {table}) AS t ON t.place = d.place AND t.key = d.key
JOIN (SELECT ctid AS place, concat_ws(' ', {key}) AS key FROM {table}) AS o ON o.place = d.other AND o.key = d.key
WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later

-- name: batch
-- The rows of a batch, by their places.
SELECT t.ctid, t.* FROM {table} AS t
WHERE t.ctid = ANY (ARRAY(
    SELECT d.place FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
))

-- name: stage_found
-- What one step is about, found by as many processes as the server gives.
CREATE TEMPORARY TABLE found_rows AS SELECT place, key, other FROM ({found}) AS f

-- name: found_rows
-- What that was.
SELECT place, key, other FROM found_rows

-- name: doom
-- Number what a step has found, as it was read: by stretches of pages. What an earlier step removes is not found twice;
-- what an earlier step only changes waits for the next pass. With only, nothing but these keys.
INSERT INTO doomed (step, n, place, key, other, later)
SELECT %(step)s, row_number() OVER (), f.place, f.key, f.other, d.place IS NOT NULL
FROM ({found}) AS f
LEFT JOIN (
    SELECT place, bool_or(step = ANY (%(removing)s::integer[])) AS goes
    FROM doomed WHERE step = ANY (%(same_table)s::integer[]) GROUP BY place
) AS d ON d.place = f.place
WHERE NOT COALESCE(d.goes, false) AND (%(only)s::text[] IS NULL OR f.key = ANY (%(only)s::text[]))

-- name: drop_found
-- Room for the next step.
DROP TABLE found_rows

-- name: index_doomed
-- A batch is found by its numbers.
CREATE INDEX IF NOT EXISTS doomed_n ON doomed (step, n)

-- name: analyze_doomed
-- The planner must know how few rows a batch has.
ANALYZE doomed

-- name: clear_doomed
-- Room for another pass.
DELETE FROM doomed

-- name: doomed_later
-- The keys that wait for the next pass, by step.
SELECT step, array_agg(key) FROM doomed WHERE later GROUP BY step

-- name: remove
-- One batch out of its table and into the quarantine; how many, and the keys of those that were not removed.
WITH gone AS (
    DELETE FROM {table} AS t WHERE t.ctid = ANY (ARRAY(SELECT place FROM ({found}) AS f))
    RETURNING concat_ws(' ', {key}) AS key, row_to_json(t) AS content
), kept AS (
    INSERT INTO quarantine (run_id, n, table_name, reason, content)
    SELECT %(run_id)s, %(before)s::bigint + %(first)s + row_number() OVER () - 1, %(table)s, %(reason)s, content FROM gone
)
SELECT (SELECT count(*) FROM gone), ARRAY(
    SELECT d.key FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
      AND d.key NOT IN (SELECT key FROM gone)
)

-- name: remove_dangling
-- The same for rows that name one which is not there: asked while they are removed.
WITH gone AS (
    DELETE FROM {table} AS t
    WHERE t.ctid = ANY (ARRAY(
              SELECT d.place FROM doomed AS d
              WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
          ))
      AND t.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} AS r WHERE r.id = t.{column})
    RETURNING concat_ws(' ', {key}) AS key, row_to_json(t) AS content
), kept AS (
    INSERT INTO quarantine (run_id, n, table_name, reason, content)
    SELECT %(run_id)s, %(before)s::bigint + %(first)s + row_number() OVER () - 1, %(table)s, %(reason)s, content FROM gone
)
SELECT (SELECT count(*) FROM gone), CASE WHEN (SELECT count(*) FROM gone) <= %(last)s - %(first)s THEN ARRAY(
    SELECT d.key FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
      AND d.key NOT IN (SELECT key FROM gone)
) ELSE ARRAY[]::text[] END

-- name: places
-- Where the rows of some batches are, in the order of their numbers; nowhere those that wait for the next pass.
SELECT array_send(array_agg(CASE WHEN d.later THEN '(0,0)'::tid ELSE d.place END ORDER BY d.n)) FROM doomed AS d
WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s

-- name: hold_moment
-- What is seen now is seen until this transaction ends.
DECLARE held CURSOR FOR SELECT 1

-- name: keep
-- The rows at these places into the quarantine, before they are removed.
INSERT INTO quarantine (run_id, n, table_name, reason, content)
SELECT %(run_id)s, %(before)s::bigint + %(first)s + row_number() OVER () - 1, %(table)s, %(reason)s, row_to_json(t)
FROM {table} AS t WHERE t.ctid = ANY (%(places)s::tid[])

-- name: remove_kept
-- Those out of their table, where they name a row that is not there yet.
DELETE FROM {table} AS t
WHERE t.ctid = ANY (%(places)s::tid[])
  AND t.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} AS r WHERE r.id = t.{column})

-- name: blank
-- One batch whose column becomes empty; what the rows were goes to the quarantine.
WITH batch AS MATERIALIZED (
    SELECT place, key FROM ({found}) AS f
), before AS MATERIALIZED (
    SELECT b.place, row_to_json(t) AS content FROM batch AS b JOIN {table} AS t ON t.ctid = b.place
), done AS (
    UPDATE {table} AS t SET {column} = NULL FROM batch AS b WHERE t.ctid = b.place RETURNING b.place, b.key
), kept AS (
    INSERT INTO quarantine (run_id, n, table_name, reason, content, changed)
    SELECT %(run_id)s, %(before)s::bigint + %(first)s + row_number() OVER () - 1, %(table)s, %(reason)s, content,
           json_build_object(%(column)s::text, NULL)
    FROM done JOIN before USING (place)
)
SELECT (SELECT count(*) FROM done), ARRAY(
    SELECT d.key FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
      AND d.key NOT IN (SELECT key FROM done)
)

-- name: move_comments
-- One batch of comments into the subreddits of their posts; what the rows were goes to the quarantine.
WITH batch AS MATERIALIZED (
    SELECT place, key FROM ({found}) AS f
), before AS MATERIALIZED (
    SELECT b.place, b.key, row_to_json(t) AS content, p.subreddit_id
    FROM batch AS b JOIN comments AS t ON t.ctid = b.place JOIN posts AS p ON p.id = t.post_id
), done AS (
    UPDATE comments AS t SET subreddit_id = b.subreddit_id FROM before AS b WHERE t.ctid = b.place
    RETURNING b.place, b.key, t.subreddit_id
), kept AS (
    INSERT INTO quarantine (run_id, n, table_name, reason, content, changed)
    SELECT %(run_id)s, %(before)s::bigint + %(first)s + row_number() OVER () - 1, %(table)s, %(reason)s, content,
           json_build_object('subreddit_id', done.subreddit_id)
    FROM done JOIN before USING (place)
)
SELECT (SELECT count(*) FROM done), ARRAY(
    SELECT d.key FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
      AND d.key NOT IN (SELECT key FROM done)
)

-- name: names_repeated
-- Subreddits or users whose name another one has, in other letters perhaps, without the one that stays: one that
-- is marked as a bot, then the first. The key is the id, and the id that it is to become.
SELECT place, key, other
FROM (
    SELECT t.ctid AS place, concat_ws(' ', t.id, first_value(t.id) OVER same) AS key,
           first_value(t.ctid) OVER same AS other, t.id <> first_value(t.id) OVER same AS goes
    FROM {table} AS t
    WHERE lower(t.name) IN (SELECT lower(name) FROM {table} GROUP BY lower(name) HAVING count(DISTINCT id) > 1)
    WINDOW same AS (PARTITION BY lower(t.name) ORDER BY to_jsonb(t) ->> 'bot_reason' IS NULL, t.id)
) AS r
WHERE goes

-- name: job_names_repeated
-- Jobs of a subreddit that has another one, without the one that stays: one that is being crawled, then the first.
SELECT place, key, other
FROM (
    SELECT t.ctid AS place, t.id::text AS key, first_value(t.ctid) OVER same AS other, row_number() OVER same AS nth
    FROM crawl_jobs AS t
    WHERE lower(t.subreddit_name) IN
          (SELECT lower(subreddit_name) FROM crawl_jobs GROUP BY 1 HAVING count(DISTINCT id) > 1)
    WINDOW same AS (PARTITION BY lower(t.subreddit_name) ORDER BY t.status <> 'crawling', t.id)
) AS r
WHERE nth > 1

-- name: of_merged
-- Rows that name one of those that are to become another.
SELECT t.ctid AS place, concat_ws(' ', {key}) AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE t.{column} IN (SELECT split_part(d.key, ' ', 1)::integer FROM doomed AS d WHERE d.step = ANY (%(steps)s::integer[]))

-- name: nodes_of_merged
-- Graph nodes of those that are to become another.
SELECT t.ctid AS place, t.id AS key, NULL::tid AS other
FROM ({rows}) AS t
WHERE t.id IN (SELECT %(prefix)s::text || split_part(d.key, ' ', 1) FROM doomed AS d WHERE d.step = ANY (%(steps)s::integer[]))

-- name: interactions_collide
-- Imported pairs that will be the same as another one, without the one that counts most.
WITH merged AS (
    SELECT d.step, split_part(d.key, ' ', 1)::integer AS id, split_part(d.key, ' ', 2)::integer AS becomes
    FROM doomed AS d WHERE d.step = ANY (%(steps)s::integer[])
)
SELECT place, key, NULL::tid AS other
FROM (
    SELECT t.ctid AS place, concat_ws(' ', file_id, user_id, subreddit_id) AS key,
           row_number() OVER (PARTITION BY file_id, COALESCE(u.becomes, user_id), COALESCE(s.becomes, subreddit_id)
                              ORDER BY n DESC, t.ctid) AS nth
    FROM ({rows}) AS t
    LEFT JOIN merged AS u ON u.id = t.user_id AND u.step = (%(steps)s::integer[])[1]
    LEFT JOIN merged AS s ON s.id = t.subreddit_id AND s.step = (%(steps)s::integer[])[2]
) AS r
WHERE nth > 1

-- name: as_found
-- Of a batch the rows that are where they were found.
SELECT d.place, d.key, d.other
FROM doomed AS d
JOIN (SELECT ctid AS place, concat_ws(' ', {key}) AS key FROM {table}) AS t ON t.place = d.place AND t.key = d.key
WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later

-- name: merged_still
-- Of a batch those that nothing names any more, and whose other one is there.
WITH batch AS MATERIALIZED (
    SELECT d.place, d.key, d.other, split_part(d.key, ' ', 1)::integer AS id
    FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
)
SELECT b.place, b.key, b.other
FROM batch AS b JOIN {table} AS t ON t.ctid = b.place AND t.id = b.id
WHERE EXISTS (SELECT FROM {table} AS k WHERE k.id = split_part(b.key, ' ', 2)::integer)
  AND b.id <> ALL (ARRAY(SELECT c.{named_by} FROM comments AS c WHERE c.{named_by} = ANY (ARRAY(SELECT id FROM batch))))
  AND b.id <> ALL (ARRAY(SELECT p.{named_by} FROM posts AS p WHERE p.{named_by} = ANY (ARRAY(SELECT id FROM batch))))
  AND b.id <> ALL (ARRAY(SELECT i.{imported_by} FROM imported_interactions AS i
                         WHERE i.{imported_by} = ANY (ARRAY(SELECT id FROM batch))))

-- name: repoint
-- One batch of rows to the one that stays; what they were goes to the quarantine.
WITH batch AS MATERIALIZED (
    SELECT place, key FROM ({found}) AS f
), before AS MATERIALIZED (
    SELECT b.place, b.key, row_to_json(t) AS content, split_part(d.key, ' ', 2)::integer AS becomes
    FROM batch AS b
    JOIN {table} AS t ON t.ctid = b.place
    JOIN doomed AS d ON d.step = ANY (%(steps)s::integer[]) AND split_part(d.key, ' ', 1)::integer = t.{column}
), done AS (
    UPDATE {table} AS t SET {column} = b.becomes FROM before AS b WHERE t.ctid = b.place
    RETURNING b.place, b.key, b.becomes
), kept AS (
    INSERT INTO quarantine (run_id, n, table_name, reason, content, changed)
    SELECT %(run_id)s, %(before)s::bigint + %(first)s + row_number() OVER () - 1, %(table)s, %(reason)s, content,
           json_build_object(%(column)s::text, done.becomes)
    FROM done JOIN before USING (place)
)
SELECT (SELECT count(*) FROM done), ARRAY(
    SELECT d.key FROM doomed AS d
    WHERE d.step = %(step)s AND d.n BETWEEN %(first)s AND %(last)s AND NOT d.later
      AND d.key NOT IN (SELECT key FROM done)
)

-- name: begin_batch
-- A batch waits for nobody for long, and its commit not for the disk: rows and quarantine are lost or kept
-- together, and the end of the run makes all of them durable.
SELECT set_config('lock_timeout', %(limit_ms)s::text, true), set_config('synchronous_commit', 'off', true)

-- name: lock_references
-- Until this transaction ends, nobody writes a row that names another one.
SELECT pg_advisory_xact_lock(%(class)s::integer, %(name)s::integer)

-- name: both
-- What a query finds, and what is left without the row that it names; each row once.
SELECT place, key, other FROM ({found}) AS f
UNION
SELECT place, key, other FROM ({bereft}) AS b

-- name: whole
-- All rows of a table.
SELECT t.ctid, t.* FROM {table} AS t
