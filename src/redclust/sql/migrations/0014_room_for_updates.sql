-- Weights and places change from one map to the next in a few rows of a page, and no index holds them: with room on
-- the page such a row is written once, and no index is touched. Holds for pages that are written from now on.
ALTER TABLE subreddit_relationships SET (fillfactor = 90);
ALTER TABLE graph_nodes SET (fillfactor = 90);
ALTER TABLE graph_links SET (fillfactor = 90);
