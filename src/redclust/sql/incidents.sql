-- What an operator asks in the middle of an incident. None of these waits for a lock. What kind of process
-- another role's session is may be hidden: one with a role and a database is a client.

-- name: sessions
-- The clients of this database: what each is doing, since when, and for whom it waits.
WITH prepared AS (
    SELECT x.gid, x.owner, x.prepared, l.virtualtransaction
    FROM pg_prepared_xacts AS x
    JOIN pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = x.transaction AND l.pid IS NULL
)
SELECT a.pid, a.application_name, a.usename, coalesce(a.state, 'hidden'),
       nullif(concat_ws(': ', a.wait_event_type, a.wait_event), ''),
       a.xact_start, CASE a.state WHEN 'active' THEN a.query_start ELSE a.state_change END,
       (SELECT min(l.waitstart) FROM pg_locks AS l WHERE l.pid = a.pid AND NOT l.granted),
       left(a.query, 500),
       CASE WHEN a.wait_event_type = 'Lock' THEN array_remove(pg_blocking_pids(a.pid), 0) ELSE '{}' END,
       ARRAY(SELECT DISTINCT p.gid
             FROM pg_locks AS w
             JOIN pg_locks AS l ON l.pid IS NULL AND l.granted
              AND (l.locktype, l.database, l.relation, l.page, l.tuple, l.transactionid, l.virtualxid, l.classid, l.objid, l.objsubid)
                  IS NOT DISTINCT FROM
                  (w.locktype, w.database, w.relation, w.page, w.tuple, w.transactionid, w.virtualxid, w.classid, w.objid, w.objsubid)
             JOIN prepared AS p ON l.virtualtransaction = p.virtualtransaction
             WHERE w.pid = a.pid AND NOT w.granted AND a.wait_event_type = 'Lock')
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'autovacuum worker', 'background worker')
ORDER BY a.xact_start NULLS LAST, a.pid

-- name: prepared
-- Transactions of this database that were prepared for a second phase that has not come, the oldest first.
SELECT gid, owner, prepared FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared

-- name: clock
-- The server's clock, by which its times are told.
SELECT clock_timestamp()

-- name: locks
-- Who holds or wants which lock on what in this database; of a session's own transaction nothing.
WITH prepared AS (
    SELECT x.gid, x.owner, x.prepared, l.virtualtransaction
    FROM pg_prepared_xacts AS x
    JOIN pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = x.transaction AND l.pid IS NULL
)
SELECT l.pid, coalesce(a.application_name, p.gid, ''), coalesce(a.usename, p.owner), a.state,
       CASE l.locktype
            WHEN 'relation' THEN l.relation::regclass::text
            WHEN 'advisory' THEN 'advisory'
            WHEN 'transactionid' THEN 'transaction ' || l.transactionid::text
            WHEN 'tuple' THEN 'a row of ' || l.relation::regclass::text
            ELSE l.locktype END,
       CASE WHEN l.locktype = 'advisory' AND l.objsubid = 2 THEN ARRAY[l.classid::bigint, l.objid::bigint] END,
       l.mode, l.granted, coalesce(a.xact_start, p.prepared), l.waitstart
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a USING (pid)
LEFT JOIN prepared AS p ON l.pid IS NULL AND l.virtualtransaction = p.virtualtransaction
WHERE l.pid IS DISTINCT FROM pg_backend_pid() AND l.locktype <> 'virtualxid'
  AND (l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       OR NOT l.granted AND a.datname = current_database())
  AND (l.locktype <> 'relation' OR l.relation IN (
      SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind <> 'i'))
  AND (%(every)s::boolean OR NOT l.granted
       OR l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
ORDER BY l.granted, coalesce(a.xact_start, p.prepared), l.pid

-- name: connections
-- The server's clients by database, application and state, the most first.
SELECT coalesce(datname, ''), application_name, coalesce(usename, ''), coalesce(state, 'hidden'), count(*),
       min(state_change)
FROM pg_stat_activity
WHERE coalesce(backend_type, 'client backend') = 'client backend' AND usesysid IS NOT NULL AND datname IS NOT NULL
GROUP BY 1, 2, 3, 4
ORDER BY 5 DESC, 1, 2, 3, 4

-- name: connection_limits
-- How many sessions the server takes, how many of them from superusers only, and how many there are.
SELECT current_setting('max_connections')::integer,
       current_setting('superuser_reserved_connections')::integer
       + coalesce(current_setting('reserved_connections', true), '0')::integer,
       (SELECT count(*) FROM pg_stat_activity
        WHERE coalesce(backend_type, 'client backend') = 'client backend' AND usesysid IS NOT NULL
          AND datname IS NOT NULL)

-- name: idle
-- Sessions of this database that have done nothing for so long, the oldest first; never those of redclust, of a
-- backup or of a replica. With in_transaction also those that do nothing inside a transaction.
SELECT pid, application_name, coalesce(usename, ''), state, state_change,
       pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')
           AND NOT coalesce((SELECT rolsuper FROM pg_roles WHERE oid = usesysid), true)
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (state = 'idle' OR %(in_transaction)s::boolean AND state LIKE 'idle in transaction%%')
  AND state_change < clock_timestamp() - %(older_than_s)s::double precision * interval '1 s'
  AND application_name <> 'redclust' AND application_name NOT LIKE 'redclust %%'
  AND application_name NOT IN ('pg_dump', 'pg_dumpall', 'pg_restore', 'pg_basebackup', 'pg_receivewal', 'pg_recvlogical')
ORDER BY state_change

-- name: terminate
-- End a session if it still does nothing since that moment, and wait until it is gone; NULL where it does something.
SELECT pg_terminate_backend(pid, %(wait_ms)s::bigint)
FROM pg_stat_activity
WHERE pid = %(pid)s::integer AND datname = current_database() AND state = %(state)s::text
  AND state_change = %(since)s::timestamptz

-- name: statements_schema
-- Where pg_stat_statements is installed in this database; no row where it is not, or not loaded.
SELECT n.nspname
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'

-- name: statements
-- The statements of a database that took most of the server's time since they were first counted.
SELECT calls, total_exec_time / 1000, mean_exec_time / 1000, max_exec_time / 1000, rows, left(query, 500)
FROM {schema}.pg_stat_statements AS s
JOIN pg_database AS d ON d.oid = s.dbid
WHERE d.datname = %(database)s::text
ORDER BY total_exec_time DESC
LIMIT %(limit)s::bigint

-- name: log_slow_statements
-- From which length on the server logs a statement of this database, in milliseconds; -1 none.
ALTER DATABASE {database} SET log_min_duration_statement = {limit_ms}

-- name: logged_from
-- The length in milliseconds from which new sessions of this database have their statements logged.
SELECT coalesce(
    (SELECT substr(setting, strpos(setting, '=') + 1)
     FROM pg_db_role_setting, unnest(setconfig) AS setting
     WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND setting LIKE 'log_min_duration_statement=%'),
    (SELECT reset_val FROM pg_settings WHERE name = 'log_min_duration_statement'))

-- name: milliseconds
-- A length of time as a setting may be written, in milliseconds; a number without a unit is that already.
SELECT CASE WHEN %(told)s::text ~ '^-?[0-9.]+$' THEN %(told)s::text::double precision
            ELSE extract(epoch FROM %(told)s::text::interval)::double precision * 1000 END

-- name: make_statements
-- The view of what was counted; it answers once its library is loaded at a start of the server.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements

-- name: loaded_libraries
-- The libraries that the server has loaded at its start.
SELECT current_setting('shared_preload_libraries')

-- name: load_libraries
-- Have libraries loaded at the next start.
ALTER SYSTEM SET shared_preload_libraries = {libraries}

-- name: log_place
-- Where the server writes its log, and whether this role is told the file.
SELECT current_setting('log_destination'), current_setting('logging_collector') = 'on',
       has_function_privilege('pg_current_logfile()', 'EXECUTE')

-- name: log_file
-- The file that the log is written to; NULL where it goes elsewhere.
SELECT pg_current_logfile()

-- name: server_settings
-- What the server runs with, in the unit that it counts in; whether a restart is needed to change it, and
-- whether one is due.
SELECT name, setting, unit, context = 'postmaster', pending_restart
FROM pg_settings
WHERE name = ANY (%(names)s::text[])

-- name: data_facts
-- What the settings should fit: the size of the databases and of the largest index, and the most connections.
SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datallowconn)::bigint,
       (SELECT coalesce(max(relpages), 0)::bigint * current_setting('block_size')::integer
        FROM pg_class WHERE relkind = 'i'),
       (SELECT count(*) FROM pg_stat_activity
        WHERE coalesce(backend_type, 'client backend') = 'client backend' AND usesysid IS NOT NULL
          AND datname IS NOT NULL)

-- name: alter_system
-- Write a setting to the server's own file; it holds from the next reload or restart on.
ALTER SYSTEM SET {name} = {value}

-- name: reload
-- Let the server read its files anew.
SELECT pg_reload_conf()
