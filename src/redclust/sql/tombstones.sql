-- What is gone on Reddit or was asked to be forgotten, and its erasure here.
--
-- A name is told by the SHA-256 of its lower case. The profile of an account is the subreddit u_NAME: it goes with
-- the account.

-- name: add_things
-- Posts or comments are gone; one known to be gone stays as it is.
INSERT INTO tombstones (kind, thing_id, reason)
SELECT %(kind)s::text, id, %(reason)s::text FROM unnest(%(ids)s::bigint[]) AS t (id) ORDER BY id
ON CONFLICT DO NOTHING

-- name: add_names
-- Accounts are gone; one that is to be forgotten is from then on forgotten.
INSERT INTO tombstones AS t (kind, name_hash, reason)
SELECT DISTINCT 'user', sha256(convert_to(lower(name), 'UTF8')) AS hash, %(reason)s::text
FROM unnest(%(names)s::text[]) AS n (name) ORDER BY hash
ON CONFLICT (name_hash) DO UPDATE SET reason = EXCLUDED.reason, deleted_at = EXCLUDED.deleted_at
WHERE EXCLUDED.reason = 'forgotten' AND t.reason <> 'forgotten'

-- name: gone_things
-- Which of these posts or comments are gone.
SELECT array_agg(thing_id) FROM tombstones
WHERE kind = %(kind)s AND thing_id = ANY(%(ids)s::bigint[])

-- name: gone_names
-- Which of these names are gone, and whether all that they wrote is. Names are hashed only where one is gone.
SELECT n.name, t.reason = 'forgotten'
FROM unnest(string_to_array(%(names)s, E'\n')) AS n (name)
JOIN tombstones AS t ON t.name_hash = sha256(convert_to(lower(n.name), 'UTF8'))
WHERE EXISTS (SELECT FROM tombstones WHERE kind = 'user')

-- name: next_things
-- How far one step goes through the tombstones of a kind.
SELECT max(thing_id) FROM (
    SELECT thing_id FROM tombstones
    WHERE kind = %(kind)s AND thing_id > %(after)s ORDER BY thing_id LIMIT %(limit)s
) AS step

-- name: blank_posts
-- Posts that are gone keep their place, without author and content.
UPDATE posts AS p SET author_id = NULL, title = '[deleted]', selftext = NULL, url = NULL, flair = NULL
FROM tombstones AS t
WHERE t.kind = 'post' AND t.thing_id > %(after)s AND t.thing_id <= %(last)s AND p.id = t.thing_id
  AND NOT p.placeholder
  AND ROW(p.author_id, p.title, p.selftext, p.url, p.flair)
      IS DISTINCT FROM ROW(NULL::integer, '[deleted]', NULL::text, NULL::text, NULL::text)

-- name: blank_comments
-- Comments that are gone keep their place, without author and body.
UPDATE comments AS c SET author_id = NULL, body = '[deleted]'
FROM tombstones AS t
WHERE t.kind = 'comment' AND t.thing_id > %(after)s AND t.thing_id <= %(last)s AND c.id = t.thing_id
  AND (c.author_id IS NOT NULL OR c.body <> '[deleted]')

-- name: erase_authorship
-- The map does not tell who wrote what is gone, nor that somebody wrote it and something else.
WITH gone AS (
    SELECT kind || '_' || reddit_id(thing_id) AS id FROM tombstones
    WHERE kind = %(kind)s::text AND thing_id > %(after)s AND thing_id <= %(last)s
)
DELETE FROM graph_links
WHERE type IN ('user-post', 'user-comment', 'same-author')
  AND (source IN (SELECT id FROM gone) OR target IN (SELECT id FROM gone))
  AND EXISTS (SELECT FROM graph_nodes WHERE type = 'post')

-- name: erase_authorship_of_versions
-- As erase_authorship, in versions that are kept.
WITH gone AS (
    SELECT kind || '_' || reddit_id(thing_id) AS id FROM tombstones
    WHERE kind = %(kind)s::text AND thing_id > %(after)s AND thing_id <= %(last)s
)
DELETE FROM graph_links_before
WHERE (type IS NULL OR type IN ('user-post', 'user-comment', 'same-author'))
  AND (source IN (SELECT id FROM gone) OR target IN (SELECT id FROM gone))

-- name: blank_these_posts
-- As blank_posts, of these.
UPDATE posts SET author_id = NULL, title = '[deleted]', selftext = NULL, url = NULL, flair = NULL
WHERE id = ANY(%(ids)s::bigint[]) AND NOT placeholder

-- name: blank_these_comments
-- As blank_comments, of these.
UPDATE comments SET author_id = NULL, body = '[deleted]' WHERE id = ANY(%(ids)s::bigint[])

-- name: has_accounts
-- Whether any account is gone.
SELECT EXISTS (SELECT FROM tombstones WHERE kind = 'user')

-- name: stage_accounts
-- The accounts that are gone and still have a row here; those to be forgotten also where a clean took it out.
CREATE TEMPORARY TABLE gone_accounts ON COMMIT DROP AS
SELECT u.id, t.reason = 'forgotten' AS forgotten
FROM users AS u JOIN tombstones AS t ON t.name_hash = sha256(convert_to(lower(u.name), 'UTF8'))
UNION
SELECT (q.content ->> 'id')::integer, true
FROM quarantine AS q JOIN tombstones AS t ON t.name_hash = sha256(convert_to(lower(q.content ->> 'name'), 'UTF8'))
WHERE q.table_name = 'users' AND t.reason = 'forgotten'

-- name: stage_profiles
-- The profiles of accounts that are gone.
CREATE TEMPORARY TABLE gone_profiles ON COMMIT DROP AS
SELECT s.id, s.name
FROM (SELECT id, name FROM subreddits UNION ALL SELECT NULL, subreddit_name FROM crawl_jobs) AS s
JOIN tombstones AS t ON lower(s.name) LIKE 'u\_%' AND t.name_hash = sha256(convert_to(lower(substr(s.name, 3)), 'UTF8'))

-- name: stage_nodes
-- The nodes of these accounts and profiles, also in a graph that was computed in another database.
CREATE TEMPORARY TABLE gone_nodes ON COMMIT DROP AS
SELECT n.id
FROM graph_nodes AS n
JOIN tombstones AS t
  ON t.name_hash = sha256(convert_to(lower(CASE WHEN n.type = 'user' THEN n.name ELSE substr(n.name, 3) END), 'UTF8'))
WHERE n.type = 'user' OR (n.type = 'subreddit' AND lower(n.name) LIKE 'u\_%')
UNION
SELECT n.id
FROM (SELECT DISTINCT id, type, name FROM graph_nodes_before WHERE name IS NOT NULL) AS n
JOIN tombstones AS t
  ON t.name_hash = sha256(convert_to(lower(CASE WHEN n.type = 'user' THEN n.name ELSE substr(n.name, 3) END), 'UTF8'))
WHERE n.type = 'user' OR (n.type = 'subreddit' AND lower(n.name) LIKE 'u\_%')

-- name: add_accounts_of_nodes
-- And those whose row is gone already, by their nodes.
INSERT INTO gone_accounts (id, forgotten)
SELECT substring(id FROM '^user_(\d{1,9})$')::integer, true FROM gone_nodes WHERE id ~ '^user_\d{1,9}$'

-- name: add_profiles_of_nodes
-- And those whose row is gone already, by their nodes.
INSERT INTO gone_profiles (id, name)
SELECT substring(id FROM '^subreddit_(\d{1,9})$')::integer, name
FROM graph_nodes JOIN gone_nodes USING (id) WHERE id ~ '^subreddit_\d{1,9}$'

-- name: accounts_since
-- Whether an account is gone since then, or since a day before: what was written down by then may be erased later.
SELECT EXISTS (SELECT FROM tombstones WHERE kind = 'user' AND deleted_at > %(since)s::timestamptz - interval '1 day')

-- name: erase_comments_of_profiles
-- What stands in such a profile goes whole.
DELETE FROM comments WHERE subreddit_id IN (SELECT id FROM gone_profiles)

-- name: erase_posts_of_profiles
-- What stands in such a profile goes whole.
DELETE FROM posts WHERE subreddit_id IN (SELECT id FROM gone_profiles)

-- name: unlink_comments
-- Comments of such an account lose their author; the body goes where the account is to be forgotten.
UPDATE comments AS c SET author_id = NULL, body = CASE WHEN g.forgotten THEN '[deleted]' ELSE c.body END
FROM gone_accounts AS g WHERE c.author_id = g.id

-- name: unlink_posts
-- Posts of such an account lose their author; their content goes where the account is to be forgotten.
UPDATE posts AS p
SET author_id = NULL, title = CASE WHEN g.forgotten THEN '[deleted]' ELSE p.title END,
    selftext = CASE WHEN NOT g.forgotten THEN p.selftext END, url = CASE WHEN NOT g.forgotten THEN p.url END,
    flair = CASE WHEN NOT g.forgotten THEN p.flair END
FROM gone_accounts AS g WHERE p.author_id = g.id

-- name: erase_interactions
-- Imported interactions of these accounts and profiles.
DELETE FROM imported_interactions
WHERE user_id IN (SELECT id FROM gone_accounts) OR subreddit_id IN (SELECT id FROM gone_profiles)

-- name: erase_activity
-- The computed activity of these accounts and profiles.
DELETE FROM user_subreddit_activity
WHERE user_id IN (SELECT id FROM gone_accounts) OR subreddit_id IN (SELECT id FROM gone_profiles)

-- name: erase_relationships
-- The computed relationships of these profiles.
DELETE FROM subreddit_relationships
WHERE source_subreddit_id IN (SELECT id FROM gone_profiles)
   OR target_subreddit_id IN (SELECT id FROM gone_profiles)

-- name: erase_links
-- The links of these nodes.
DELETE FROM graph_links WHERE source IN (SELECT id FROM gone_nodes) OR target IN (SELECT id FROM gone_nodes)

-- name: erase_nodes
-- The nodes themselves.
DELETE FROM graph_nodes WHERE id IN (SELECT id FROM gone_nodes)

-- name: erase_stored_links
-- Links that are stored beside the graph and are no more in it: looked for where somebody has written the graph.
DELETE FROM graph_top_links AS t
WHERE NOT EXISTS (SELECT FROM graph_top_marks)
  AND NOT EXISTS (SELECT FROM graph_links AS l WHERE l.source = t.source AND l.target = t.target)

-- name: erase_links_of_versions
-- Their links in versions that are kept.
DELETE FROM graph_links_before WHERE source IN (SELECT id FROM gone_nodes) OR target IN (SELECT id FROM gone_nodes)

-- name: erase_nodes_of_versions
-- The nodes in versions that are kept.
DELETE FROM graph_nodes_before WHERE id IN (SELECT id FROM gone_nodes)

-- name: relabel_communities_of_versions
-- A community of a version that is kept loses the name of such a profile.
UPDATE graph_communities_before AS c SET label = COALESCE(NULLIF((
    SELECT string_agg(part, ', ' ORDER BY place)
    FROM unnest(string_to_array(c.label, ', ')) WITH ORDINALITY AS parts (part, place)
    WHERE NOT EXISTS (SELECT FROM gone_profiles AS g WHERE lower(g.name) = lower(part))
), ''), 'community ' || c.id)
WHERE string_to_array(lower(c.label), ', ') && ARRAY(SELECT lower(name) FROM gone_profiles)

-- name: relabel_communities
-- A community that is called after such a profile loses that part of its label.
UPDATE graph_communities AS c SET label = COALESCE(NULLIF((
    SELECT string_agg(part, ', ' ORDER BY place)
    FROM unnest(string_to_array(c.label, ', ')) WITH ORDINALITY AS parts (part, place)
    WHERE NOT EXISTS (SELECT FROM gone_profiles AS g WHERE lower(g.name) = lower(part))
), ''), 'community ' || c.id)
WHERE string_to_array(lower(c.label), ', ') && ARRAY(SELECT lower(name) FROM gone_profiles)

-- name: erase_jobs
-- Crawl jobs of these profiles.
DELETE FROM crawl_jobs WHERE lower(subreddit_name) IN (SELECT lower(name) FROM gone_profiles)

-- name: erase_quarantine
-- What a clean had taken out of such an account and its profile, where it is to be forgotten; the number of an
-- account that is only gone names nobody any more.
DELETE FROM quarantine AS q
WHERE COALESCE(q.content ->> 'author_id', q.content ->> 'user_id', CASE q.table_name WHEN 'users' THEN q.content ->> 'id' END)
      IN (SELECT id::text FROM gone_accounts WHERE forgotten)
   OR COALESCE(q.content ->> 'subreddit_id', CASE q.table_name WHEN 'subreddits' THEN q.content ->> 'id' END)
      IN (SELECT id::text FROM gone_profiles)
   OR (q.table_name = 'graph_nodes' AND q.content ->> 'id' IN (SELECT id FROM gone_nodes))

-- name: erase_profiles
-- The profiles themselves, once nothing refers to them.
DELETE FROM subreddits WHERE id IN (SELECT id FROM gone_profiles)

-- name: erase_accounts
-- The accounts themselves, once nothing refers to them.
DELETE FROM users WHERE id IN (SELECT id FROM gone_accounts)

-- name: scrub_runs
-- Precalc's figures name the most active bots.
UPDATE precalc_runs AS r SET figures = jsonb_set(r.figures, '{bots,most_active}', kept.names)
FROM precalc_runs AS same
CROSS JOIN LATERAL (
    SELECT COALESCE(jsonb_agg(b.name ORDER BY b.place) FILTER (WHERE t.kind IS NULL), '[]') AS names,
           count(t.kind) AS gone
    FROM jsonb_array_elements_text(same.figures #> '{bots,most_active}') WITH ORDINALITY AS b (name, place)
    LEFT JOIN tombstones AS t ON t.name_hash = sha256(convert_to(lower(b.name), 'UTF8'))
) AS kept
WHERE r.id = same.id AND kept.gone > 0

-- name: erase_rejects
-- Broken things of Reddit's pages that hold as a value the name of an account that is to be forgotten.
DELETE FROM crawl_rejects WHERE sha256 IN (
    SELECT r.sha256
    FROM crawl_rejects AS r
    CROSS JOIN regexp_matches(r.raw, '"([\w-]+)"', 'g') AS m (parts)
    JOIN tombstones AS t ON t.name_hash = sha256(convert_to(lower(m.parts[1]), 'UTF8'))
    WHERE t.reason = 'forgotten'
)

-- name: scrub_errors
-- Errors of jobs and of their runs lose the address of an account that is to be forgotten.
WITH said AS (
    SELECT error_message FROM crawl_jobs WHERE error_message ~* '\muser/'
    UNION SELECT error_message FROM crawl_runs WHERE error_message ~* '\muser/'
), named AS (
    SELECT said.error_message, string_agg(DISTINCT m.parts[1], '|') AS names
    FROM said
    CROSS JOIN regexp_matches(said.error_message, '\muser/([\w-]+)', 'gi') AS m (parts)
    JOIN tombstones AS t ON t.name_hash = sha256(convert_to(lower(m.parts[1]), 'UTF8'))
    WHERE t.reason = 'forgotten'
    GROUP BY said.error_message
), scrubbed AS (
    SELECT error_message, regexp_replace(error_message, '\muser/(' || names || ')(?![\w-])', 'user/…', 'gi') AS without
    FROM named
), of_jobs AS (
    UPDATE crawl_jobs AS r SET error_message = s.without FROM scrubbed AS s WHERE r.error_message = s.error_message
)
UPDATE crawl_runs AS r SET error_message = s.without FROM scrubbed AS s WHERE r.error_message = s.error_message

-- name: drop_accounts
-- Also where the caller's transaction goes on.
DROP TABLE gone_accounts

-- name: drop_profiles
-- Also where the caller's transaction goes on.
DROP TABLE gone_profiles

-- name: drop_nodes
-- Also where the caller's transaction goes on.
DROP TABLE gone_nodes

-- name: copy_out
-- Every tombstone, for another database.
COPY (SELECT kind, thing_id, name_hash, reason, deleted_at FROM tombstones) TO STDOUT (FORMAT binary)

-- name: stage_carried
-- Where another database's tombstones arrive.
CREATE TEMPORARY TABLE carried (kind text, thing_id bigint, name_hash bytea, reason text, deleted_at timestamptz)
    ON COMMIT DROP

-- name: copy_in
-- Another database's tombstones.
COPY carried FROM STDIN (FORMAT binary)

-- name: missing_tables
-- Which of these tables are not here.
SELECT name FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS t (name, place)
WHERE to_regclass(quote_ident(name)) IS NULL ORDER BY place

-- name: add_carried_things
-- Posts and comments that are gone there are gone here.
INSERT INTO tombstones (kind, thing_id, reason, deleted_at)
SELECT kind, thing_id, reason, deleted_at FROM carried WHERE kind <> 'user'
ON CONFLICT DO NOTHING

-- name: add_carried_names
-- Accounts that are gone there are gone here; to be forgotten counts more than to be gone.
INSERT INTO tombstones AS t (kind, name_hash, reason, deleted_at)
SELECT kind, name_hash, reason, deleted_at FROM carried WHERE kind = 'user'
ON CONFLICT (name_hash) DO UPDATE SET reason = EXCLUDED.reason, deleted_at = EXCLUDED.deleted_at
WHERE EXCLUDED.reason = 'forgotten' AND t.reason <> 'forgotten'
