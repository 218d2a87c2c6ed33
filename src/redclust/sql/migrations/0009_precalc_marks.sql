-- By which transactions the graph that is shown can be told from what came later: what was committed before its
-- snapshot is in it, and whatever is written in its tables by others since is not its own.

-- At most one row, written once, in the transaction of the swap: in a copy of the database that was made by dump
-- and restore its xmin is another than swap_xid, and transactions say nothing there.
CREATE TABLE precalc_marks (
    run_id          integer PRIMARY KEY REFERENCES precalc_runs ON DELETE CASCADE,
    source_snapshot pg_snapshot NOT NULL,
    swap_snapshot   pg_snapshot NOT NULL,
    swap_xid        xid8 NOT NULL
);
