-- The map: read in one snapshot, staged beside the old one, and exchanged for it by differences.
--
-- The queries named stage_* make the temporary tables that the others of a run work on, in the order in which
-- they stand here.

-- name: stage_moment
-- Which transactions this snapshot sees.
CREATE TEMPORARY TABLE snapshot_moment AS SELECT pg_current_snapshot() AS seen

-- name: pages_of
-- How many pages a table has.
SELECT pg_relation_size(%(table)s::regclass) / current_setting('block_size')::integer

-- name: posts_packed
-- Who posted where, on some pages of posts, packed: user, subreddit (4 bytes each).
SELECT string_agg(int4send(author_id) || int4send(subreddit_id), ''::bytea)
FROM posts
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND NOT placeholder AND author_id IS NOT NULL

-- name: comments_packed
-- Who commented where, on some pages of comments, packed likewise.
SELECT string_agg(int4send(author_id) || int4send(subreddit_id), ''::bytea)
FROM comments
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND author_id IS NOT NULL

-- name: imported_interactions_packed
-- Who interacted where and how often, on some pages of that table, packed: user, subreddit, count (4 bytes each).
SELECT string_agg(int4send(user_id) || int4send(subreddit_id) || int4send(n), ''::bytea)
FROM imported_interactions
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: stage_regular_users
-- Accounts that write at regular times, as a clock would have it: the gaps between what they wrote spread by less than
-- a share of their mean. By chance alone the share is about 1, people come in bursts and have more.
CREATE TEMPORARY TABLE regular_users AS
SELECT author_id AS id
FROM (
    SELECT author_id, extract(epoch FROM created_at - lag(created_at) OVER (
               PARTITION BY author_id ORDER BY created_at))::double precision AS gap_s
    FROM (
        SELECT author_id, created_at FROM posts WHERE NOT placeholder AND author_id IS NOT NULL
        UNION ALL
        SELECT author_id, created_at FROM comments WHERE author_id IS NOT NULL
    ) AS written
    WHERE %(spread)s::double precision > 0
) AS spaced
GROUP BY author_id
HAVING count(gap_s) >= %(things)s::bigint - 1 AND avg(gap_s) > 0
   AND stddev_pop(gap_s) < %(spread)s::double precision * avg(gap_s)

-- name: stage_users
-- The names of users, as of the same snapshot, and why an account counts as a bot.
CREATE TEMPORARY TABLE snapshot_users AS
SELECT u.id, u.name, named.is_person,
       CASE WHEN named.is_person THEN NULL
            WHEN u.bot_reason IS NOT NULL THEN u.bot_reason
            WHEN named.is_bot THEN 'settings'
            WHEN r.id IS NOT NULL THEN 'regular' END AS bot_reason
FROM users AS u
CROSS JOIN LATERAL (SELECT COALESCE(lower(u.name) = ANY(%(people)s::text[]), false) AS is_person,
                           COALESCE(lower(u.name) = ANY(%(bots)s::text[]), false) AS is_bot) AS named
LEFT JOIN regular_users AS r ON r.id = u.id

-- name: stage_subreddits
-- The names of subreddits, as of the same snapshot.
CREATE TEMPORARY TABLE snapshot_subreddits AS SELECT id, name FROM subreddits

-- name: stage_titles
-- The titles of about 200,000 posts, always the same ones: enough to tell what a community speaks of.
CREATE TEMPORARY TABLE snapshot_titles AS
SELECT subreddit_id, title FROM posts
WHERE NOT placeholder AND title <> ''
  AND (hashint8(id) & 65535)
      < 65536 * 200000::bigint / (SELECT NULLIF(count(*), 0) FROM posts WHERE NOT placeholder)

-- name: titles
-- What was posted in which subreddit.
SELECT subreddit_id, title FROM snapshot_titles

-- name: use_memory
-- What each sort of this session may hold, and half of what each hash table may.
SELECT set_config('work_mem', %(work_mem)s, false)

-- name: transaction_began_at
-- When this transaction began: what was committed before, it sees.
SELECT now()

-- name: users_packed
-- Users, packed: the id, 4 bytes that are the same for the same name in any case, and 4 that follow from its spelling.
SELECT string_agg(int4send(id) || decode(left(md5(lower(name)), 8), 'hex') || int4send(hashtext(name)), ''::bytea)
FROM snapshot_users

-- name: named_bots
-- The users that count as bots whatever they are active in, and those that count as people; who is regular.
SELECT id, is_person, COALESCE(bot_reason = 'regular', false) FROM snapshot_users
WHERE bot_reason IS NOT NULL OR is_person

-- name: subreddit_names
-- The subreddits in the order of their names, and a number that follows from the spelling.
SELECT id, name, hashtext(name) FROM snapshot_subreddits ORDER BY lower(name) COLLATE "C"

-- name: user_names
-- The names of these users, in the order asked.
SELECT u.name
FROM unnest(%(ids)s::integer[]) WITH ORDINALITY AS asked (id, place)
JOIN snapshot_users AS u ON u.id = asked.id
ORDER BY asked.place

-- name: previous_map
-- Where the graph that is shown has these subreddits now.
SELECT s.id, n.community_id, n.country_id, n.town_id, n.pos_x, n.pos_y
FROM snapshot_subreddits AS s
JOIN graph_nodes AS n ON n.type = 'subreddit' AND lower(n.name) = lower(s.name)

-- name: previous_fingerprint
-- What the graph that is shown was clustered from, and the first id that no community had.
SELECT fingerprint, next_community_id FROM precalc_runs WHERE status = 'completed' ORDER BY id DESC LIMIT 1

-- name: stage_activity
-- Where the activity waits to be compared.
CREATE TEMPORARY TABLE new_activity (user_id integer, subreddit_id integer, activity_count bigint)

-- name: copy_activity
-- Who was active where, and how often.
COPY new_activity FROM STDIN (FORMAT binary)

-- name: stage_placed_subreddits
-- Where subreddits wait to become nodes; community -1 is none.
CREATE TEMPORARY TABLE placed_subreddits
    (id integer, val bigint, pos_x double precision, pos_y double precision,
     community_id integer, country_id integer, town_id integer)

-- name: stage_placed_users
-- Where users wait to become nodes; community -1 is none.
CREATE TEMPORARY TABLE placed_users
    (id integer, val bigint, pos_x double precision, pos_y double precision,
     community_id integer, country_id integer, town_id integer)

-- name: stage_pairs
-- Where related subreddits wait to become relationships and links.
CREATE TEMPORARY TABLE staged_pairs (one integer, other integer, shared integer, weight double precision)

-- name: copy_placed_subreddits
-- Subreddits with their places.
COPY placed_subreddits FROM STDIN (FORMAT binary)

-- name: copy_placed_users
-- Users with their places.
COPY placed_users FROM STDIN (FORMAT binary)

-- name: copy_pairs
-- Related subreddits.
COPY staged_pairs FROM STDIN (FORMAT binary)

-- name: stage_communities
-- The communities of the new graph, as they will stand.
CREATE TEMPORARY TABLE new_communities AS SELECT * FROM graph_communities LIMIT 0

-- name: add_communities
-- The communities of the new graph; terms are joined by spaces, parent -1 is none.
INSERT INTO new_communities (id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y)
SELECT id, level, NULLIF(parent_id, -1), label, string_to_array(terms, ' '), subreddits, users, pos_x, pos_y
FROM unnest(%(ids)s::integer[], %(levels)s::integer[], %(parents)s::integer[], %(labels)s::text[],
            %(terms)s::text[], %(subreddits)s::integer[], %(users)s::integer[],
            %(pos_x)s::double precision[], %(pos_y)s::double precision[])
     AS c (id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y)

-- name: stage_community_links
-- The links between the communities of the new graph.
CREATE TEMPORARY TABLE new_community_links AS SELECT * FROM graph_community_links LIMIT 0

-- name: copy_community_links
-- Links between communities.
COPY new_community_links FROM STDIN (FORMAT binary)

-- name: analyze_staged
-- The planner must know how large the new graph is.
ANALYZE new_activity, placed_subreddits, placed_users, staged_pairs

-- name: analyze_regions
-- The planner must know how many communities there are.
ANALYZE new_communities, new_community_links

-- name: stage_silent_users
-- Whose posts and comments are left out: bots, marked or by the number of their subreddits.
CREATE TEMPORARY TABLE silent_users AS
SELECT id FROM snapshot_users WHERE %(detailed)s::boolean AND bot_reason IS NOT NULL
UNION
SELECT id FROM unnest(%(over)s::integer[]) AS over_cap (id)
WHERE %(detailed)s::boolean AND id NOT IN (SELECT id FROM snapshot_users WHERE is_person)

-- name: stage_chosen_posts
-- The posts of each subreddit that come first: those seen themselves before those that only a comment names, then
-- by score, and of equals the newer one.
CREATE TEMPORARY TABLE chosen_posts AS
SELECT 'post_' || reddit_id(id) AS node, id, subreddit_id, author_id, COALESCE(score, 0) AS score, placeholder
FROM (
    SELECT p.id, p.subreddit_id, p.author_id, p.score, p.placeholder,
           row_number() OVER (PARTITION BY p.subreddit_id
                              ORDER BY p.placeholder, p.score DESC NULLS LAST, p.id DESC) AS place
    FROM posts AS p
    WHERE %(detailed)s::boolean
      AND (p.author_id IS NULL OR p.author_id NOT IN (SELECT id FROM silent_users))
) AS ranked
WHERE place <= %(posts)s::bigint

-- name: stage_chosen_comments
-- The comments of each of these posts that come first: by score, and of equals the older one.
CREATE TEMPORARY TABLE chosen_comments AS
SELECT 'comment_' || reddit_id(id) AS node, id, parent_id, post_id, author_id, COALESCE(score, 0) AS score
FROM (
    SELECT c.id, c.parent_id, c.post_id, c.author_id, c.score,
           row_number() OVER (PARTITION BY c.post_id ORDER BY c.score DESC NULLS LAST, c.id) AS place
    FROM comments AS c JOIN chosen_posts AS p ON p.id = c.post_id
    WHERE %(detailed)s::boolean
      AND (c.author_id IS NULL OR c.author_id NOT IN (SELECT id FROM silent_users))
) AS ranked
WHERE place <= %(comments)s::bigint

-- name: analyze_chosen
-- The planner must know how many were chosen.
ANALYZE chosen_posts, chosen_comments

-- name: stage_things
-- The chosen posts and comments of subreddits that are on the map, each beside its subreddit or its post: turned by
-- the golden angle from one id to the next, which spreads them, and always to the same place. The name is where
-- Reddit has it: a title would have to be erased wherever a version keeps it.
CREATE TEMPORARY TABLE staged_things AS
WITH posted AS (
    SELECT p.node, p.id, p.author_id, p.score, p.placeholder, s.id AS subreddit_id,
           s.community_id, s.country_id, s.town_id,
           s.pos_x + 0.6 * sqrt((p.id * 40503 & 65535) / 65536.0::float8)
                     * cos((p.id & 65535) * 2.399963229728653::float8) AS x,
           s.pos_y + 0.6 * sqrt((p.id * 40503 & 65535) / 65536.0::float8)
                     * sin((p.id & 65535) * 2.399963229728653::float8) AS y
    FROM chosen_posts AS p JOIN placed_subreddits AS s ON s.id = p.subreddit_id
)
SELECT node AS id, 'comments/' || reddit_id(p.id) AS name, score, 'post' AS type, author_id, subreddit_id,
       NULL::text AS answers, placeholder, round(x::numeric, 6)::float8 AS pos_x, round(y::numeric, 6)::float8 AS pos_y,
       NULLIF(community_id, -1) AS community_id, NULLIF(country_id, -1) AS country_id, NULLIF(town_id, -1) AS town_id
FROM posted AS p
UNION ALL
SELECT c.node, 'comments/' || reddit_id(p.id) || '/_/' || reddit_id(c.id), c.score, 'comment', c.author_id,
       p.subreddit_id, COALESCE(answered.node, p.node), false,
       round((p.x + 0.15 * sqrt((c.id * 40503 & 65535) / 65536.0::float8)
                    * cos((c.id & 65535) * 2.399963229728653::float8))::numeric, 6)::float8,
       round((p.y + 0.15 * sqrt((c.id * 40503 & 65535) / 65536.0::float8)
                    * sin((c.id & 65535) * 2.399963229728653::float8))::numeric, 6)::float8,
       NULLIF(p.community_id, -1), NULLIF(p.country_id, -1), NULLIF(p.town_id, -1)
FROM chosen_comments AS c
JOIN posted AS p ON p.id = c.post_id
LEFT JOIN chosen_comments AS answered
       ON answered.id = c.parent_id AND answered.post_id = c.post_id AND answered.id <> c.id

-- name: stage_thing_links
-- A post hangs on its subreddit, a comment on what it answers, or on the post where that was not chosen; both on
-- their author, where that is on the map. Of what one author wrote, the best of each subreddit are linked, each with
-- the next one by score, so many of them that there are at most author_links.
CREATE TEMPORARY TABLE staged_thing_links AS
SELECT t.id AS source, 'subreddit_' || t.subreddit_id AS target, 'post-subreddit' AS type
FROM staged_things AS t WHERE t.type = 'post'
UNION ALL
SELECT t.id, t.answers, 'comment-post' FROM staged_things AS t WHERE t.answers LIKE 'post%%'
UNION ALL
SELECT DISTINCT LEAST(t.id COLLATE "C", t.answers COLLATE "C") COLLATE "default",
       GREATEST(t.id COLLATE "C", t.answers COLLATE "C") COLLATE "default", 'comment-comment'
FROM staged_things AS t WHERE t.answers LIKE 'comment%%'
UNION ALL
SELECT t.id, 'user_' || t.author_id, 'user-' || t.type
FROM staged_things AS t JOIN placed_users AS u ON u.id = t.author_id
UNION ALL
SELECT LEAST(id COLLATE "C", next_id COLLATE "C") COLLATE "default",
       GREATEST(id COLLATE "C", next_id COLLATE "C") COLLATE "default", 'same-author'
FROM (
    SELECT best.id, lead(best.id) OVER in_order AS next_id, row_number() OVER in_order AS place
    FROM (
        SELECT DISTINCT ON (t.author_id, t.subreddit_id) t.author_id, t.id, t.score
        FROM staged_things AS t JOIN placed_users AS u ON u.id = t.author_id
        ORDER BY t.author_id, t.subreddit_id, t.score DESC, t.id COLLATE "C"
    ) AS best
    WINDOW in_order AS (PARTITION BY best.author_id ORDER BY best.score DESC, best.id COLLATE "C")
) AS chain
WHERE next_id IS NOT NULL AND place <= %(author_links)s::bigint

-- name: analyze_things
-- The planner must know how large they are.
ANALYZE staged_things, staged_thing_links

-- name: count_things
-- How many posts, how many of them known only from their comments, and comments; and the links of each type.
SELECT (SELECT count(*) FROM staged_things WHERE type = 'post'),
       (SELECT count(*) FROM staged_things WHERE placeholder),
       (SELECT count(*) FROM staged_things WHERE type = 'comment'),
       (SELECT COALESCE(jsonb_object_agg(type, n), '{}')
        FROM (SELECT type, count(*) AS n FROM staged_thing_links GROUP BY type) AS counted)

-- name: stage_ground
-- The height of whatever has none of its own; nothing where heights are not asked for.
CREATE TEMPORARY TABLE staged_ground AS SELECT 0::double precision AS z WHERE %(heights)s::boolean

-- name: stage_relationships
-- The relationships of the new graph, in both directions.
CREATE TEMPORARY VIEW new_relationships AS
SELECT one AS source, other AS target, shared, weight FROM staged_pairs
UNION ALL
SELECT other, one, shared, weight FROM staged_pairs

-- name: stage_nodes
-- The nodes of the new graph; community -1 is none. Where heights are asked for, subreddits rise with the logarithm
-- of their users above all others.
CREATE TEMPORARY VIEW new_nodes AS
SELECT 'subreddit_' || p.id AS id, s.name, p.val::numeric AS val, 'subreddit' AS type, p.pos_x, p.pos_y,
       (SELECT z FROM staged_ground) + round(ln(1 + p.val::numeric), 6)::double precision AS pos_z,
       NULLIF(p.community_id, -1) AS community_id, NULLIF(p.country_id, -1) AS country_id,
       NULLIF(p.town_id, -1) AS town_id
FROM placed_subreddits AS p JOIN snapshot_subreddits AS s USING (id)
UNION ALL
SELECT 'user_' || p.id, u.name, p.val::numeric, 'user', p.pos_x, p.pos_y, (SELECT z FROM staged_ground),
       NULLIF(p.community_id, -1), NULLIF(p.country_id, -1), NULLIF(p.town_id, -1)
FROM placed_users AS p JOIN snapshot_users AS u USING (id)
UNION ALL
SELECT id, name, score::numeric, type, pos_x, pos_y, (SELECT z FROM staged_ground), community_id, country_id,
       town_id
FROM staged_things

-- name: stage_links
-- The links of the new graph: each once, the source first by text.
CREATE TEMPORARY VIEW new_links AS
SELECT LEAST(one, other) COLLATE "default" AS source, GREATEST(one, other) COLLATE "default" AS target,
       'subreddit-subreddit' AS type, shared::numeric AS val, weight
FROM (
    SELECT ('subreddit_' || one) COLLATE "C" AS one, ('subreddit_' || other) COLLATE "C" AS other,
           shared, weight
    FROM staged_pairs
) AS pairs
UNION ALL
SELECT 'subreddit_' || a.subreddit_id, 'user_' || a.user_id, 'user-subreddit', a.activity_count::numeric, NULL
FROM new_activity AS a
JOIN placed_users AS u ON u.id = a.user_id
JOIN placed_subreddits AS s ON s.id = a.subreddit_id
UNION ALL
SELECT source, target, type, 1, NULL FROM staged_thing_links

-- name: lock_for_swap
-- Nobody else writes the graph until this transaction ends; readers go on reading.
LOCK TABLE user_subreddit_activity, subreddit_relationships, graph_communities, graph_community_links, graph_nodes,
    graph_links
IN SHARE ROW EXCLUSIVE MODE

-- name: table_lock_holders
-- Who holds a lock on the graph that keeps its swap out.
SELECT DISTINCT a.pid, a.application_name
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN ('user_subreddit_activity'::regclass, 'subreddit_relationships'::regclass,
                     'graph_communities'::regclass, 'graph_community_links'::regclass,
                     'graph_nodes'::regclass, 'graph_links'::regclass)
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
ORDER BY a.pid

-- name: unfilled
-- Whether none of these tables has ever held a row: there is no graph that anybody could read.
SELECT bool_and(pg_relation_size(name::regclass) = 0) FROM unnest(%(tables)s::text[]) AS tables (name)

-- name: lock_for_filling
-- Before there is a graph its readers may wait until it is there.
LOCK TABLE user_subreddit_activity, subreddit_relationships, graph_communities, graph_community_links, graph_nodes,
    graph_links
IN ACCESS EXCLUSIVE MODE

-- name: indexes_to_build
-- The keys and indexes of these tables, and what makes each again; keys first.
SELECT t.relname, c.relname, pg_get_indexdef(i.indexrelid), pg_get_constraintdef(k.oid)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indrelid = ANY(%(tables)s::text[]::regclass[])
ORDER BY k.oid, c.relname

-- name: start_anew
-- A file of its own: where the server keeps its log minimal, it writes such a one without a log.
TRUNCATE {table}

-- name: drop_key
-- Built again when the table is filled: at once, and not row by row.
ALTER TABLE {table} DROP CONSTRAINT {name}

-- name: drop_index
-- Built again when the table is filled: at once, and not row by row.
DROP INDEX {name}

-- name: build_key
-- The key of a filled table.
ALTER TABLE {table} ADD CONSTRAINT {name} {definition}

-- name: build_with
-- What a sort may hold when an index is built.
SELECT set_config('maintenance_work_mem', %(work_mem)s, true)

-- name: fill_activity
-- All of the activity.
INSERT INTO user_subreddit_activity (user_id, subreddit_id, activity_count)
SELECT user_id, subreddit_id, activity_count FROM new_activity

-- name: fill_relationships
-- All relationships.
INSERT INTO subreddit_relationships (source_subreddit_id, target_subreddit_id, overlap_count, weight)
SELECT source, target, shared, weight FROM new_relationships

-- name: fill_communities
-- All communities.
INSERT INTO graph_communities (id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y)
SELECT id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y FROM new_communities

-- name: fill_community_links
-- All links between communities.
INSERT INTO graph_community_links (source_id, target_id, links, weight)
SELECT source_id, target_id, links, weight FROM new_community_links

-- name: fill_nodes
-- All nodes, the biggest together: whoever asks for these reads a few hundred pages and not one for each.
INSERT INTO graph_nodes (id, name, val, type, pos_x, pos_y, pos_z, community_id, country_id, town_id)
SELECT id, name, val, type, pos_x, pos_y, pos_z, community_id, country_id, town_id FROM new_nodes
ORDER BY val DESC, id

-- name: fill_links
-- All links.
INSERT INTO graph_links (source, target, type, val, weight)
SELECT source, target, type, val, weight FROM new_links

-- name: empty
-- Every row goes (precalc --clear).
DELETE FROM {table}

-- name: stage_activity_changes
-- How activity differs from what is shown: by old.place where a row is there, gone where it is no more.
CREATE TEMPORARY TABLE activity_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.user_id IS NULL AS gone, new.*
FROM user_subreddit_activity AS old
FULL JOIN new_activity AS new ON new.user_id = old.user_id AND new.subreddit_id = old.subreddit_id
WHERE new.activity_count IS DISTINCT FROM old.activity_count

-- name: stage_relationships_changes
-- How relationships, in both directions, differ from what is shown.
CREATE TEMPORARY TABLE relationships_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.source IS NULL AS gone, new.*
FROM subreddit_relationships AS old
FULL JOIN new_relationships AS new
    ON new.source = old.source_subreddit_id AND new.target = old.target_subreddit_id
WHERE (new.shared, new.weight) IS DISTINCT FROM (old.overlap_count, old.weight)

-- name: stage_communities_changes
-- How communities differ from what is shown.
CREATE TEMPORARY TABLE communities_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.id IS NULL AS gone, new.*
FROM graph_communities AS old
FULL JOIN new_communities AS new ON new.id = old.id
WHERE (new.id, new.level, new.parent_id, new.label, new.terms, new.subreddits, new.users, new.pos_x, new.pos_y)
      IS DISTINCT FROM
      (old.id, old.level, old.parent_id, old.label, old.terms, old.subreddits, old.users, old.pos_x, old.pos_y)

-- name: stage_community_links_changes
-- How the links between communities differ from what is shown.
CREATE TEMPORARY TABLE community_links_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.source_id IS NULL AS gone, new.*
FROM graph_community_links AS old
FULL JOIN new_community_links AS new ON new.source_id = old.source_id AND new.target_id = old.target_id
WHERE (new.links, new.weight) IS DISTINCT FROM (old.links, old.weight)

-- name: stage_nodes_changes
-- How nodes differ from what is shown.
CREATE TEMPORARY TABLE nodes_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.id IS NULL AS gone, new.*
FROM graph_nodes AS old
FULL JOIN new_nodes AS new ON new.id = old.id
WHERE (new.id, new.name, new.val, new.type, new.pos_x, new.pos_y, new.pos_z,
       new.community_id, new.country_id, new.town_id)
      IS DISTINCT FROM
      (old.id, old.name, old.val, old.type, old.pos_x, old.pos_y, old.pos_z,
       old.community_id, old.country_id, old.town_id)

-- name: stage_links_changes
-- How links differ from what is shown.
CREATE TEMPORARY TABLE links_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.source IS NULL AS gone, new.*
FROM graph_links AS old
FULL JOIN new_links AS new ON new.source = old.source AND new.target = old.target
WHERE (new.source, new.type, new.val, new.weight) IS DISTINCT FROM (old.source, old.type, old.val, old.weight)

-- name: keep_nodes
-- Nodes that this version changes, as they are until then.
INSERT INTO graph_nodes_before
    (version, id, name, val, type, pos_x, pos_y, pos_z, community_id, country_id, town_id)
SELECT %(version)s, COALESCE(old.id, new.id), old.name, old.val, old.type, old.pos_x, old.pos_y, old.pos_z,
       old.community_id, old.country_id, old.town_id
FROM nodes_changes AS new LEFT JOIN graph_nodes AS old ON old.ctid = new.place

-- name: keep_links
-- Links that this version changes, as they are until then.
INSERT INTO graph_links_before (version, source, target, type, val, weight)
SELECT %(version)s, COALESCE(old.source, new.source), COALESCE(old.target, new.target), old.type, old.val, old.weight
FROM links_changes AS new LEFT JOIN graph_links AS old ON old.ctid = new.place

-- name: keep_communities
-- Communities that this version changes, as they are until then.
INSERT INTO graph_communities_before
    (version, id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y)
SELECT %(version)s, COALESCE(old.id, new.id), old.level, old.parent_id, old.label, old.terms, old.subreddits,
       old.users, old.pos_x, old.pos_y
FROM communities_changes AS new LEFT JOIN graph_communities AS old ON old.ctid = new.place

-- name: keep_community_links
-- Links between communities that this version changes, as they are until then.
INSERT INTO graph_community_links_before (version, source_id, target_id, links, weight)
SELECT %(version)s, COALESCE(old.source_id, new.source_id), COALESCE(old.target_id, new.target_id), old.links,
       old.weight
FROM community_links_changes AS new LEFT JOIN graph_community_links AS old ON old.ctid = new.place

-- name: join_by_place
-- Rows that are known by their place are fetched there (off), instead of reading all of a table to find them (on).
SELECT set_config('enable_hashjoin', %(others)s, true), set_config('enable_mergejoin', %(others)s, true)

-- name: drop_changes
-- Looked for once more after the table is emptied.
DROP TABLE {changes}

-- name: delete_gone
-- Rows that are no more.
DELETE FROM {table} AS old USING {changes} AS new WHERE old.ctid = new.place AND new.gone

-- name: update_activity
-- Activity that is another now.
UPDATE user_subreddit_activity AS old SET activity_count = new.activity_count
FROM activity_changes AS new
WHERE old.ctid = new.place AND NOT new.gone

-- name: insert_activity
-- Activity that is new.
INSERT INTO user_subreddit_activity (user_id, subreddit_id, activity_count)
SELECT user_id, subreddit_id, activity_count FROM activity_changes WHERE place IS NULL
ORDER BY user_id, subreddit_id

-- name: update_relationships
-- Relationships that are others now.
UPDATE subreddit_relationships AS old SET overlap_count = new.shared, weight = new.weight
FROM relationships_changes AS new
WHERE old.ctid = new.place AND NOT new.gone

-- name: insert_relationships
-- Relationships that are new.
INSERT INTO subreddit_relationships (source_subreddit_id, target_subreddit_id, overlap_count, weight)
SELECT source, target, shared, weight FROM relationships_changes WHERE place IS NULL
ORDER BY source, target

-- name: update_communities
-- Communities that are others now.
UPDATE graph_communities AS old
SET level = new.level, parent_id = new.parent_id, label = new.label, terms = new.terms,
    subreddits = new.subreddits, users = new.users, pos_x = new.pos_x, pos_y = new.pos_y
FROM communities_changes AS new
WHERE old.ctid = new.place AND NOT new.gone

-- name: insert_communities
-- Communities that are new.
INSERT INTO graph_communities (id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y)
SELECT id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y FROM communities_changes
WHERE place IS NULL
ORDER BY id

-- name: update_community_links
-- Links between communities that are others now.
UPDATE graph_community_links AS old SET links = new.links, weight = new.weight
FROM community_links_changes AS new
WHERE old.ctid = new.place AND NOT new.gone

-- name: insert_community_links
-- Links between communities that are new.
INSERT INTO graph_community_links (source_id, target_id, links, weight)
SELECT source_id, target_id, links, weight FROM community_links_changes WHERE place IS NULL
ORDER BY source_id, target_id

-- name: update_nodes
-- Nodes that are others now.
UPDATE graph_nodes AS old
SET name = new.name, val = new.val, type = new.type, pos_x = new.pos_x, pos_y = new.pos_y, pos_z = new.pos_z,
    community_id = new.community_id, country_id = new.country_id, town_id = new.town_id
FROM nodes_changes AS new
WHERE old.ctid = new.place AND NOT new.gone

-- name: insert_nodes
-- Nodes that are new.
INSERT INTO graph_nodes (id, name, val, type, pos_x, pos_y, pos_z, community_id, country_id, town_id)
SELECT id, name, val, type, pos_x, pos_y, pos_z, community_id, country_id, town_id FROM nodes_changes
WHERE place IS NULL
ORDER BY id COLLATE "C"

-- name: update_links
-- Links that are others now.
UPDATE graph_links AS old SET type = new.type, val = new.val, weight = new.weight
FROM links_changes AS new
WHERE old.ctid = new.place AND NOT new.gone

-- name: insert_links
-- Links that are new.
INSERT INTO graph_links (source, target, type, val, weight)
SELECT source, target, type, val, weight FROM links_changes WHERE place IS NULL
ORDER BY source COLLATE "C", target COLLATE "C"

-- name: begin_run
-- Written down before anything is computed.
INSERT INTO precalc_runs (status, settings) VALUES ('running', %(settings)s) RETURNING id, started_at

-- name: bury_killed_runs
-- Runs that never said how they ended: whoever holds the lock knows that they are dead.
UPDATE precalc_runs SET status = 'failed', finished_at = now(), error_message = 'was killed'
WHERE status = 'running'
RETURNING id, started_at

-- name: complete_run
-- Committed together with the graph.
UPDATE precalc_runs
SET status = 'completed', finished_at = clock_timestamp(), snapshot_at = %(snapshot_at)s,
    fingerprint = %(fingerprint)s, next_community_id = %(next_community_id)s, figures = %(figures)s
WHERE id = %(id)s

-- name: mark_moment
-- Which transactions are in the graph, and which one wrote it, instead of those of the graph before.
WITH before AS (DELETE FROM precalc_marks)
INSERT INTO precalc_marks (run_id, source_snapshot, swap_snapshot, swap_xid)
SELECT %(id)s, seen, pg_current_snapshot(), pg_current_xact_id() FROM snapshot_moment

-- name: add_figures
-- What is known only after the swap.
UPDATE precalc_runs SET figures = %(figures)s WHERE id = %(id)s

-- name: fail_run
-- Why a run ended without a graph; one that has committed its graph stays completed.
UPDATE precalc_runs SET status = 'failed', finished_at = now(), error_message = %(error_message)s
WHERE id = %(id)s AND status = 'running'

-- name: names_of_bots
-- How the accounts of these numbers are called now; one that was forgotten is called nothing.
SELECT id, name FROM users WHERE id = ANY(%(ids)s::integer[])

-- name: runs
-- The newest runs, newest first.
SELECT id, status, started_at, finished_at, snapshot_at, error_message, settings, figures
FROM precalc_runs ORDER BY id DESC LIMIT %(limit)s

-- name: shown_run
-- The run whose graph is shown.
SELECT id, status, started_at, finished_at, snapshot_at, error_message, settings, figures
FROM precalc_runs WHERE status = 'completed' ORDER BY id DESC LIMIT 1

-- name: limit_lock_waits
-- How long a statement of this session waits for a lock, in milliseconds.
SELECT set_config('lock_timeout', %(limit_ms)s::text, %(local)s)

-- name: notice_dead_client
-- The server ends the statement of a client that was killed, instead of finishing it first.
SELECT set_config('client_connection_check_interval', '2s', false)

-- name: close_door_of_nodes
-- Waits behind those who read nodes, and lets nobody new in before itself; holds nothing when it is through.
DO $$ BEGIN LOCK TABLE graph_nodes IN ACCESS EXCLUSIVE MODE; END $$

-- name: close_door_of_links
-- Waits behind those who read links, and lets nobody new in before itself; holds nothing when it is through.
DO $$ BEGIN LOCK TABLE graph_links IN ACCESS EXCLUSIVE MODE; END $$

-- name: doors_closed
-- How many of these sessions wait at their door.
SELECT count(*) FROM pg_locks
WHERE locktype = 'relation' AND NOT granted AND mode = 'AccessExclusiveLock' AND pid = ANY(%(doors)s::integer[])

-- name: readers_inside
-- Who has looked at nodes or links in a transaction that goes on, at both of them, and who waits to look on. Left
-- out are those that keep the snapshot they have: a dump, and whoever has held one since before a moment.
SELECT l.pid, COALESCE(a.application_name, ''), count(*) FILTER (WHERE l.granted) = 2, bool_or(NOT l.granted)
FROM (
    SELECT DISTINCT pid, relation, granted FROM pg_locks
    WHERE locktype = 'relation' AND pid <> ALL(%(own)s::integer[])
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND relation IN ('graph_nodes'::regclass, 'graph_links'::regclass)
) AS l
LEFT JOIN pg_stat_activity AS a USING (pid)
WHERE COALESCE(a.application_name, '') <> 'pg_dump'
  AND NOT COALESCE(a.backend_xmin IS NOT NULL AND a.xact_start < %(since)s::timestamptz, false)
GROUP BY l.pid, a.application_name
HAVING bool_or(l.granted)
ORDER BY l.pid

-- name: vacuum
-- The rows that a swap replaced are dead: room for the next one, and figures for the planner. Giving pages back to
-- the file system would wait 5 s for readers to be gone.
VACUUM (ANALYZE, TRUNCATE false) {table}

-- name: analyze
-- Figures for the planner.
ANALYZE {table}

-- name: tell_changes
-- What this session has changed is told to the server's statistics now, and not within a second.
SELECT pg_stat_force_next_flush()

-- name: changed_since
-- Of each table how many rows were changed since it was analyzed, how many are dead, and whether it ever was analyzed.
SELECT relname, n_mod_since_analyze, n_dead_tup, last_analyze IS NOT NULL OR last_autoanalyze IS NOT NULL
FROM pg_stat_all_tables
WHERE relid = ANY(%(tables)s::text[]::regclass[])

-- name: swapped_since
-- The run whose graph is shown and how many transactions ago it was swapped in: the oldest that the swap did not see
-- ended, and the swap itself; whether nobody has written nodes or links since, whom a trigger would have told; and who
-- has marked the stored links. Nothing in a copy made by dump and restore: transactions are others there.
SELECT m.run_id, age(pg_snapshot_xmin(m.swap_snapshot)::xid), age(m.swap_xid::xid),
       EXISTS (SELECT FROM graph_top_marks AS t WHERE t.xmin = m.swap_xid::xid),
       (SELECT t.xmin::text FROM graph_top_marks AS t)
FROM precalc_marks AS m
WHERE m.xmin = m.swap_xid::xid

-- name: shown_links
-- How many links are shown, and how many of them somebody else may have written since.
SELECT count(*), count(*) FILTER (WHERE age(xmin) <= %(since)s::integer AND age(xmin) <> %(swap)s::integer)
FROM graph_links

-- name: shown_activity
-- The activity on some pages of its table, packed: user, subreddit (4 bytes each), count (8 bytes); how many rows
-- there are, and how many of them somebody else may have written since.
SELECT string_agg(int4send(user_id) || int4send(subreddit_id) || int8send(activity_count), ''::bytea), count(*),
       count(*) FILTER (WHERE age(xmin) <= %(since)s::integer AND age(xmin) <> %(swap)s::integer)
FROM user_subreddit_activity
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: shown_relationships
-- The relationships on some pages of their table, those from the lesser id packed: both ids, shared users (4 bytes
-- each), weight (8 bytes); and how many rows, as above.
SELECT string_agg(int4send(source_subreddit_id) || int4send(target_subreddit_id) || int4send(overlap_count)
                  || float8send(weight), ''::bytea) FILTER (WHERE source_subreddit_id < target_subreddit_id), count(*),
       count(*) FILTER (WHERE age(xmin) <= %(since)s::integer AND age(xmin) <> %(swap)s::integer)
FROM subreddit_relationships
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: shown_nodes
-- The nodes on some pages of their table, packed: whether it is a user, id, a number that follows from the name, three
-- communities (4 bytes each, -1 is none), val and two coordinates (8 bytes each); and how many rows, as above.
SELECT string_agg(int4send((type = 'user')::integer)
                  || int4send(substr(id, CASE type WHEN 'user' THEN 6 ELSE 11 END)::integer) || int4send(hashtext(name))
                  || int4send(COALESCE(community_id, -1)) || int4send(COALESCE(country_id, -1))
                  || int4send(COALESCE(town_id, -1)) || int8send(val::bigint) || float8send(COALESCE(pos_x, 'NaN'))
                  || float8send(COALESCE(pos_y, 'NaN')), ''::bytea) FILTER (WHERE type IN ('user', 'subreddit')),
       count(*),
       count(*) FILTER (WHERE age(xmin) <= %(since)s::integer AND age(xmin) <> %(swap)s::integer)
FROM graph_nodes
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: stage_changed_activity
-- Where activity waits that differs; 0 is no more.
CREATE TEMPORARY TABLE changed_activity (user_id integer, subreddit_id integer, activity_count bigint)

-- name: stage_changed_memberships
-- Where links between people and subreddits wait that differ; 0 is no more.
CREATE TEMPORARY TABLE changed_memberships (user_id integer, subreddit_id integer, activity_count bigint)

-- name: stage_changed_pairs
-- Where related subreddits wait that differ; 0 shared users are no more.
CREATE TEMPORARY TABLE changed_pairs (one integer, other integer, shared integer, weight double precision)

-- name: stage_changed_nodes
-- Where nodes wait that differ; val 0 is no more.
CREATE TEMPORARY TABLE changed_nodes
    (is_user boolean, id integer, val bigint, pos_x double precision, pos_y double precision,
     community_id integer, country_id integer, town_id integer)

-- name: copy_changed_activity
-- Activity that differs.
COPY changed_activity FROM STDIN (FORMAT binary)

-- name: copy_changed_memberships
-- Links between people and subreddits that differ.
COPY changed_memberships FROM STDIN (FORMAT binary)

-- name: copy_changed_pairs
-- Related subreddits that differ.
COPY changed_pairs FROM STDIN (FORMAT binary)

-- name: copy_changed_nodes
-- Nodes that differ.
COPY changed_nodes FROM STDIN (FORMAT binary)

-- name: analyze_changed
-- The planner must know how much differs.
ANALYZE changed_activity, changed_memberships, changed_pairs, changed_nodes

-- name: find_activity_changes
-- What differs in activity, and where it stands.
CREATE TEMPORARY TABLE {changes} ON COMMIT DROP AS
SELECT old.ctid AS place, new.activity_count = 0 AS gone, new.*
FROM changed_activity AS new
LEFT JOIN user_subreddit_activity AS old USING (user_id, subreddit_id)
WHERE new.activity_count > 0 OR old.user_id IS NOT NULL

-- name: find_relationships_changes
-- What differs in relationships, in both directions, and where it stands.
CREATE TEMPORARY TABLE {changes} ON COMMIT DROP AS
SELECT old.ctid AS place, new.shared = 0 AS gone, new.*
FROM (
    SELECT one AS source, other AS target, shared, weight FROM changed_pairs
    UNION ALL
    SELECT other, one, shared, weight FROM changed_pairs
) AS new
LEFT JOIN subreddit_relationships AS old
       ON old.source_subreddit_id = new.source AND old.target_subreddit_id = new.target
WHERE new.shared > 0 OR old.source_subreddit_id IS NOT NULL

-- name: find_nodes_changes
-- What differs in nodes, and where it stands.
CREATE TEMPORARY TABLE {changes} ON COMMIT DROP AS
SELECT old.ctid AS place, new.val = 0 AS gone, new.*
FROM (
    SELECT 'user_' || c.id AS id, u.name, c.val::numeric AS val, 'user' AS type, c.pos_x, c.pos_y,
           NULL::double precision AS pos_z, NULLIF(c.community_id, -1) AS community_id,
           NULLIF(c.country_id, -1) AS country_id, NULLIF(c.town_id, -1) AS town_id
    FROM changed_nodes AS c LEFT JOIN snapshot_users AS u USING (id)
    WHERE c.is_user
    UNION ALL
    SELECT 'subreddit_' || c.id, s.name, c.val::numeric, 'subreddit', c.pos_x, c.pos_y, NULL,
           NULLIF(c.community_id, -1), NULLIF(c.country_id, -1), NULLIF(c.town_id, -1)
    FROM changed_nodes AS c LEFT JOIN snapshot_subreddits AS s USING (id)
    WHERE NOT c.is_user
) AS new
LEFT JOIN graph_nodes AS old USING (id)
WHERE new.val > 0 OR old.id IS NOT NULL

-- name: find_links_changes
-- What differs in links, and where it stands: each link once, the source first by text.
CREATE TEMPORARY TABLE {changes} ON COMMIT DROP AS
SELECT old.ctid AS place, new.val = 0 AS gone, new.*
FROM (
    SELECT LEAST(one, other) COLLATE "default" AS source, GREATEST(one, other) COLLATE "default" AS target,
           'subreddit-subreddit' AS type, shared::numeric AS val, weight
    FROM (
        SELECT ('subreddit_' || one) COLLATE "C" AS one, ('subreddit_' || other) COLLATE "C" AS other,
               shared, weight
        FROM changed_pairs
    ) AS pairs
    UNION ALL
    SELECT 'subreddit_' || subreddit_id, 'user_' || user_id, 'user-subreddit', activity_count::numeric, NULL
    FROM changed_memberships
) AS new
LEFT JOIN graph_links AS old USING (source, target)
WHERE new.val > 0 OR old.source IS NOT NULL
