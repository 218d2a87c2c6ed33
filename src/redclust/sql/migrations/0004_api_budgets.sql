-- The request budget and the circuit breaker, one row for each client id of Reddit's API: all crawlers on
-- all machines share it. The client id itself is not stored, only the beginning of its SHA-256.

CREATE TABLE api_budgets (
    client             text PRIMARY KEY,
    since_at           timestamptz NOT NULL DEFAULT now(),
    -- The slot given out last, and the earliest time of the next one.
    slot_at            timestamptz,
    next_at            timestamptz,
    -- What the headers said last.
    used               double precision,
    remaining          double precision,
    reset_at           timestamptz,
    granted_per_minute double precision CHECK (granted_per_minute > 0),
    granted_at         timestamptz,
    -- Until then nobody sends; refusals counts the 429s in a row.
    halted_until       timestamptz,
    halt_reason        text,
    refusals           integer NOT NULL DEFAULT 0,
    -- Failures of the server in a row; open_until is NULL while the breaker is closed. From then on one
    -- request at a time is let through, the probe, which whoever holds it must answer for by probe_until.
    failures           integer NOT NULL DEFAULT 0,
    last_failure       text,
    open_until         timestamptz,
    probe              bigint,
    probe_until        timestamptz,
    -- Requests since since_at: all, those that 429 refused, those that the server failed.
    sent               bigint NOT NULL DEFAULT 0,
    refused            bigint NOT NULL DEFAULT 0,
    failed             bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
