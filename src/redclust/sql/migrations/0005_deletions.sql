-- What people deleted stays deleted, and when a row was last found to be what it is.

-- One row a thing or account that is gone: later imports, restores and rollbacks cannot bring it back. An
-- account is kept as a hash, so that the table itself names nobody.
CREATE TABLE tombstones (
    kind       text NOT NULL CHECK (kind IN ('post', 'comment', 'user')),
    thing_id   bigint,
    -- SHA-256 of the name in lower case.
    name_hash  bytea,
    -- 'deleted': on Reddit; 'account': the account is gone there, what it wrote stands without its name;
    -- 'forgotten': erased here, name and texts.
    reason     text NOT NULL CHECK (reason IN ('deleted', 'account', 'forgotten')),
    deleted_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'user') = (name_hash IS NOT NULL) AND (kind = 'user') = (thing_id IS NULL))
);
-- Every write asks whether what it brings is gone.
CREATE UNIQUE INDEX tombstones_thing_key ON tombstones (kind, thing_id);
CREATE UNIQUE INDEX tombstones_name_key ON tombstones (name_hash);

-- When a row was last seen unchanged, where that is later than its retrieved_at: the row itself is not
-- written again for it.
CREATE TABLE post_checks (
    id         bigint PRIMARY KEY,
    checked_at timestamptz NOT NULL
);
CREATE TABLE comment_checks (
    id         bigint PRIMARY KEY,
    checked_at timestamptz NOT NULL
);
