"""A database in which nothing is wrong."""

from __future__ import annotations

#: A map that was crawled, computed and cared for a moment ago.
HEALTHY = """
    INSERT INTO subreddits (name) VALUES ('golang');
    INSERT INTO graph_nodes (id, name, val, type) VALUES ('subreddit_1', 'golang', 3, 'subreddit');
    INSERT INTO precalc_runs (status, finished_at, snapshot_at, fingerprint, settings)
    VALUES ('completed', clock_timestamp(), clock_timestamp(), 'f', '{}');
    INSERT INTO crawl_jobs (subreddit_name, status, completed_at) VALUES ('golang', 'completed', now());
    INSERT INTO crawl_runs (job_id, token, outcome, pages)
    SELECT id, n, 'completed', 0 FROM crawl_jobs, generate_series(1, 10) AS n;
    INSERT INTO run_history (verb, started_at, verdict)
    VALUES ('integrity.check', now(), 'ok'), ('maintenance', now(), 'ok');
    INSERT INTO api_budgets (client) VALUES ('c');
"""
