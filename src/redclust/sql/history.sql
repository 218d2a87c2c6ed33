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
