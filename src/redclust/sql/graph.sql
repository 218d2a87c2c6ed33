-- Looking at the graph; every command reads in one REPEATABLE READ transaction, so that one graph answers.
--
-- Ties are broken by name, byte by byte: the ids depend on the order in which files were imported.

-- name: shown_run
-- When the graph that is shown was computed, and as of when.
SELECT finished_at, snapshot_at FROM precalc_runs WHERE status = 'completed' ORDER BY id DESC LIMIT 1

-- name: holds_subreddits
-- Whether anything was imported at all.
SELECT EXISTS (SELECT FROM subreddits)

-- name: holds_nodes
-- Whether there is a graph at all.
SELECT EXISTS (SELECT FROM graph_nodes)

-- name: count_nodes
-- How many nodes of each type there are, and how many of them are in no community.
SELECT type, count(*), count(*) FILTER (WHERE community_id IS NULL) FROM graph_nodes GROUP BY type

-- name: count_links
-- How many links of each type there are.
SELECT type, count(*) FROM graph_links GROUP BY type

-- name: count_communities
-- How many communities there are at each level.
SELECT level, count(*) FROM graph_communities GROUP BY level ORDER BY level

-- name: communities
-- The communities of a level, or those inside one, with most subreddits; each with the names of its biggest ones.
SELECT c.id, c.label, c.terms, c.subreddits, c.users, COALESCE(biggest.names, '{}')
FROM (
    SELECT * FROM graph_communities
    WHERE CASE WHEN %(parent)s::bigint IS NULL THEN level = %(level)s::integer ELSE parent_id = %(parent)s::bigint END
    ORDER BY subreddits DESC, id
    LIMIT %(limit)s::bigint
) AS c
LEFT JOIN (
    SELECT community_id, array_agg(name ORDER BY place) AS names
    FROM (
        SELECT level.id AS community_id, n.name,
               row_number() OVER (PARTITION BY level.id ORDER BY n.val DESC, n.name COLLATE "C") AS place
        FROM graph_nodes AS n
        CROSS JOIN LATERAL (VALUES (n.community_id), (n.country_id), (n.town_id)) AS level (id)
        WHERE n.type = 'subreddit' AND level.id IS NOT NULL
    ) AS ranked
    WHERE place <= %(leading)s::bigint
    GROUP BY community_id
) AS biggest ON biggest.community_id = c.id
ORDER BY c.subreddits DESC, c.id

-- name: community
-- One community, and what it lies in.
SELECT c.id, c.label, c.subreddits, c.users, c.level, c.terms, p.id, p.label
FROM graph_communities AS c LEFT JOIN graph_communities AS p ON p.id = c.parent_id
WHERE c.id = %(id)s::bigint

-- name: linked_communities
-- The communities of its level that a community is linked to most.
SELECT c.id, c.label, l.links, l.weight
FROM (
    SELECT target_id AS id, links, weight FROM graph_community_links WHERE source_id = %(id)s::bigint
    UNION ALL
    SELECT source_id, links, weight FROM graph_community_links WHERE target_id = %(id)s::bigint
) AS l
JOIN graph_communities AS c USING (id)
ORDER BY l.weight DESC, c.id
LIMIT %(limit)s::bigint

-- name: members
-- The biggest subreddits of a community, and how many there are.
SELECT n.id, n.name, n.val::float8, count(*) OVER ()
FROM graph_nodes AS n
WHERE n.type = 'subreddit' AND %(id)s::bigint IN (n.community_id, n.country_id, n.town_id)
ORDER BY n.val DESC, n.name COLLATE "C"
LIMIT %(limit)s::bigint

-- name: membership
-- The community of every subreddit, -1 where it is in none.
SELECT n.name, COALESCE(c.id, -1), COALESCE(c.label, '')
FROM graph_nodes AS n LEFT JOIN graph_communities AS c ON c.id = n.community_id
WHERE n.type = 'subreddit'

-- name: top
-- The biggest nodes of a type.
SELECT n.id, n.name, n.type, n.val::float8, n.community_id, c.label
FROM (
    SELECT * FROM graph_nodes
    WHERE type = %(type)s::text
    ORDER BY val DESC, name COLLATE "C"
    LIMIT %(limit)s::bigint
) AS n
LEFT JOIN graph_communities AS c ON c.id = n.community_id
ORDER BY n.val DESC, n.name COLLATE "C"

-- name: node_by_id
-- One node.
SELECT n.id, n.name, n.type, n.val::float8, n.community_id, c.label
FROM graph_nodes AS n LEFT JOIN graph_communities AS c ON c.id = n.community_id
WHERE n.id = %(id)s::text

-- name: node_by_name
-- The nodes of these types with a name, however it is capitalised; a subreddit before a user.
SELECT n.id, n.name, n.type, n.val::float8, n.community_id, c.label
FROM graph_nodes AS n LEFT JOIN graph_communities AS c ON c.id = n.community_id
WHERE lower(n.name) = lower(%(name)s::text) AND n.type = ANY(%(types)s::text[])
ORDER BY n.type, n.id

-- name: neighbours
-- The subreddits a node is linked to, the closest first, and how many there are. 'user' sorts behind every
-- subreddit's id: the users of a big subreddit, a million maybe, are never read.
SELECT n.id, n.name, n.community_id, c.label, e.val::float8, e.weight, count(*) OVER ()
FROM (
    SELECT target AS id, val, weight FROM graph_links WHERE source = %(id)s::text AND target < 'user'
    UNION ALL
    SELECT source, val, weight FROM graph_links WHERE target = %(id)s::text AND source < 'user'
) AS e
JOIN graph_nodes AS n ON n.id = e.id AND n.type = 'subreddit'
LEFT JOIN graph_communities AS c ON c.id = n.community_id
ORDER BY CASE WHEN %(by)s::text = 'weight' THEN e.weight END DESC NULLS LAST, e.val DESC, n.name COLLATE "C"
LIMIT %(limit)s::bigint

-- name: names_near
-- Names that sort close to a name, and those of the biggest nodes: what a mistyped name may have meant.
(SELECT name, type FROM graph_nodes
 WHERE lower(name) >= lower(%(name)s::text) AND type = ANY(%(types)s::text[])
 ORDER BY lower(name) LIMIT 200)
UNION
(SELECT name, type FROM graph_nodes
 WHERE lower(name) < lower(%(name)s::text) AND type = ANY(%(types)s::text[])
 ORDER BY lower(name) DESC LIMIT 200)
UNION
(SELECT name, type FROM graph_nodes WHERE type = (%(types)s::text[])[1] ORDER BY val DESC, id LIMIT 2000)

-- name: subreddit_outside
-- A subreddit that was imported, whether or not it is in the graph.
SELECT id, name FROM subreddits WHERE lower(name) = lower(%(name)s::text)

-- name: user_outside
-- Why the account of a user who was imported counts as a bot; NULL for people.
SELECT bot_reason FROM users WHERE lower(name) = lower(%(name)s::text)

-- name: why_path
-- The communities of a node, the largest first.
SELECT c.id, c.label
FROM graph_nodes AS n JOIN graph_communities AS c ON c.id IN (n.community_id, n.country_id, n.town_id)
WHERE n.id = %(id)s::text
ORDER BY c.level

-- name: why_written
-- What stands in a subreddit, and who wrote it; reads posts and comments once.
SELECT (SELECT count(*) FROM posts WHERE subreddit_id = %(id)s::integer AND NOT placeholder),
       (SELECT count(*) FROM comments WHERE subreddit_id = %(id)s::integer),
       (SELECT count(*) FROM imported_interactions WHERE subreddit_id = %(id)s::integer)

-- name: why_active
-- How many accounts the last precalc counted there, and how many of them are on the map.
SELECT count(*), count(n.id)
FROM user_subreddit_activity AS a LEFT JOIN graph_nodes AS n ON n.id = 'user_' || a.user_id
WHERE a.subreddit_id = %(id)s::integer

-- name: why_related
-- How many subreddits it shares users with, how many of them above chance, and the most users shared.
SELECT count(*), count(*) FILTER (WHERE weight > 0), COALESCE(max(overlap_count), 0)
FROM subreddit_relationships WHERE source_subreddit_id = %(id)s::integer

-- name: why_pulls
-- The continents that a subreddit's links above chance go to, by their weight.
SELECT c.id, c.label, sum(l.weight)
FROM (
    SELECT target AS id, weight FROM graph_links WHERE source = %(id)s::text AND target < 'user' AND weight > 0
    UNION ALL
    SELECT source, weight FROM graph_links WHERE target = %(id)s::text AND source < 'user' AND weight > 0
) AS l
JOIN graph_nodes AS n USING (id)
JOIN graph_communities AS c ON c.id = n.community_id
GROUP BY c.id, c.label
ORDER BY 3 DESC, c.id
LIMIT %(limit)s::bigint

-- name: why_settings
-- With which settings the graph that is shown was computed.
SELECT finished_at, snapshot_at, (figures ->> 'min_shared_users')::integer,
       (settings ->> 'max_subreddits_per_user')::integer
FROM precalc_runs WHERE status = 'completed' ORDER BY id DESC LIMIT 1

-- name: plan_for_all_rows
-- A cursor that will be read to its end is planned for that.
SET LOCAL cursor_tuple_fraction = 1

-- name: export_cuts
-- The last node of each type that is in, where only the biggest of each type are exported.
SELECT array_agg(c.type), array_agg(c.val), array_agg(c.id)
FROM (VALUES ('subreddit'), ('user'), ('post'), ('comment')) AS t (type)
CROSS JOIN LATERAL (
    SELECT n.type, n.val, n.id FROM graph_nodes AS n
    WHERE n.type = t.type AND (%(type)s::text IS NULL OR n.type = %(type)s::text)
      AND (%(min_val)s::numeric IS NULL OR n.val >= %(min_val)s::numeric)
      AND (%(community)s::bigint IS NULL OR %(community)s::bigint IN (n.community_id, n.country_id, n.town_id))
    ORDER BY n.val DESC, n.id
    LIMIT 1 OFFSET %(top)s::bigint - 1
) AS c

-- name: export_chosen
-- What is exported: of a type, a least size, a community of any level, and not behind the last node of its type.
SELECT n.id FROM graph_nodes AS n
WHERE (%(type)s::text IS NULL OR n.type = %(type)s::text)
  AND (%(min_val)s::numeric IS NULL OR n.val >= %(min_val)s::numeric)
  AND (%(community)s::bigint IS NULL OR %(community)s::bigint IN (n.community_id, n.country_id, n.town_id))
  AND NOT EXISTS (
      SELECT FROM unnest(%(cut_types)s::text[], %(cut_vals)s::numeric[], %(cut_ids)s::text[]) AS cut (type, val, id)
      WHERE cut.type = n.type AND (n.val < cut.val OR (n.val = cut.val AND n.id > cut.id)))

-- name: export_counts
-- How many nodes and links an export will hold.
WITH chosen AS MATERIALIZED ({chosen})
SELECT (SELECT count(*) FROM chosen),
       (SELECT count(*) FROM graph_links AS l
        JOIN chosen AS s ON s.id = l.source
        JOIN chosen AS t ON t.id = l.target)

-- name: export_nodes
-- The nodes to export.
SELECT n.id, n.name, n.type, n.val::float8, n.community_id, c.label, n.pos_x, n.pos_y, n.pos_z
FROM ({chosen}) AS chosen JOIN graph_nodes AS n USING (id)
LEFT JOIN graph_communities AS c ON c.id = n.community_id
ORDER BY n.id

-- name: export_links
-- The links between exported nodes; one whose end is no node is left out.
WITH chosen AS MATERIALIZED ({chosen})
SELECT l.source, l.target, l.type, l.val::float8, l.weight
FROM graph_links AS l
JOIN chosen AS s ON s.id = l.source
JOIN chosen AS t ON t.id = l.target
ORDER BY l.source, l.target

-- name: map_nodes
-- The subreddits that belong on the map and have a place there, numbered as in map_links by their order.
SELECT n.name, n.val::float8, n.pos_x, n.pos_y, n.community_id, COALESCE(n.country_id, -1)
FROM graph_nodes AS n
WHERE n.type = 'subreddit' AND n.val >= %(min_val)s::numeric AND n.pos_x IS NOT NULL AND n.pos_y IS NOT NULL
  AND (%(loose)s::boolean OR n.community_id IS NOT NULL)
ORDER BY n.val DESC, n.name COLLATE "C", n.id

-- name: map_links
-- Links above chance between the subreddits of map_nodes, packed: both numbers (4 bytes each), weight (8 bytes).
WITH placed AS MATERIALIZED (
    SELECT id, (row_number() OVER (ORDER BY val DESC, name COLLATE "C", id) - 1)::integer AS number
    FROM graph_nodes
    WHERE type = 'subreddit' AND val >= %(min_val)s::numeric AND pos_x IS NOT NULL AND pos_y IS NOT NULL
      AND (%(loose)s::boolean OR community_id IS NOT NULL)
)
SELECT string_agg(int4send(LEAST(s.number, t.number)) || int4send(GREATEST(s.number, t.number))
                  || float8send(l.weight), ''::bytea)
FROM graph_links AS l
JOIN placed AS s ON s.id = l.source
JOIN placed AS t ON t.id = l.target
WHERE l.type = 'subreddit-subreddit' AND l.weight > 0
GROUP BY s.number / 16

-- name: map_communities
-- The names of the continents.
SELECT id, label FROM graph_communities WHERE level = 0 ORDER BY id

-- name: map_countries
-- The names of the countries.
SELECT id, label FROM graph_communities WHERE level = 1 ORDER BY id

-- name: map_left_out
-- Of the subreddits big enough for the map, those in no community and those of the others without a place.
SELECT count(*) FILTER (WHERE community_id IS NULL AND NOT %(loose)s::boolean),
       count(*) FILTER (WHERE (pos_x IS NULL OR pos_y IS NULL)
                          AND (%(loose)s::boolean OR community_id IS NOT NULL))
FROM graph_nodes
WHERE type = 'subreddit' AND val >= %(min_val)s::numeric
