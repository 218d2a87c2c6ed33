-- What safety needs beside the operator's columns: leases with a fencing token, checkpoints, backoff, past
-- runs, pauses, and who is at work.

ALTER TABLE crawl_jobs
    -- The crawl's own settings, and where it goes on; NULL: from its beginning.
    ADD options      jsonb NOT NULL DEFAULT '{}',
    ADD checkpoint   jsonb,
    -- Pages committed since the job was enqueued.
    ADD pages        integer NOT NULL DEFAULT 0,
    -- The fencing token: it grows whenever somebody takes the job or it is taken from somebody.
    ADD token        bigint NOT NULL DEFAULT 0,
    -- Tries in a row that ended without a committed page, this one included.
    ADD attempts     integer NOT NULL DEFAULT 0,
    -- Not before this moment; waiting is counted from here.
    ADD run_at       timestamptz NOT NULL DEFAULT now(),
    ADD worker_id    uuid,
    ADD host         text,
    ADD pid          integer,
    ADD heartbeat_at timestamptz,
    ADD lease_until  timestamptz,
    -- The newest committed page; before the first one, when the job was taken.
    ADD page_at      timestamptz,
    ADD deadline_at  timestamptz,
    -- How a completed crawl ended: ok, private, banned, …
    ADD verdict      text CHECK (verdict <> '');
-- Heartbeats and checkpoints change no indexed column: with room in the page they touch no index.
ALTER TABLE crawl_jobs SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
-- What waits, in the order of claims, and what is being crawled; the many that are done are not in it.
CREATE INDEX crawl_jobs_live ON crawl_jobs (status, priority DESC, run_at)
    WHERE status IN ('pending', 'crawling');

-- One row each time a job was taken and its worker let go of it, or it was taken from its worker.
CREATE TABLE crawl_runs (
    job_id        integer NOT NULL REFERENCES crawl_jobs ON DELETE CASCADE,
    token         bigint NOT NULL,
    outcome       text NOT NULL
                  CHECK (outcome IN ('completed', 'failed', 'retry', 'handed back', 'reset', 'taken away')),
    started_at    timestamptz,
    finished_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    host          text,
    pid           integer,
    pages         integer NOT NULL,
    verdict       text,
    error_message text,
    figures       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, token)
);

-- One row a worker that is alive; one that was killed is removed after a day.
CREATE TABLE crawl_workers (
    -- New at each start: a host's name and a process id come again.
    id           uuid PRIMARY KEY,
    host         text NOT NULL,
    pid          integer NOT NULL,
    version      text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- While there is a row nothing is claimed. Each holder has its own, so that none lifts another's.
CREATE TABLE crawl_pauses (
    holder text PRIMARY KEY CHECK (holder <> ''),
    reason text NOT NULL,
    since  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Priority with ageing: one level more for each step of waiting, at most so many, and never into 100 and
-- above, which is the operator's word.
CREATE FUNCTION crawl_urgency(priority integer, waited interval, step_s double precision, levels integer)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN priority >= 100 THEN priority
         ELSE LEAST(99, priority + LEAST(levels, GREATEST(0, floor(extract(epoch FROM waited) / step_s)))::integer)
    END;

-- Plain SQL that changes a status: whoever holds the job can write nothing more, and the other columns get
-- what the new status needs. redclust's own statements move the token themselves and do not come here.
CREATE FUNCTION crawl_jobs_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'crawling' THEN
        NEW.token := OLD.token + 1;
        NEW.worker_id := NULL;
        NEW.host := NULL;
        NEW.pid := NULL;
        NEW.heartbeat_at := NULL;
        NEW.lease_until := NULL;
        NEW.page_at := NULL;
        NEW.deadline_at := NULL;
        INSERT INTO crawl_runs (job_id, token, outcome, started_at, host, pid, pages, error_message)
        VALUES (OLD.id, OLD.token, 'taken away', OLD.started_at, OLD.host, OLD.pid, OLD.pages,
                'set to ' || NEW.status || ' by SQL')
        ON CONFLICT DO NOTHING;
    END IF;
    IF NEW.status = 'pending' THEN
        NEW.attempts := 0;
        NEW.started_at := NULL;
        NEW.completed_at := NULL;
        NEW.verdict := NULL;
        IF OLD.status <> 'crawling' AND NEW.run_at = OLD.run_at THEN
            NEW.run_at := now();
        END IF;
    ELSIF NEW.status IN ('completed', 'failed') THEN
        NEW.completed_at := COALESCE(NEW.completed_at, now());
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER crawl_jobs_moved BEFORE UPDATE OF status ON crawl_jobs
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND OLD.token = NEW.token)
    EXECUTE FUNCTION crawl_jobs_moved();
