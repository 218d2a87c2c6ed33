-- What a crawl remembers beside the rows themselves.

ALTER TABLE subreddits
    -- Why it cannot be read (private, banned, …); NULL: nothing is known against it.
    ADD verdict       text CHECK (verdict <> ''),
    ADD verdict_at    timestamptz,
    -- Not asked for again before this moment.
    ADD next_check_at timestamptz;

-- Reddit's own number of the account (t2_…), by which a hundred accounts are looked up at a time.
ALTER TABLE users ADD reddit_id bigint;

-- What the last look at a post's comments brought: where Reddit counts as many now, they are only looked at
-- again by their ids, a hundred a request. reach is how far that look was told to go.
CREATE TABLE post_looks (
    id           bigint PRIMARY KEY,
    num_comments integer NOT NULL,
    reach        text NOT NULL,
    comment_ids  bigint[] NOT NULL
);

-- When it was last asked where an account is active.
CREATE TABLE author_looks (
    user_id   integer PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    looked_at timestamptz NOT NULL DEFAULT now()
);

-- Things of Reddit's pages that no row could be made of, each once.
CREATE TABLE crawl_rejects (
    sha256         bytea PRIMARY KEY,
    subreddit_name text NOT NULL,
    kind           text NOT NULL,
    reason         text NOT NULL,
    raw            text NOT NULL,
    seen_at        timestamptz NOT NULL DEFAULT now()
);
