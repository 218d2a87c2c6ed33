-- The request budget that all crawlers of one client id share, and its circuit breaker. Every statement is
-- a transaction of its own: no row is held while somebody sleeps. Times are the database's clock.

-- name: quick_commits
-- Slots need not survive a crash of the server, which lasts longer than they do; halts do, see durably.
SELECT set_config('synchronous_commit', 'off', false)

-- name: durably
-- This transaction waits for the disk.
SELECT set_config('synchronous_commit', 'on', true)

-- name: open
-- Begin the budget of a client id that was never seen. Times that no halt and no queue reach come from a clock
-- that has been set back, and are forgotten.
INSERT INTO api_budgets (client) VALUES (%(client)s)
ON CONFLICT (client) DO UPDATE SET next_at = NULL, halted_until = NULL, open_until = NULL, probe_until = NULL
WHERE GREATEST(api_budgets.next_at, api_budgets.halted_until, api_budgets.open_until, api_budgets.probe_until)
      > clock_timestamp() + interval '2 hours'

-- name: reserve
-- Take the next slot (GCRA without a burst): how many seconds from now it is, and when. No row where it is
-- further away than the caller waits, or while the breaker is open. The pace is the slowest of what this
-- crawler wants, 95 % of what the headers granted within the hour (100 a minute where they said nothing),
-- and what would use up the rest of Reddit's window at its end.
UPDATE api_budgets
SET slot_at = GREATEST(next_at, halted_until, clock_timestamp()),
    next_at = GREATEST(next_at, halted_until, clock_timestamp()) + make_interval(secs => GREATEST(
        60 / %(per_minute)s::double precision,
        60 / (0.95 * COALESCE(
            CASE WHEN granted_at > clock_timestamp() - interval '1 hour' THEN granted_per_minute END, 100)),
        CASE WHEN remaining >= 1 THEN
            extract(epoch FROM reset_at - GREATEST(next_at, halted_until, clock_timestamp())) / remaining
        END)::double precision)
WHERE client = %(client)s
  AND COALESCE(GREATEST(next_at, halted_until)
      <= clock_timestamp() + make_interval(secs => %(max_wait_s)s::double precision), true)
  AND COALESCE(GREATEST(open_until, probe_until) <= clock_timestamp(), true)
RETURNING GREATEST(extract(epoch FROM slot_at - clock_timestamp()), 0)::double precision, slot_at,
    extract(epoch FROM next_at - slot_at)::double precision

-- name: depart
-- Before a request is sent, at its slot: look again whether all are halted, whether the breaker has opened,
-- and whether the slot is too long past; then count it. True where it is the probe of an open breaker.
UPDATE api_budgets
SET sent = sent + 1,
    probe = CASE WHEN open_until IS NOT NULL THEN %(ticket)s::bigint END,
    probe_until = CASE WHEN open_until IS NOT NULL
        THEN clock_timestamp() + make_interval(secs => %(probe_s)s::double precision) END
WHERE client = %(client)s
  AND COALESCE(halted_until <= clock_timestamp(), true)
  AND COALESCE(GREATEST(open_until, probe_until) <= clock_timestamp(), true)
  AND %(slot_at)s::timestamptz
      > clock_timestamp() - make_interval(secs => %(late_s)s::double precision)
RETURNING open_until IS NOT NULL

-- name: answered
-- The server answered: keep what its headers say, and close the breaker if this was the probe.
UPDATE api_budgets
SET used = COALESCE(%(used)s::double precision, used),
    remaining = COALESCE(%(remaining)s::double precision, remaining),
    reset_at = COALESCE(
        clock_timestamp() + make_interval(secs => %(reset_s)s::double precision), reset_at),
    granted_per_minute = COALESCE(%(granted_per_minute)s::double precision, granted_per_minute),
    granted_at = CASE WHEN %(granted_per_minute)s::double precision IS NULL THEN granted_at
        ELSE clock_timestamp() END,
    refusals = CASE WHEN %(refused)s::boolean OR halted_until > clock_timestamp() THEN refusals ELSE 0 END,
    refused = refused + %(refused)s::boolean::integer,
    failures = CASE WHEN open_until IS NULL OR probe = %(ticket)s::bigint THEN 0 ELSE failures END,
    open_until = CASE WHEN probe = %(ticket)s::bigint THEN NULL ELSE open_until END,
    probe_until = CASE WHEN probe = %(ticket)s::bigint THEN NULL ELSE probe_until END,
    probe = NULLIF(probe, %(ticket)s::bigint)
WHERE client = %(client)s

-- name: failed
-- The server failed: so many in a row, or a failed probe, open the breaker. True where it is open now.
UPDATE api_budgets
SET failed = failed + 1,
    failures = failures + 1,
    last_failure = %(reason)s,
    open_until = CASE WHEN probe = %(ticket)s::bigint
            OR open_until IS NULL AND failures + 1 >= %(threshold)s::integer
        THEN clock_timestamp() + make_interval(secs => %(open_s)s::double precision)
        ELSE open_until END,
    probe_until = CASE WHEN probe = %(ticket)s::bigint THEN NULL ELSE probe_until END,
    probe = NULLIF(probe, %(ticket)s::bigint)
WHERE client = %(client)s
RETURNING open_until IS NOT NULL

-- name: halt
-- Nobody sends for so long; where Reddit did not say how long, 5 s doubling with each refusal up to 640.
UPDATE api_budgets
SET halted_until = GREATEST(halted_until, clock_timestamp() + make_interval(secs =>
        COALESCE(%(halt_s)s::double precision, 5 * 2 ^ LEAST(refusals, 7)))),
    halt_reason = %(reason)s,
    refusals = CASE WHEN %(refused)s::boolean AND COALESCE(halted_until <= clock_timestamp(), true)
        THEN refusals + 1 ELSE refusals END
WHERE client = %(client)s

-- name: states
-- The budget and breaker of every client id, or of one.
SELECT client, since_at, used, remaining, reset_at,
    CASE WHEN granted_at > clock_timestamp() - interval '1 hour' THEN granted_per_minute END,
    CASE WHEN halted_until > clock_timestamp() THEN halted_until END,
    CASE WHEN halted_until > clock_timestamp() THEN halt_reason END,
    CASE WHEN next_at > clock_timestamp() THEN next_at END,
    failures, last_failure, open_until, probe_until, clock_timestamp(), sent, refused, failed
FROM api_budgets
WHERE client = COALESCE(%(client)s, client)
ORDER BY client

-- name: close_breakers
-- Close the breaker of every client id, or of one; those that were open are given back.
UPDATE api_budgets
SET failures = 0, open_until = NULL, probe = NULL, probe_until = NULL
WHERE client = COALESCE(%(client)s, client) AND open_until IS NOT NULL
RETURNING client

-- name: try_alone
-- One of all crawlers at a time, until this session gives it back or ends.
SELECT pg_try_advisory_lock(%(class)s::integer, hashtext(%(client)s))

-- name: alone_no_more
-- Let the next one have it.
SELECT pg_advisory_unlock(%(class)s::integer, hashtext(%(client)s))
