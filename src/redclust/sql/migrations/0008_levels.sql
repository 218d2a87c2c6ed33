-- Communities at three levels: continents (0), the countries inside each (1), the towns inside these (2). An id
-- stays with its community from one version of the map to the next, and is given only once.

ALTER TABLE graph_communities
    ADD COLUMN level smallint NOT NULL DEFAULT 0 CHECK (level BETWEEN 0 AND 2),
    -- The community of the level above that this one lies in; NULL for a continent.
    ADD COLUMN parent_id integer,
    -- Words of its posts' titles that set it apart, the most telling first.
    ADD COLUMN terms text[] NOT NULL DEFAULT '{}';

-- A node's continent is community_id.
ALTER TABLE graph_nodes
    ADD COLUMN country_id integer,
    ADD COLUMN town_id integer;

-- Links above chance between the subreddits of two communities of one level, summed; source < target.
CREATE TABLE graph_community_links (
    source_id integer NOT NULL,
    target_id integer NOT NULL,
    links     integer NOT NULL CHECK (links > 0),
    weight    double precision NOT NULL,
    PRIMARY KEY (source_id, target_id)
);

-- Above every id that a community had in this version or one before it.
ALTER TABLE precalc_runs ADD COLUMN next_community_id integer NOT NULL DEFAULT 0;
UPDATE precalc_runs SET next_community_id = (SELECT COALESCE(max(id) + 1, 0) FROM graph_communities);
