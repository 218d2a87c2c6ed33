-- val as its readers take it: made of the numeric once, when a node is written. Made in the query it costs as much as
-- reading the node. All rows are written anew here, so the next precalc is a full one.
ALTER TABLE graph_nodes ADD COLUMN val_float8 double precision NOT NULL GENERATED ALWAYS AS (val::float8) STORED;
