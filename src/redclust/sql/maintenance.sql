-- The database as a whole, before and after a round of maintenance.

-- name: figures
-- The size of the database and the dead rows of its tables, as the server counts them.
SELECT pg_database_size(current_database()),
       (SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables)
