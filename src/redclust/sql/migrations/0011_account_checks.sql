-- When it was last asked whether an account is still there.
CREATE TABLE account_checks (
    user_id    integer PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    checked_at timestamptz NOT NULL
);
