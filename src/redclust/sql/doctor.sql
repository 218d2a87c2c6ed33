-- What takes room on the server's disk and need not.

-- name: quarantine_bytes
-- The quarantine with its indexes, where there is something in it.
SELECT CASE WHEN EXISTS (SELECT FROM quarantine) THEN pg_total_relation_size('quarantine') ELSE 0 END

-- name: slots
-- Replication slots that nobody reads, and the log of changes that is kept for each; nothing of a role that may
-- not know.
SELECT slot_name,
       greatest(0, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                        ELSE pg_current_wal_lsn() END, restart_lsn))::bigint
FROM pg_replication_slots
WHERE NOT active AND restart_lsn IS NOT NULL
ORDER BY 2 DESC

-- name: drop_slot
-- Give up what is kept for one replica.
SELECT pg_drop_replication_slot(%(name)s)
