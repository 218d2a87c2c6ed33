-- What readers of the map ask, each answered from an index and no more than it must read. Sorted by n.val: plain val
-- would be the column that is given back, the float8, which no index is on.

-- name: top_nodes
-- The biggest nodes of all types.
SELECT id, name, val_float8 AS val, type, pos_x, pos_y, community_id
FROM graph_nodes AS n
ORDER BY n.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: top_of_type
-- The biggest nodes of one type.
SELECT id, name, val_float8 AS val, type, pos_x, pos_y, community_id
FROM graph_nodes AS n
WHERE type = %(type)s::text
ORDER BY n.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: links_among_top
-- The heaviest links between the biggest nodes: from graph_top_links, in the order of its index, while that agrees
-- with the graph and holds enough; else from the graph itself, where the index of targets passes by the many users of
-- a subreddit ('subreddit' sorts before 'user'), whose links a plain join reads. In no order: a sort of the kinds, of
-- which only one is not empty, would cost as much as the scan. Where all stored links are among the nodes that are
-- asked for, nothing is asked of each.
WITH known AS (
    SELECT COALESCE(bool_or(nodes >= %(limit)s::bigint AND links >= %(links)s::bigint), false) AS enough,
           COALESCE(bool_or(nodes = %(limit)s::bigint), false) AS all_of_them
    FROM graph_top_marks
), last AS (
    SELECT val, id FROM graph_nodes ORDER BY val DESC, id OFFSET %(limit)s::bigint - 1 LIMIT 1
), top AS MATERIALIZED (
    SELECT id FROM graph_nodes
    WHERE (SELECT NOT enough FROM known)
    ORDER BY val DESC, id LIMIT %(limit)s::bigint
)
(SELECT source, target, val, weight FROM graph_top_links
 ORDER BY weight DESC NULLS LAST, val DESC, source, target
 LIMIT (SELECT CASE WHEN enough AND all_of_them THEN %(links)s::bigint ELSE 0 END FROM known))
UNION ALL
(SELECT source, target, val, weight FROM graph_top_links
 WHERE (SELECT enough AND NOT all_of_them FROM known)
   AND (least_val > COALESCE((SELECT val FROM last), '-Infinity')
        OR least_val = (SELECT val FROM last) AND least_id <= (SELECT id FROM last))
 ORDER BY weight DESC NULLS LAST, val DESC, source, target
 LIMIT %(links)s::bigint)
UNION ALL
(SELECT l.source, l.target, l.val, l.weight
 FROM top AS a
 CROSS JOIN LATERAL (SELECT source, target, val::float8, weight FROM graph_links WHERE target = a.id OFFSET 0) AS l
 JOIN top AS b ON b.id = l.source
 ORDER BY l.weight DESC NULLS LAST, l.val DESC, l.source, l.target
 LIMIT %(links)s::bigint)

-- name: map_as_json
-- The biggest nodes and the heaviest links between them, of one moment, as one JSON document that the server writes.
SELECT '{{"nodes":[' || COALESCE((
    SELECT string_agg('[' || to_json(id) || ',' || to_json(name) || ',' || val || ',"' || type || '",'
                      || COALESCE(pos_x::text, 'null') || ',' || COALESCE(pos_y::text, 'null') || ','
                      || COALESCE(community_id::text, 'null') || ']', ',')
    FROM ({nodes}) AS n), '') || '],"links":[' || COALESCE((
    SELECT string_agg('[' || to_json(source) || ',' || to_json(target) || ',' || val || ','
                      || COALESCE(weight::text, 'null') || ']', ',')
    FROM ({links}) AS l), '') || ']}}'

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
SELECT id, name, val_float8 AS val, type, pos_x, pos_y, community_id
FROM graph_nodes AS n
WHERE n.val <= %(val)s::numeric AND (n.val < %(val)s::numeric OR n.id > %(id)s::text)
ORDER BY n.val DESC, n.id
LIMIT %(limit)s::bigint

-- name: names_beginning
-- Nodes whose names begin so, by name.
SELECT id, name, val_float8, type
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

-- name: node_entries
-- The index entries that the biggest nodes are found by, and nothing else.
SELECT val, id FROM graph_nodes ORDER BY val DESC, id LIMIT %(limit)s::bigint

-- name: stored_entries
-- The index entries that the heaviest links are read from, and nothing else.
SELECT source, target, val, weight FROM graph_top_links
ORDER BY weight DESC NULLS LAST, val DESC, source, target
LIMIT %(links)s::bigint

-- name: link_entries
-- The index entries that links among the biggest nodes are found by where none are stored.
WITH top AS MATERIALIZED (SELECT id FROM graph_nodes ORDER BY val DESC, id LIMIT %(limit)s::bigint)
SELECT l.source FROM top AS a CROSS JOIN LATERAL (SELECT source FROM graph_links WHERE target = a.id OFFSET 0) AS l
