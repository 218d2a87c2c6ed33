-- What the graph was before each version: two versions can be compared, and an older one put back. One row a node,
-- link or community that the version changed, as it was before, with type (label, links) NULL where it was not
-- there. They are read whole and by version only: an index would be larger than what it finds.

CREATE TABLE graph_nodes_before (
    version integer NOT NULL REFERENCES precalc_runs ON DELETE CASCADE,
    id text NOT NULL,
    name text,
    val numeric,
    type text,
    pos_x double precision,
    pos_y double precision,
    pos_z double precision,
    community_id integer,
    country_id integer,
    town_id integer
);

CREATE TABLE graph_links_before (
    version integer NOT NULL REFERENCES precalc_runs ON DELETE CASCADE,
    source text NOT NULL,
    target text NOT NULL,
    type text,
    val numeric,
    weight double precision
);

CREATE TABLE graph_communities_before (
    version integer NOT NULL REFERENCES precalc_runs ON DELETE CASCADE,
    id integer NOT NULL,
    level smallint,
    parent_id integer,
    label text,
    terms text[],
    subreddits integer,
    users integer,
    pos_x double precision,
    pos_y double precision
);

CREATE TABLE graph_community_links_before (
    version integer NOT NULL REFERENCES precalc_runs ON DELETE CASCADE,
    source_id integer NOT NULL,
    target_id integer NOT NULL,
    links integer,
    weight double precision
);

-- A version that puts an older one back names it here.
ALTER TABLE precalc_runs ADD COLUMN rolled_back_to integer;

-- The nodes that differ between version a and a later version b, as they are in both; type NULL: not there.
CREATE FUNCTION graph_nodes_between(a integer, b integer)
RETURNS TABLE (id text, name_a text, val_a numeric, type_a text, x_a double precision, y_a double precision,
               community_a integer, name_b text, val_b numeric, type_b text, x_b double precision,
               y_b double precision, community_b integer)
LANGUAGE sql STABLE BEGIN ATOMIC
    WITH first AS MATERIALIZED (
        SELECT DISTINCT ON (k.id) k.* FROM graph_nodes_before AS k
        WHERE k.version > a AND k.version <= b ORDER BY k.id, k.version
    ), later AS (
        SELECT DISTINCT ON (k.id) k.* FROM graph_nodes_before AS k
        WHERE k.version > b AND k.id IN (SELECT first.id FROM first) ORDER BY k.id, k.version
    ), both_states AS (
        SELECT first.id, first.name, first.val, first.type, first.pos_x, first.pos_y, first.community_id,
               CASE WHEN later.id IS NULL THEN now.name ELSE later.name END AS name_then,
               CASE WHEN later.id IS NULL THEN now.val ELSE later.val END AS val_then,
               CASE WHEN later.id IS NULL THEN now.type ELSE later.type END AS type_then,
               CASE WHEN later.id IS NULL THEN now.pos_x ELSE later.pos_x END AS x_then,
               CASE WHEN later.id IS NULL THEN now.pos_y ELSE later.pos_y END AS y_then,
               CASE WHEN later.id IS NULL THEN now.community_id ELSE later.community_id END AS community_then
        FROM first LEFT JOIN later USING (id) LEFT JOIN graph_nodes AS now USING (id)
    )
    SELECT * FROM both_states AS s
    WHERE (s.name, s.val, s.type, s.pos_x, s.pos_y, s.community_id) IS DISTINCT FROM
          (s.name_then, s.val_then, s.type_then, s.x_then, s.y_then, s.community_then);
END;

-- The links that differ between version a and a later version b, as they are in both; type NULL: not there.
CREATE FUNCTION graph_links_between(a integer, b integer)
RETURNS TABLE (source text, target text, type_a text, val_a numeric, type_b text, val_b numeric)
LANGUAGE sql STABLE BEGIN ATOMIC
    WITH first AS MATERIALIZED (
        SELECT DISTINCT ON (k.source, k.target) k.* FROM graph_links_before AS k
        WHERE k.version > a AND k.version <= b ORDER BY k.source, k.target, k.version
    ), later AS (
        SELECT DISTINCT ON (k.source, k.target) k.* FROM graph_links_before AS k JOIN first USING (source, target)
        WHERE k.version > b ORDER BY k.source, k.target, k.version
    ), both_states AS (
        SELECT first.source, first.target, first.type, first.val,
               CASE WHEN later.source IS NULL THEN now.type ELSE later.type END AS type_then,
               CASE WHEN later.source IS NULL THEN now.val ELSE later.val END AS val_then
        FROM first LEFT JOIN later USING (source, target) LEFT JOIN graph_links AS now USING (source, target)
    )
    SELECT * FROM both_states AS s
    WHERE (s.type, s.val) IS DISTINCT FROM (s.type_then, s.val_then);
END;

-- The communities that differ between version a and a later version b, as they are in both; label NULL: not there.
CREATE FUNCTION graph_communities_between(a integer, b integer)
RETURNS TABLE (id integer, level smallint, label_a text, subreddits_a integer, label_b text, subreddits_b integer)
LANGUAGE sql STABLE BEGIN ATOMIC
    WITH first AS MATERIALIZED (
        SELECT DISTINCT ON (k.id) k.* FROM graph_communities_before AS k
        WHERE k.version > a AND k.version <= b ORDER BY k.id, k.version
    ), later AS (
        SELECT DISTINCT ON (k.id) k.* FROM graph_communities_before AS k
        WHERE k.version > b AND k.id IN (SELECT first.id FROM first) ORDER BY k.id, k.version
    ), both_states AS (
        SELECT first.id, COALESCE(first.level, later.level, now.level) AS level, first.label, first.subreddits,
               CASE WHEN later.id IS NULL THEN now.label ELSE later.label END AS label_then,
               CASE WHEN later.id IS NULL THEN now.subreddits ELSE later.subreddits END AS subreddits_then
        FROM first LEFT JOIN later USING (id) LEFT JOIN graph_communities AS now USING (id)
    )
    SELECT * FROM both_states AS s
    WHERE (s.label, s.subreddits) IS DISTINCT FROM (s.label_then, s.subreddits_then);
END;
