-- What a version replaced is written together with its run and forgotten by number: to look the run up again for each
-- of these rows costs a third of keeping them.
ALTER TABLE graph_nodes_before DROP CONSTRAINT graph_nodes_before_version_fkey;
ALTER TABLE graph_links_before DROP CONSTRAINT graph_links_before_version_fkey;
ALTER TABLE graph_communities_before DROP CONSTRAINT graph_communities_before_version_fkey;
ALTER TABLE graph_community_links_before DROP CONSTRAINT graph_community_links_before_version_fkey;
