-- What the verbs that care for the database did, and when.

-- name: record
-- One run that came to its end, well or not.
INSERT INTO run_history (verb, started_at, verdict, figures)
VALUES (%(verb)s, %(started_at)s, %(verdict)s, %(figures)s)

-- name: newest
-- The newest runs of one verb, newest first.
SELECT verb, started_at, finished_at, verdict, figures
FROM run_history
WHERE verb = %(verb)s
ORDER BY id DESC
LIMIT %(limit)s

-- name: runs_of
-- The newest runs of some verbs, newest first; those of precalc stand in a table of their own.
SELECT verb, started_at, finished_at, verdict, figures
FROM (
    (SELECT verb, started_at, finished_at, verdict, figures
     FROM run_history
     WHERE verb = ANY (%(verbs)s::text[])
     ORDER BY id DESC
     LIMIT %(limit)s::bigint)
    UNION ALL
    (SELECT 'precalc', started_at, finished_at, CASE status WHEN 'completed' THEN 'ok' ELSE 'failed' END,
            CASE WHEN error_message IS NULL THEN figures
                 ELSE figures || jsonb_build_object('error', error_message) END
     FROM precalc_runs
     WHERE finished_at IS NOT NULL AND 'precalc' = ANY (%(verbs)s::text[])
     ORDER BY id DESC
     LIMIT %(limit)s::bigint)
) AS every_run
ORDER BY finished_at DESC
LIMIT %(limit)s::bigint

-- name: newest_of_each
-- The newest run of every verb but precalc.
SELECT DISTINCT ON (verb) verb, started_at, finished_at, verdict, figures
FROM run_history
ORDER BY verb, id DESC
