CREATE TABLE subreddits (
    id serial PRIMARY KEY, name text UNIQUE NOT NULL, title text, description text, subscribers int,
    created_at timestamptz DEFAULT now(), last_seen timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE users (
    id serial PRIMARY KEY, username text UNIQUE NOT NULL, created_at timestamptz DEFAULT now(),
    last_seen timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE posts (
    id text PRIMARY KEY, subreddit_id int NOT NULL REFERENCES subreddits, author_id int NOT NULL REFERENCES users,
    title text, selftext text, permalink text, created_at timestamptz, score int, flair text, url text,
    is_self boolean, last_seen timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE comments (
    id text PRIMARY KEY, post_id text NOT NULL REFERENCES posts ON DELETE CASCADE,
    author_id int NOT NULL REFERENCES users, subreddit_id int NOT NULL REFERENCES subreddits, parent_id text,
    body text, created_at timestamptz, score int DEFAULT 0, depth int, last_seen timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now());
CREATE TABLE crawl_jobs (
    id serial PRIMARY KEY, subreddit_id int UNIQUE NOT NULL REFERENCES subreddits, status text NOT NULL,
    priority int NOT NULL DEFAULT 0, retries int DEFAULT 0, last_attempt timestamptz, duration_ms int,
    enqueued_by text, visible_at timestamptz, next_retry_at timestamptz, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now());
CREATE TABLE graph_nodes (
    id text PRIMARY KEY, name text, val text, type text, pos_x float, pos_y float, pos_z float,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE graph_links (
    id serial PRIMARY KEY, source text NOT NULL REFERENCES graph_nodes, target text NOT NULL REFERENCES graph_nodes,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), UNIQUE (source, target));
CREATE TABLE subreddit_relationships (
    id serial PRIMARY KEY, source_subreddit_id int, target_subreddit_id int, overlap_count int,
    UNIQUE (source_subreddit_id, target_subreddit_id));
CREATE TABLE user_subreddit_activity (
    id serial PRIMARY KEY, user_id int, subreddit_id int, activity_count int, UNIQUE (user_id, subreddit_id));

INSERT INTO subreddits (name, title, subscribers, last_seen) VALUES
    ('Golang', 'Go', 10, '2025-01-01'), ('golang', 'The Go language', 20, '2025-02-01'), ('rust', NULL, NULL, '2025-01-01'),
    ('quiet', 'Nobody writes', 5, '2025-01-01');
INSERT INTO users (username) SELECT 'user' || i FROM generate_series(1, 30) i;
INSERT INTO users (username) VALUES ('AutoModerator'), ('silent');
INSERT INTO posts (id, subreddit_id, author_id, title, selftext, created_at, score, url, is_self, last_seen)
SELECT 'p' || i, 1 + i % 3, 1 + i % 30, 'title ' || i, CASE WHEN i % 2 = 0 THEN E'text "quoted", \\ back\nline' END,
       timestamptz '2025-01-01' + i * interval '1 minute', i, 'https://example.org/' || i, i % 2 = 0, '2025-03-01'
FROM generate_series(1, 200) i;
INSERT INTO comments (id, post_id, author_id, subreddit_id, parent_id, body, created_at, last_seen)
SELECT 'c' || i, 'p' || 1 + i % 200, 1 + (i * 7) % 31, 1 + (1 + i % 200) % 3,
       CASE WHEN i % 4 = 0 AND i > 200 THEN 't1_c' || i - 200 ELSE 't3_p' || 1 + i % 200 END,
       'body ' || i || E' \\N "x", 	tab', timestamptz '2025-01-02' + i * interval '1 second', '2025-03-01'
FROM generate_series(1, 1000) i;
INSERT INTO crawl_jobs (subreddit_id, status, priority) VALUES (1, 'success', 3), (2, 'crawling', 50), (3, 'failed', 0), (4, 'queued', 0);
