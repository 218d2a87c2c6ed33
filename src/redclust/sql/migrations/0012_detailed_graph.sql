-- Posts and comments as nodes of the graph (precalc --detailed).

-- Reddit's own way to write an id: base 36, digits before letters.
CREATE FUNCTION reddit_id(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN COALESCE(NULLIF(ltrim(
    substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 4738381338321616896 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 131621703842267136 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 3656158440062976 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 101559956668416 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 2821109907456 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 78364164096 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 2176782336 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 60466176 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 1679616 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 46656 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 1296 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number / 36 % 36)::integer + 1, 1)
    || substr('0123456789abcdefghijklmnopqrstuvwxyz', (number % 36)::integer + 1, 1),
    '0'), ''), '0');

-- The number that such an id stands for, of at most 12 digits.
CREATE FUNCTION reddit_number(id text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT sum((strpos('0123456789abcdefghijklmnopqrstuvwxyz', digit) - 1) * 36::numeric ^ (length(id) - place))::bigint
    FROM string_to_table(id, NULL) WITH ORDINALITY AS digits (digit, place)
);

ALTER TABLE graph_nodes DROP CONSTRAINT graph_nodes_type_check;
ALTER TABLE graph_nodes ADD CONSTRAINT graph_nodes_type_check
    CHECK (type IN ('subreddit', 'user', 'post', 'comment'));

-- A post hangs on its subreddit, a comment on what it answers; both on who wrote them.
ALTER TABLE graph_links DROP CONSTRAINT graph_links_type_check;
ALTER TABLE graph_links ADD CONSTRAINT graph_links_type_check
    CHECK (type IN ('subreddit-subreddit', 'user-subreddit', 'post-subreddit', 'comment-post', 'comment-comment',
                    'user-post', 'user-comment', 'same-author'));
