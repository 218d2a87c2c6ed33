-- The heaviest links among the biggest nodes, computed beforehand: graph_top_links holds each link that some question
-- of at most so many nodes and links must answer.

-- name: stage
-- All links among the biggest nodes, and at which place in the order of size the smaller end of each is.
CREATE TEMPORARY TABLE top_links ON COMMIT DROP AS
WITH top AS MATERIALIZED (
    SELECT id, val, (row_number() OVER (ORDER BY val DESC, id))::integer AS place
    FROM graph_nodes ORDER BY val DESC, id LIMIT %(nodes)s::bigint
)
SELECT l.source, l.target, l.val::float8 AS val, l.weight, GREATEST(a.place, b.place) AS reach,
       CASE WHEN a.place > b.place THEN a.val ELSE b.val END AS least_val,
       CASE WHEN a.place > b.place THEN a.id ELSE b.id END AS least_id
FROM graph_links AS l
JOIN top AS a ON a.id = l.target
JOIN top AS b ON b.id = l.source

-- name: analyze
-- The planner must know how many links there are.
ANALYZE top_links (source, target)

-- name: prune
-- Links that no question needs: of those within the bound alone so many are heavier.
DELETE FROM top_links AS l USING (
    SELECT weight, val FROM top_links WHERE reach <= %(bound)s::integer
    ORDER BY weight DESC NULLS LAST, val DESC
    OFFSET %(links)s::bigint - 1 LIMIT 1
) AS last
WHERE l.reach > %(bound)s::integer
  AND (COALESCE(l.weight, '-Infinity'), l.val) < (COALESCE(last.weight, '-Infinity'), last.val)

-- name: stage_changes
-- How these differ from what is stored: by old.place where a row is there.
CREATE TEMPORARY TABLE top_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.*
FROM graph_top_links AS old
FULL JOIN top_links AS new ON new.source = old.source AND new.target = old.target
WHERE (new.source, new.val, new.weight, new.least_val, new.least_id)
      IS DISTINCT FROM (old.source, old.val, old.weight, old.least_val, old.least_id)

-- name: remove
-- Links that are no more among them, or others now.
DELETE FROM graph_top_links AS old USING top_changes AS new WHERE old.ctid = new.place

-- name: add
-- Links that are new among them, or others now.
INSERT INTO graph_top_links (source, target, val, weight, least_val, least_id)
SELECT source, target, val, weight, least_val, least_id FROM top_changes WHERE source IS NOT NULL
ORDER BY weight DESC NULLS LAST, val DESC, source, target

-- name: mark
-- From here on they agree with the graph.
INSERT INTO graph_top_marks (nodes, links) VALUES (%(nodes)s, %(links)s)
ON CONFLICT (one) DO UPDATE SET nodes = excluded.nodes, links = excluded.links

-- name: marked
-- For how many nodes and links they agree with the graph, and since which transaction; nothing where they do not.
SELECT nodes, links, xmin::text FROM graph_top_marks

-- name: stage_gone
-- Where links wait that are no more among them, or others now: two subreddits, or one and a user.
CREATE TEMPORARY TABLE gone_top (is_user boolean, one integer, other integer)

-- name: stage_new
-- Where links wait that are new among them, or others now; the smaller end is the least.
CREATE TEMPORARY TABLE new_top
    (is_user boolean, one integer, other integer, val double precision, weight double precision,
     least_is_user boolean, least_id bigint, least_val bigint)

-- name: copy_gone
-- Links that are no more among them.
COPY gone_top FROM STDIN (FORMAT binary)

-- name: copy_new
-- Links that are new among them.
COPY new_top FROM STDIN (FORMAT binary)

-- name: analyze_both
-- The planner must know how many there are.
ANALYZE gone_top, new_top

-- name: by_hash
-- Texts are made before they are compared, so that the planner knows little of them: it has chosen a sort of both, and
-- a nested loop of minutes. Until the transaction ends.
SELECT set_config('enable_mergejoin', 'off', true), set_config('enable_nestloop', 'off', true)

-- name: remove_gone
-- Links that are no more among them, or others now.
DELETE FROM graph_top_links AS old USING (
    SELECT LEAST(one, other) COLLATE "default" AS source, GREATEST(one, other) COLLATE "default" AS target
    FROM (SELECT ('subreddit_' || one) COLLATE "C" AS one,
                 (CASE WHEN is_user THEN 'user_' ELSE 'subreddit_' END || other) COLLATE "C" AS other
          FROM gone_top) AS ends
) AS gone
WHERE old.source = gone.source AND old.target = gone.target

-- name: add_new
-- Links that are new among them, or others now.
INSERT INTO graph_top_links (source, target, val, weight, least_val, least_id)
SELECT LEAST(one, other) COLLATE "default", GREATEST(one, other) COLLATE "default", val, weight, least_val, least
FROM (SELECT ('subreddit_' || one) COLLATE "C" AS one,
             (CASE WHEN is_user THEN 'user_' ELSE 'subreddit_' END || other) COLLATE "C" AS other,
             val, weight, least_val, CASE WHEN least_is_user THEN 'user_' ELSE 'subreddit_' END || least_id AS least
      FROM new_top) AS ends
ORDER BY weight DESC NULLS LAST, val DESC, 1, 2

-- name: show_to_all
-- Pages that all may see are known as such again, and are not read beside their index.
VACUUM (ANALYZE, TRUNCATE false) graph_top_links

-- name: lock_graph
-- Nobody writes the graph until this transaction ends; readers go on reading.
LOCK TABLE graph_nodes, graph_links IN SHARE ROW EXCLUSIVE MODE

-- name: is_marked
-- Whether they agree with the graph.
SELECT EXISTS (SELECT FROM graph_top_marks)

-- name: differences
-- Stored links that are not such a link of the graph, and of the heaviest links among the biggest nodes those that are
-- not stored: the first of them, and how many.
WITH top AS MATERIALIZED (
    SELECT id, val, row_number() OVER (ORDER BY val DESC, id) AS place
    FROM graph_nodes ORDER BY val DESC, id LIMIT (SELECT nodes FROM graph_top_marks)
), among AS MATERIALIZED (
    SELECT l.source, l.target, l.val::float8 AS val, l.weight,
           CASE WHEN a.place > b.place THEN a.val ELSE b.val END AS least_val,
           CASE WHEN a.place > b.place THEN a.id ELSE b.id END AS least_id
    FROM graph_links AS l
    JOIN top AS a ON a.id = l.target
    JOIN top AS b ON b.id = l.source
), wrong AS (
    (SELECT source, target, val, weight, least_val, least_id FROM graph_top_links EXCEPT ALL TABLE among)
    UNION ALL
    (SELECT * FROM (SELECT * FROM among ORDER BY weight DESC NULLS LAST, val DESC, source, target
                    LIMIT (SELECT links FROM graph_top_marks)) AS heaviest
     EXCEPT ALL
     SELECT source, target, val, weight, least_val, least_id FROM graph_top_links)
)
SELECT concat_ws(' ', source, target), count(*) OVER () FROM wrong
ORDER BY source, target
LIMIT %(samples)s::bigint
