-- The map: read in one snapshot, staged beside the old one, and exchanged for it by differences.
--
-- The queries named stage_* make the temporary tables that the others of a run work on, in the order in which
-- they stand here.

-- name: stage_activity
-- Who was active where, and how often: posts, comments and imported interactions.
CREATE TEMPORARY TABLE new_activity AS
SELECT user_id, subreddit_id, sum(n)::bigint AS activity_count
FROM (
    SELECT author_id AS user_id, subreddit_id, count(*) AS n FROM posts
    WHERE NOT placeholder AND author_id IS NOT NULL
    GROUP BY author_id, subreddit_id
    UNION ALL
    SELECT author_id, subreddit_id, count(*) FROM comments
    WHERE author_id IS NOT NULL
    GROUP BY author_id, subreddit_id
    UNION ALL
    SELECT user_id, subreddit_id, n FROM imported_interactions
) AS counted
GROUP BY user_id, subreddit_id

-- name: stage_users
-- The names of the active users, as of the same snapshot.
CREATE TEMPORARY TABLE snapshot_users AS
SELECT id, name, bot_reason FROM users WHERE id IN (SELECT user_id FROM new_activity)

-- name: stage_subreddits
-- The names of the active subreddits, as of the same snapshot.
CREATE TEMPORARY TABLE snapshot_subreddits AS
SELECT id, name FROM subreddits WHERE id IN (SELECT subreddit_id FROM new_activity)

-- name: transaction_began_at
-- When this transaction began: what was committed before, it sees.
SELECT now()

-- name: activity_size
-- How many pages and rows the activity has.
SELECT pg_relation_size('pg_temp.new_activity') / current_setting('block_size')::integer, count(*)
FROM new_activity

-- name: activity_block
-- The activity on some pages of its table, packed: user, subreddit (4 bytes each), count (8 bytes).
SELECT string_agg(int4send(user_id) || int4send(subreddit_id) || int8send(activity_count), ''::bytea)
FROM new_activity
WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid

-- name: user_ids
-- The ids of the active users, packed, in the order of their names.
SELECT string_agg(int4send(id), ''::bytea ORDER BY lower(name) COLLATE "C") FROM snapshot_users

-- name: named_bots
-- The active users that are marked as bots.
SELECT id FROM snapshot_users WHERE bot_reason IS NOT NULL

-- name: subreddit_names
-- The active subreddits in the order of their names.
SELECT id, name FROM snapshot_subreddits ORDER BY lower(name) COLLATE "C"

-- name: user_names
-- The names of these users, in the order asked.
SELECT u.name
FROM unnest(%(ids)s::integer[]) WITH ORDINALITY AS asked (id, place)
JOIN snapshot_users AS u ON u.id = asked.id
ORDER BY asked.place

-- name: previous_map
-- Where the graph that is shown has these subreddits now.
SELECT s.id, n.community_id, n.pos_x, n.pos_y
FROM snapshot_subreddits AS s
JOIN graph_nodes AS n ON n.type = 'subreddit' AND lower(n.name) = lower(s.name)

-- name: previous_fingerprint
-- What the graph that is shown was clustered from.
SELECT fingerprint FROM precalc_runs WHERE status = 'completed' ORDER BY id DESC LIMIT 1

-- name: stage_placed_subreddits
-- Where subreddits wait to become nodes; community -1 is none.
CREATE TEMPORARY TABLE placed_subreddits
    (id integer, val bigint, pos_x double precision, pos_y double precision, community_id integer)

-- name: stage_placed_users
-- Where users wait to become nodes; community -1 is none.
CREATE TEMPORARY TABLE placed_users
    (id integer, val bigint, pos_x double precision, pos_y double precision, community_id integer)

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
-- The communities of the new graph, numbered from 0.
INSERT INTO new_communities (id, label, subreddits, users, pos_x, pos_y)
SELECT place - 1, label, subreddits, users, pos_x, pos_y
FROM unnest(%(labels)s::text[], %(subreddits)s::integer[], %(users)s::integer[],
            %(pos_x)s::double precision[], %(pos_y)s::double precision[])
     WITH ORDINALITY AS c (label, subreddits, users, pos_x, pos_y, place)

-- name: stage_relationships
-- The relationships of the new graph, as they will stand: both directions.
CREATE TEMPORARY TABLE new_relationships AS
SELECT one AS source_subreddit_id, other AS target_subreddit_id, shared AS overlap_count, weight FROM staged_pairs
UNION ALL
SELECT other, one, shared, weight FROM staged_pairs

-- name: stage_nodes
-- The nodes of the new graph, as they will stand.
CREATE TEMPORARY TABLE new_nodes AS
SELECT 'subreddit_' || p.id AS id, s.name, p.val::numeric AS val, 'subreddit' AS type,
       p.pos_x, p.pos_y, NULLIF(p.community_id, -1) AS community_id
FROM placed_subreddits AS p JOIN snapshot_subreddits AS s USING (id)
UNION ALL
SELECT 'user_' || p.id, u.name, p.val::numeric, 'user', p.pos_x, p.pos_y, NULLIF(p.community_id, -1)
FROM placed_users AS p JOIN snapshot_users AS u USING (id)

-- name: stage_links
-- The links of the new graph, as they will stand: each once, the source first by text.
CREATE TEMPORARY TABLE new_links AS
SELECT LEAST(one, other) AS source, GREATEST(one, other) AS target, 'subreddit-subreddit' AS type,
       shared::numeric AS val, weight
FROM (
    SELECT ('subreddit_' || one) COLLATE "C" AS one, ('subreddit_' || other) COLLATE "C" AS other, shared, weight
    FROM staged_pairs
) AS pairs
UNION ALL
SELECT 'subreddit_' || a.subreddit_id, 'user_' || a.user_id, 'user-subreddit', a.activity_count::numeric, NULL
FROM new_activity AS a
JOIN placed_users AS u ON u.id = a.user_id
JOIN placed_subreddits AS s ON s.id = a.subreddit_id

-- name: analyze_staged
-- The planner must know how large the new graph is.
ANALYZE new_activity, new_relationships, new_communities, new_nodes, new_links

-- name: lock_for_swap
-- Nobody else writes the graph until this transaction ends; readers go on reading.
LOCK TABLE user_subreddit_activity, subreddit_relationships, graph_communities, graph_nodes, graph_links
IN SHARE ROW EXCLUSIVE MODE

-- name: table_lock_holders
-- Who holds a lock on the graph that keeps its swap out.
SELECT DISTINCT a.pid, a.application_name
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN ('user_subreddit_activity'::regclass, 'subreddit_relationships'::regclass,
                     'graph_communities'::regclass, 'graph_nodes'::regclass, 'graph_links'::regclass)
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
ORDER BY a.pid

-- name: empty
-- Every row goes (precalc --clear).
DELETE FROM {table}

-- name: delete_activity
-- Activity that is no more.
DELETE FROM user_subreddit_activity AS old
WHERE NOT EXISTS (SELECT FROM new_activity AS new
                  WHERE new.user_id = old.user_id AND new.subreddit_id = old.subreddit_id)

-- name: update_activity
-- Activity that is another now.
UPDATE user_subreddit_activity AS old SET activity_count = new.activity_count
FROM new_activity AS new
WHERE new.user_id = old.user_id AND new.subreddit_id = old.subreddit_id
  AND new.activity_count <> old.activity_count

-- name: insert_activity
-- Activity that is new.
INSERT INTO user_subreddit_activity (user_id, subreddit_id, activity_count)
SELECT new.user_id, new.subreddit_id, new.activity_count
FROM new_activity AS new
WHERE NOT EXISTS (SELECT FROM user_subreddit_activity AS old
                  WHERE old.user_id = new.user_id AND old.subreddit_id = new.subreddit_id)
ORDER BY new.user_id, new.subreddit_id

-- name: delete_relationships
-- Relationships that are no more.
DELETE FROM subreddit_relationships AS old
WHERE NOT EXISTS (SELECT FROM new_relationships AS new
                  WHERE new.source_subreddit_id = old.source_subreddit_id
                    AND new.target_subreddit_id = old.target_subreddit_id)

-- name: update_relationships
-- Relationships that are others now.
UPDATE subreddit_relationships AS old SET overlap_count = new.overlap_count, weight = new.weight
FROM new_relationships AS new
WHERE new.source_subreddit_id = old.source_subreddit_id
  AND new.target_subreddit_id = old.target_subreddit_id
  AND (new.overlap_count, new.weight) IS DISTINCT FROM (old.overlap_count, old.weight)

-- name: insert_relationships
-- Relationships that are new.
INSERT INTO subreddit_relationships (source_subreddit_id, target_subreddit_id, overlap_count, weight)
SELECT new.source_subreddit_id, new.target_subreddit_id, new.overlap_count, new.weight
FROM new_relationships AS new
WHERE NOT EXISTS (SELECT FROM subreddit_relationships AS old
                  WHERE old.source_subreddit_id = new.source_subreddit_id
                    AND old.target_subreddit_id = new.target_subreddit_id)
ORDER BY new.source_subreddit_id, new.target_subreddit_id

-- name: delete_communities
-- Communities that are no more.
DELETE FROM graph_communities AS old
WHERE NOT EXISTS (SELECT FROM new_communities AS new WHERE new.id = old.id)

-- name: update_communities
-- Communities that are others now.
UPDATE graph_communities AS old
SET label = new.label, subreddits = new.subreddits, users = new.users, pos_x = new.pos_x, pos_y = new.pos_y
FROM new_communities AS new
WHERE new.id = old.id
  AND (new.label, new.subreddits, new.users, new.pos_x, new.pos_y)
      IS DISTINCT FROM (old.label, old.subreddits, old.users, old.pos_x, old.pos_y)

-- name: insert_communities
-- Communities that are new.
INSERT INTO graph_communities (id, label, subreddits, users, pos_x, pos_y)
SELECT new.id, new.label, new.subreddits, new.users, new.pos_x, new.pos_y
FROM new_communities AS new
WHERE NOT EXISTS (SELECT FROM graph_communities AS old WHERE old.id = new.id)
ORDER BY new.id

-- name: delete_nodes
-- Nodes that are no more.
DELETE FROM graph_nodes AS old
WHERE NOT EXISTS (SELECT FROM new_nodes AS new WHERE new.id = old.id)

-- name: update_nodes
-- Nodes that are others now.
UPDATE graph_nodes AS old
SET name = new.name, val = new.val, type = new.type, pos_x = new.pos_x, pos_y = new.pos_y, pos_z = NULL,
    community_id = new.community_id
FROM new_nodes AS new
WHERE new.id = old.id
  AND (new.name, new.val, new.type, new.pos_x, new.pos_y, NULL, new.community_id)
      IS DISTINCT FROM (old.name, old.val, old.type, old.pos_x, old.pos_y, old.pos_z, old.community_id)

-- name: insert_nodes
-- Nodes that are new.
INSERT INTO graph_nodes (id, name, val, type, pos_x, pos_y, community_id)
SELECT new.id, new.name, new.val, new.type, new.pos_x, new.pos_y, new.community_id
FROM new_nodes AS new
WHERE NOT EXISTS (SELECT FROM graph_nodes AS old WHERE old.id = new.id)
ORDER BY new.id

-- name: delete_links
-- Links that are no more.
DELETE FROM graph_links AS old
WHERE NOT EXISTS (SELECT FROM new_links AS new WHERE new.source = old.source AND new.target = old.target)

-- name: update_links
-- Links that are others now.
UPDATE graph_links AS old SET type = new.type, val = new.val, weight = new.weight
FROM new_links AS new
WHERE new.source = old.source AND new.target = old.target
  AND (new.type, new.val, new.weight) IS DISTINCT FROM (old.type, old.val, old.weight)

-- name: insert_links
-- Links that are new.
INSERT INTO graph_links (source, target, type, val, weight)
SELECT new.source, new.target, new.type, new.val, new.weight
FROM new_links AS new
WHERE NOT EXISTS (SELECT FROM graph_links AS old WHERE old.source = new.source AND old.target = new.target)
ORDER BY new.source, new.target

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
    fingerprint = %(fingerprint)s, figures = %(figures)s
WHERE id = %(id)s

-- name: add_figures
-- What is known only after the swap.
UPDATE precalc_runs SET figures = %(figures)s WHERE id = %(id)s

-- name: fail_run
-- Why a run ended without a graph; one that has committed its graph stays completed.
UPDATE precalc_runs SET status = 'failed', finished_at = now(), error_message = %(error_message)s
WHERE id = %(id)s AND status = 'running'

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
