-- Sessions, locks and the state of the schema.

-- name: limit_session
-- What every session is opened with. By SET, not in the start-up packet: a connection pooler refuses
-- parameters that it does not know.
SELECT set_config('statement_timeout', %(statement_timeout_ms)s::text, false),
       set_config('idle_in_transaction_session_timeout', %(idle_in_transaction_timeout_ms)s::text, false),
       -- A lock is held by a session that does nothing.
       set_config('idle_session_timeout', '0', false),
       set_config('search_path', 'public', false),
       set_config('TimeZone', 'UTC', false)

-- name: try_lock
-- Take a lock exclusively if nobody has it.
SELECT pg_try_advisory_lock(%(class)s::integer, %(name)s::integer)

-- name: try_lock_shared
-- Take a lock together with others who share it.
SELECT pg_try_advisory_lock_shared(%(class)s::integer, %(name)s::integer)

-- name: unlock_all
-- Give back every advisory lock of this session.
SELECT pg_advisory_unlock_all()

-- name: lock_references_shared
-- Until this session ends, nobody deletes a row whose id it has looked up.
SELECT pg_advisory_lock_shared(%(class)s::integer, %(name)s::integer)

-- name: lock_holder
-- The session that has held a lock for longest.
SELECT a.pid, a.application_name, a.backend_start, host(a.client_addr)
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid = %(class)s::bigint::oid AND l.objid = %(name)s::bigint::oid AND l.objsubid = 2
ORDER BY a.backend_start
LIMIT 1

-- name: sessions
-- The other sessions of redclust on this server, oldest first.
SELECT pid, application_name, backend_start
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name LIKE 'redclust %%'
ORDER BY backend_start

-- name: our_tables
-- Which of the tables that redclust and the older system both name are here.
SELECT count(*) FILTER (WHERE relname = 'redclust_migrations'),
       count(*) FILTER (WHERE relname IN ('subreddits', 'users', 'posts', 'comments', 'crawl_jobs',
           'graph_nodes', 'graph_links', 'subreddit_relationships', 'user_subreddit_activity'))
FROM pg_class
WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace

-- name: create_migrations_table
-- Where applied migrations are written down.
CREATE TABLE IF NOT EXISTS redclust_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: applied_migrations
-- The migrations that this database has, in order.
SELECT version, name, checksum, applied_at FROM redclust_migrations ORDER BY version

-- name: record_migration
-- Written in the same transaction as the migration itself.
INSERT INTO redclust_migrations (version, name, checksum)
VALUES (%(version)s, %(name)s, %(checksum)s)

-- name: database_exists
-- Whether the server has a database of that name.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = %(name)s)

-- name: server_facts
-- Version and size, for db status.
SELECT current_setting('server_version'), pg_database_size(current_database()), pg_postmaster_start_time()

-- name: create_database
-- The database of the map, on a new embedded server.
CREATE DATABASE reddit_cluster TEMPLATE template0

-- name: analyze_all
-- A restored database has no planner statistics.
ANALYZE

-- name: set_parameter
-- One parameter of this session.
SELECT set_config(%(name)s, %(value)s, false)

-- name: other_databases
-- Databases on this server that are not redclust's.
SELECT datname FROM pg_database
WHERE NOT datistemplate AND datname NOT IN ('postgres', 'reddit_cluster')
ORDER BY datname

-- name: system_settings
-- What ALTER SYSTEM has set.
SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY seqno

-- name: system_identifier
-- What tells this server from every other one.
SELECT system_identifier FROM pg_control_system()
