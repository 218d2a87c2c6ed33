-- The heaviest links among the biggest nodes, beside the graph: read in their order from one index.

-- Exact for every number of nodes and links up to those of graph_top_marks. The end with the later place in the order
-- of size is the least: a link is among the top N when that end is. Rows change only where a node or a link does.
CREATE TABLE graph_top_links (
    source    text NOT NULL,
    target    text NOT NULL,
    val       double precision NOT NULL,
    weight    double precision,
    least_val numeric NOT NULL,
    least_id  text NOT NULL
);
CREATE INDEX idx_graph_top_links ON graph_top_links (weight DESC NULLS LAST, val DESC, source, target)
    INCLUDE (least_val, least_id);

-- One row while they agree with the graph, none when anybody has written that since: then the graph itself is read.
CREATE TABLE graph_top_marks (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    nodes integer NOT NULL,
    links integer NOT NULL
);

-- Whoever may write the graph need not be allowed more than that.
CREATE FUNCTION graph_top_outdated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM graph_top_marks;
    RETURN NULL;
END $$;
CREATE TRIGGER graph_nodes_outdate_top AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON graph_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION graph_top_outdated();
CREATE TRIGGER graph_links_outdate_top AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON graph_links
    FOR EACH STATEMENT EXECUTE FUNCTION graph_top_outdated();
