-- What readers of the map ask, each answered from an index and no more than it must read. Sorted by n.val: plain val
-- would be the column that is given back, as a float8, which no index is on.

-- name: top_nodes
-- The biggest nodes of all types.
SELECT id, name, val::float8, type, pos_x, pos_y, community_id
FROM graph_nodes AS n
ORDER BY n.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: top_of_type
-- The biggest nodes of one type.
SELECT id, name, val::float8, type, pos_x, pos_y, community_id
FROM graph_nodes AS n
WHERE type = %(type)s::text
ORDER BY n.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: links_among_top
-- The strongest links between the biggest nodes, read from the index where these are targets: 'subreddit' sorts
-- before 'user', so that the many users of a subreddit, whose links a plain join reads, are not touched.
WITH top AS MATERIALIZED (SELECT id FROM graph_nodes ORDER BY val DESC, id LIMIT %(limit)s::bigint)
SELECT l.source, l.target, l.val::float8, l.weight
FROM top AS a
CROSS JOIN LATERAL (SELECT source, target, val, weight FROM graph_links WHERE target = a.id OFFSET 0) AS l
JOIN top AS b ON b.id = l.source
ORDER BY l.weight DESC NULLS LAST, l.val DESC, l.source, l.target
LIMIT %(links)s::bigint

-- name: neighbourhood
-- What one node is linked to, from both ends.
SELECT n.id, n.name, n.type, e.val::float8, e.weight
FROM (
    (SELECT target AS id, val, weight FROM graph_links WHERE source = %(id)s::text LIMIT %(limit)s::bigint)
    UNION ALL
    (SELECT source, val, weight FROM graph_links WHERE target = %(id)s::text LIMIT %(limit)s::bigint)
) AS e
JOIN graph_nodes AS n ON n.id = e.id
ORDER BY e.weight DESC NULLS LAST, e.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: page_after
-- The nodes that follow one in the order of size.
SELECT id, name, val::float8, type, pos_x, pos_y, community_id
FROM graph_nodes AS n
WHERE n.val <= %(val)s::numeric AND (n.val < %(val)s::numeric OR n.id > %(id)s::text)
ORDER BY n.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: names_beginning
-- Nodes whose names begin so, by name.
SELECT id, name, val::float8, type
FROM graph_nodes
WHERE lower(name) >= lower(%(prefix)s::text) AND lower(name) < lower(%(prefix)s::text) || chr(1114111)
ORDER BY lower(name)
LIMIT %(limit)s::bigint

-- name: a_node_to_ask_for
-- A subreddit of middling size, where there is one, to ask for its neighbourhood and what follows it.
SELECT id, name, val FROM graph_nodes WHERE type = 'subreddit' ORDER BY val DESC, id OFFSET 50 LIMIT 1

-- name: any_node
-- The biggest node, for a graph that is a small one.
SELECT id, name, val FROM graph_nodes ORDER BY val DESC, id LIMIT 1
