-- Throw-away databases and baselines of the benchmarks.

-- name: create_database
-- A database that the benchmark drops at its end.
CREATE DATABASE {name} TEMPLATE template0

-- name: drop_database
-- The throw-away database and whoever is left on it.
DROP DATABASE IF EXISTS {name} WITH (FORCE)

-- name: truncate_table
-- An empty table with its keys and indexes.
TRUNCATE {name} CASCADE

-- name: checkpoint
-- Every run begins with nothing left to write from the one before.
CHECKPOINT

-- name: copy_out
-- A table's rows as the baseline sends them again.
COPY {name} TO STDOUT (FORMAT binary)

-- name: copy_in
-- The baseline: finished rows, as fast as Postgres takes them into these keys and indexes.
COPY {name} FROM STDIN (FORMAT binary)
