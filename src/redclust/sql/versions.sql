-- Versions of the graph: what each changed is kept as it was before, so the state of version N is, for each key, the
-- first row kept by a later version, and where there is none the row that is shown.

-- name: is_first
-- Whether no version was shown before this one: there is nothing to go back to.
SELECT NOT EXISTS (SELECT FROM precalc_runs WHERE status = 'completed' AND id < %(version)s)

-- name: oldest_kept
-- The oldest of the newest so many versions.
SELECT min(id) FROM (
    SELECT id FROM precalc_runs WHERE status = 'completed' ORDER BY id DESC LIMIT %(keep)s
) AS kept

-- name: forget_older
-- What was before the oldest version that is kept.
DELETE FROM {table} WHERE version <= %(oldest)s

-- name: versions
-- The versions, newest first; of those from the oldest kept on, the graph can be put back.
SELECT id, finished_at, snapshot_at, rolled_back_to, figures,
       id >= (SELECT min(id) FROM (SELECT id FROM precalc_runs WHERE status = 'completed'
                                   ORDER BY id DESC LIMIT %(keep)s) AS kept)
FROM precalc_runs
WHERE status = 'completed'
ORDER BY id DESC
LIMIT %(limit)s

-- name: by_hash
-- Statistics that are older than the newest version promise one changed row; a nested loop over all of them would
-- then be quadratic. Until the transaction ends.
SELECT set_config('enable_nestloop', 'off', true)

-- name: diff_nodes
-- How many nodes of each type came, went, changed, or only moved between two versions.
SELECT COALESCE(type_a, type_b) AS type,
       count(*) FILTER (WHERE type_a IS NULL),
       count(*) FILTER (WHERE type_b IS NULL),
       count(*) FILTER (WHERE type_a = type_b AND (name_a, val_a, community_a) IS DISTINCT FROM (name_b, val_b, community_b)),
       count(*) FILTER (WHERE type_a = type_b AND (name_a, val_a, community_a) IS NOT DISTINCT FROM (name_b, val_b, community_b))
FROM graph_nodes_between(%(a)s, %(b)s)
GROUP BY 1
ORDER BY 1

-- name: diff_links
-- How many links of each type came, went, or changed between two versions.
SELECT COALESCE(type_a, type_b) AS type,
       count(*) FILTER (WHERE type_a IS NULL),
       count(*) FILTER (WHERE type_b IS NULL),
       count(*) FILTER (WHERE type_a = type_b)
FROM graph_links_between(%(a)s, %(b)s)
GROUP BY 1
ORDER BY 1

-- name: diff_biggest
-- The subreddits that gained or lost most users between two versions.
SELECT COALESCE(name_b, name_a), val_a::float8, val_b::float8
FROM graph_nodes_between(%(a)s, %(b)s)
WHERE 'subreddit' IN (type_a, type_b) AND val_a IS DISTINCT FROM val_b
ORDER BY abs(COALESCE(val_b, 0) - COALESCE(val_a, 0)) DESC, lower(COALESCE(name_b, name_a)) COLLATE "C"
LIMIT %(limit)s

-- name: diff_communities
-- The communities of the first level that came, went, or changed most between two versions.
SELECT id, label_a, subreddits_a, label_b, subreddits_b
FROM graph_communities_between(%(a)s, %(b)s)
WHERE level = 0
ORDER BY abs(COALESCE(subreddits_b, 0) - COALESCE(subreddits_a, 0)) DESC, id
LIMIT %(limit)s

-- name: stage_put_back
-- The version that is to be put back.
CREATE TEMPORARY TABLE put_back (id integer)

-- name: put_back
-- That version.
INSERT INTO put_back VALUES (%(version)s)

-- name: stage_nodes_of_version
-- How the nodes of a version differ from those that are shown; an account or subreddit that is no more stays gone.
CREATE TEMPORARY TABLE nodes_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.type IS NULL AS gone, new.*
FROM (
    SELECT DISTINCT ON (id) id, name, val,
           CASE WHEN type = 'user' AND NOT EXISTS (SELECT FROM users AS u WHERE 'user_' || u.id = k.id) THEN NULL
                WHEN type = 'subreddit' AND NOT EXISTS (SELECT FROM subreddits AS s WHERE 'subreddit_' || s.id = k.id)
                THEN NULL ELSE type END AS type,
           pos_x, pos_y, pos_z, community_id, country_id, town_id
    FROM graph_nodes_before AS k
    WHERE version > (SELECT id FROM pg_temp.put_back)
    ORDER BY id, version
) AS new
LEFT JOIN graph_nodes AS old USING (id)
WHERE (new.type IS NOT NULL OR old.id IS NOT NULL)
  AND (new.name, new.val, new.type, new.pos_x, new.pos_y, new.pos_z, new.community_id, new.country_id, new.town_id)
      IS DISTINCT FROM
      (old.name, old.val, old.type, old.pos_x, old.pos_y, old.pos_z, old.community_id, old.country_id, old.town_id)

-- name: stage_links_of_version
-- How the links of a version differ from those that are shown; one whose end is no more stays gone. Comes after the
-- nodes are put back.
CREATE TEMPORARY TABLE links_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.type IS NULL AS gone, new.*
FROM (
    SELECT DISTINCT ON (source, target) source, target, val, weight,
           CASE WHEN EXISTS (SELECT FROM graph_nodes AS n WHERE n.id = k.source)
                 AND EXISTS (SELECT FROM graph_nodes AS n WHERE n.id = k.target) THEN type END AS type
    FROM graph_links_before AS k
    WHERE version > (SELECT id FROM pg_temp.put_back)
    ORDER BY source, target, version
) AS new
LEFT JOIN graph_links AS old USING (source, target)
WHERE (new.type IS NOT NULL OR old.source IS NOT NULL)
  AND (new.type, new.val, new.weight) IS DISTINCT FROM (old.type, old.val, old.weight)

-- name: stage_communities_of_version
-- How the communities of a version differ from those that are shown.
CREATE TEMPORARY TABLE communities_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.label IS NULL AS gone, new.*
FROM (
    SELECT DISTINCT ON (id) id, level, parent_id, label, terms, subreddits, users, pos_x, pos_y
    FROM graph_communities_before AS k
    WHERE version > (SELECT id FROM pg_temp.put_back)
    ORDER BY id, version
) AS new
LEFT JOIN graph_communities AS old USING (id)
WHERE (new.label IS NOT NULL OR old.id IS NOT NULL)
  AND (new.level, new.parent_id, new.label, new.terms, new.subreddits, new.users, new.pos_x, new.pos_y)
      IS DISTINCT FROM
      (old.level, old.parent_id, old.label, old.terms, old.subreddits, old.users, old.pos_x, old.pos_y)

-- name: stage_community_links_of_version
-- How the links between communities of a version differ from those that are shown.
CREATE TEMPORARY TABLE community_links_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.links IS NULL AS gone, new.*
FROM (
    SELECT DISTINCT ON (source_id, target_id) source_id, target_id, links, weight
    FROM graph_community_links_before AS k
    WHERE version > (SELECT id FROM pg_temp.put_back)
    ORDER BY source_id, target_id, version
) AS new
LEFT JOIN graph_community_links AS old USING (source_id, target_id)
WHERE (new.links IS NOT NULL OR old.source_id IS NOT NULL)
  AND (new.links, new.weight) IS DISTINCT FROM (old.links, old.weight)

-- name: stage_relationships_of_version
-- How relationships differ from the links between subreddits, once these are put back.
CREATE TEMPORARY TABLE relationships_changes ON COMMIT DROP AS
SELECT old.ctid AS place, new.source IS NULL AS gone, new.*
FROM subreddit_relationships AS old
FULL JOIN (
    SELECT CASE WHEN forth THEN one ELSE other END AS source, CASE WHEN forth THEN other ELSE one END AS target,
           shared, weight
    FROM (
        SELECT substr(source, 11)::integer AS one, substr(target, 11)::integer AS other, val::integer AS shared, weight
        FROM graph_links WHERE type = 'subreddit-subreddit'
    ) AS links
    CROSS JOIN (VALUES (true), (false)) AS ways (forth)
) AS new ON new.source = old.source_subreddit_id AND new.target = old.target_subreddit_id
WHERE (new.shared, new.weight) IS DISTINCT FROM (old.overlap_count, old.weight)

-- name: drop_put_back
-- It was put back, or could not be.
DROP TABLE put_back

-- name: complete_rollback
-- Committed together with the graph: the version is as the one it puts back, with ids that go on from the newest.
UPDATE precalc_runs AS r
SET status = 'completed', finished_at = clock_timestamp(), rolled_back_to = old.id, snapshot_at = old.snapshot_at,
    fingerprint = old.fingerprint, figures = old.figures || %(changes)s,
    next_community_id = (SELECT max(next_community_id) FROM precalc_runs)
FROM precalc_runs AS old
WHERE r.id = %(id)s AND old.id = %(version)s
