-- What a backup records of a database, in the snapshot that its dump sees.

-- name: identity
-- Which database this is, wherever it is reached by.
SELECT system_identifier::text, current_database() FROM pg_control_system()
