-- Who is in the way. A prepared transaction is known among the locks by the one on its own number.

-- name: of_relation
-- Who has held a lock on a table or index for so long or longer, longest first; any, or only one that a vacuum
-- cannot share.
WITH prepared AS (
    SELECT x.gid, x.owner, x.prepared, l.virtualtransaction
    FROM pg_prepared_xacts AS x
    JOIN pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = x.transaction AND l.pid IS NULL
)
SELECT CASE WHEN l.pid IS NULL THEN 'prepared transaction'
            WHEN a.backend_type = 'autovacuum worker' THEN 'autovacuum'
            ELSE 'session' END,
       l.pid,
       coalesce(p.gid, CASE WHEN a.backend_type = 'autovacuum worker' THEN 'autovacuum' END,
                a.application_name, ''),
       coalesce(p.owner, a.usename),
       coalesce(p.prepared, a.xact_start),
       string_agg(DISTINCT l.mode, ', ')
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a USING (pid)
LEFT JOIN prepared AS p ON l.pid IS NULL AND l.virtualtransaction = p.virtualtransaction
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = %(relation)s::oid
  AND (NOT %(strong)s::boolean
       OR l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                     'AccessExclusiveLock'))
  AND (%(older_than_ms)s::integer = 0
       OR clock_timestamp() - coalesce(p.prepared, a.xact_start) >= %(older_than_ms)s::integer * interval '1 ms')
GROUP BY l.pid, a.pid, a.backend_type, a.application_name, a.usename, a.xact_start, p.gid, p.owner, p.prepared
ORDER BY 5 NULLS LAST

-- name: of_snapshots
-- What holds the horizon back behind which rows of this database's tables may be removed, the oldest first.
SELECT kind, pid, name, usename, since, detail
FROM (
    SELECT 'session' AS kind, pid, application_name AS name, usename, xact_start AS since, state AS detail,
           greatest(age(backend_xmin), age(backend_xid)) AS held
    FROM pg_stat_activity
    -- What kind of process another role's is may be hidden; a worker of autovacuum has no role.
    WHERE datname = current_database() AND backend_type IS DISTINCT FROM 'autovacuum worker' AND usesysid IS NOT NULL
      AND coalesce(backend_xmin, backend_xid) IS NOT NULL
      AND pid <> pg_backend_pid() AND pid <> ALL (%(own)s::integer[])
    UNION ALL
    SELECT 'prepared transaction', NULL, gid, owner, prepared, NULL, age(transaction)
    FROM pg_prepared_xacts
    WHERE database = current_database()
    UNION ALL
    SELECT 'replication slot', active_pid, slot_name, NULL, NULL,
           CASE WHEN active THEN 'active' ELSE 'inactive' END, greatest(age(xmin), age(catalog_xmin))
    FROM pg_replication_slots
    WHERE coalesce(xmin, catalog_xmin) IS NOT NULL
    UNION ALL
    SELECT 'standby', pid, application_name, usename, backend_start, state, age(backend_xmin)
    FROM pg_stat_replication
    WHERE backend_xmin IS NOT NULL
) AS holders
ORDER BY held DESC, since

-- name: blocking
-- For whom a session waits: sessions that hold what it wants or wait for it before, or a prepared transaction.
WITH prepared AS (
    SELECT x.gid, x.owner, x.prepared, l.virtualtransaction
    FROM pg_prepared_xacts AS x
    JOIN pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = x.transaction AND l.pid IS NULL
)
SELECT CASE WHEN a.backend_type = 'autovacuum worker' THEN 'autovacuum' ELSE 'session' END, a.pid,
       CASE WHEN a.backend_type = 'autovacuum worker' THEN 'autovacuum' ELSE a.application_name END,
       a.usename, a.xact_start, a.state
FROM unnest(pg_blocking_pids(%(pid)s)) AS b (pid)
JOIN pg_stat_activity AS a USING (pid)
UNION
SELECT 'prepared transaction', NULL, p.gid, p.owner, p.prepared, NULL
FROM pg_locks AS w
JOIN pg_locks AS l ON l.pid IS NULL AND l.granted
 AND (l.locktype, l.database, l.relation, l.page, l.tuple, l.transactionid, l.virtualxid, l.classid, l.objid, l.objsubid)
     IS NOT DISTINCT FROM
     (w.locktype, w.database, w.relation, w.page, w.tuple, w.transactionid, w.virtualxid, w.classid, w.objid, w.objsubid)
JOIN prepared AS p ON l.virtualtransaction = p.virtualtransaction
WHERE w.pid = %(pid)s AND NOT w.granted

-- name: others
-- The other clients of this database.
SELECT 'session', pid, application_name, usename, xact_start, state
FROM pg_stat_activity
WHERE datname = current_database() AND coalesce(backend_type, 'client backend') = 'client backend'
  AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY backend_start
