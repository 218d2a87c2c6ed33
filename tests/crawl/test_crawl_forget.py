"""``crawl forget``: a person is gone everywhere, and does not come back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crawl_worlds import crawl, environment, one

from harness import Redclust
from natural import comment, write_dump
from redclust import config
from redclust.db import locks
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.dumps.read import Filters
from redclust.ops import backup, restore
from redclust.ops.import_ import import_files
from redclust.rehearsal.server import Rehearsal
from redclust.rehearsal.world import World, base36
from redclust.report import Silent


def rows_that_say(database: Database, word: str) -> dict[str, int]:
    """Rows of any table whose text holds the word, by table."""
    found: dict[str, int] = {}
    with database.connect() as connection:
        tables = [
            str(name)
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        ]
        for table in tables:
            row = connection.execute(
                f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE %s',  # type: ignore[arg-type]
                [f"%{word}%"],
            ).fetchone()
            if row and row[0]:
                found[table] = row[0]
    return found


@pytest.fixture
def author(database: Database, rehearsal: Rehearsal, world: World) -> str:
    """Somebody whose name is in every place where one can be."""
    crawl(database, rehearsal, *[place.name for place in world.subreddits[:5]], depth_limit=0)
    writers = "SELECT u.name FROM comments c JOIN users u ON u.id = c.author_id GROUP BY 1"
    name = str(one(database, f"{writers} ORDER BY count(*) DESC, 1"))
    with database.connect(autocommit=True) as connection:
        identity = one(database, f"SELECT id FROM users WHERE name = '{name}'")
        connection.execute(f"""
            INSERT INTO graph_nodes (id, name, val, type) VALUES ('user_{identity}', '{name}', 3, 'user'),
                ('subreddit_1', 'golang', 2, 'subreddit');
            INSERT INTO graph_links (source, target, type, val)
                VALUES ('subreddit_1', 'user_{identity}', 'user-subreddit', 1);
            INSERT INTO quarantine (run_id, n, table_name, reason, content) VALUES
                (1, 1, 'users', 'x', json_build_object('id', {identity}, 'name', '{name}')),
                (1, 2, 'comments', 'x', json_build_object('id', 5, 'author_id', {identity}, 'body', 'x')),
                (1, 3, 'comments', 'x', json_build_object('id', 6, 'author_id', -1, 'body', 'another'));
            INSERT INTO crawl_rejects (sha256, subreddit_name, kind, reason, raw) VALUES
                ('\\x01', 'golang', 't1', 'x', '{{"author": "{name}", "id": 7}}'),
                ('\\x02', 'golang', 't1', 'x', '{{"author": "somebody", "id": 8}}');
            UPDATE crawl_jobs SET error_message = 'Reddit failed at /user/{name}/overview: 503'""")  # type: ignore[arg-type]
    return name


def test_a_person_is_gone_from_everywhere(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, author: str, world: World, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    rejects = home / "rejects" / "RC.jsonl"
    rejects.parent.mkdir(parents=True)
    lines = [{"line": 1, "raw": json.dumps({"author": author})}, {"line": 2, "raw": f"not {author}s"}]
    rejects.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = rows_that_say(database, author)
    assert {"users", "graph_nodes", "quarantine", "crawl_rejects", "crawl_jobs"} <= before.keys()
    theirs = f"FROM comments c JOIN users u ON u.id = c.author_id WHERE u.name = '{author}'"
    wrote = one(database, f"SELECT array_agg(c.id) {theirs}")
    url = ("--database-url", database.target.url(), "--home", str(home))
    seen = redclust(
        *url, "crawl", "forget", f"u/{author}", "--dry-run", "--format", "json", check=0, fresh=True
    )
    assert json.loads(seen.stdout)["comments"] == len(wrote)
    assert rows_that_say(database, author) == before
    refused = redclust(*url, "crawl", "forget", f"u/{author}", check=17)
    assert f"--confirm {author}" in refused.stderr
    redclust(*url, "crawl", "forget", f"u/{author}", "--confirm", "somebody", check=17)
    assert rows_that_say(database, author) == before

    done = redclust(*url, "crawl", "forget", f"u/{author}", "--confirm", author, "--format", "json", check=0)
    report = json.loads(done.stdout)
    assert (report["comments"], report["rejects_lines"]) == (len(wrote), 1)
    assert rows_that_say(database, author) == {}
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [2]
    texts = f"SELECT array_agg(DISTINCT body) FROM comments WHERE id = ANY('{{{','.join(map(str, wrote))}}}')"
    assert one(database, texts) == ["[deleted]"]
    # What is others' stands, and the tombstone names nobody.
    assert one(database, "SELECT count(*) FROM quarantine") == 1
    assert one(database, "SELECT count(*) FROM crawl_rejects") == 1
    assert one(database, "SELECT count(*) FROM tombstones WHERE kind = 'user'") == 1

    # Neither a crawl nor a dump brings anything back, whoever the dump says that it was.
    crawl(database, rehearsal, *[place.name for place in world.subreddits[:5]], depth_limit=0)
    row = comment(1, id=base36(wrote[0]), author="[deleted]", body="as it was", retrieved_on=1_900_000_000)
    mine = comment(2, author=author.upper(), body="from before")
    dump = write_dump(tmp_path / "RC.zst", [{**row, "retrieved_on": 1_700_000_000}, mine])
    import_files(database, [dump], filters=Filters(), batch_rows=10, rejects_dir=tmp_path, progress=Silent())
    assert rows_that_say(database, author) == {}
    assert rows_that_say(database, "as it was") == rows_that_say(database, "from before") == {}
    again = redclust(*url, "crawl", "forget", f"u/{author}", "--confirm", author, "--format", "json", check=0)
    assert json.loads(again.stdout)["comments"] == 0


def test_whoever_may_be_writing_the_name_is_waited_for(
    redclust: Redclust, database: Database, author: str
) -> None:
    """An import has looked the name up: nothing is said to be erased before it has ended."""
    forget = ("crawl", "forget", author, "--confirm", author)
    with locks.hold(database.connector, LockName.REFERENCES, shared=True):
        process = redclust.start(*forget)
        with pytest.raises(Exception, match="timed out"):
            process.wait(timeout=3)
        assert "users" in rows_that_say(database, author)
    assert process.wait(timeout=30) == 0
    assert rows_that_say(database, author) == {}
    with locks.hold(database.connector, LockName.OPERATIONS, shared=True):
        assert "locked by another run" in redclust(*forget, check=13).stderr


def test_the_backups_that_hold_the_name_are_told(
    redclust: Redclust, database: Database, author: str, tmp_path: Path
) -> None:
    url = ("--database-url", database.target.url(), "--home", str(tmp_path / "home"))
    redclust(*url, "backup", "now", check=0, fresh=True)
    done = redclust(*url, "crawl", "forget", author, "--confirm", author, check=0)
    assert "Backup reddit_cluster_" in done.stdout
    assert "until 7 newer ones have been verified" in done.stdout


def test_neither_a_restore_nor_an_undo_brings_a_person_back(
    redclust: Redclust, database: Database, author: str, live: str, bin_dir: Path | None, tmp_path: Path
) -> None:
    settings = {"url": database.target.url(), "bin_dir": bin_dir}
    flags = {"database": settings, "backup": {"target": str(tmp_path / "backups")}}
    loaded = config.load(home=tmp_path / "home", flags=flags)
    made = backup.make(loaded, backup.Options(), Silent()).name

    def swap() -> None:
        with restore.prepare(loaded, restore.Request(made, swap=True), Silent()) as prepared:
            prepared.run()

    swap()  # what it keeps has the name
    assert "users" in rows_that_say(database, author)
    url = ("--database-url", database.target.url(), "--home", str(tmp_path / "home"))
    redclust(*url, "crawl", "forget", author, "--confirm", author, check=0)
    for step in (lambda: restore.undo(database.connector, Silent(), terminate=False, lock_wait_s=0), swap):
        step()
        assert one(database, "SELECT count(*) FROM comments") > 0
        assert rows_that_say(database, author) == {}


def test_no_secret_is_anywhere(
    redclust: Redclust, database: Database, rehearsal: Rehearsal, world: World
) -> None:
    """Neither in output, nor in a process's arguments, nor in a table, nor in what sessions run."""
    secret = "s3cr3t-0f-the-app"
    with rehearsal.lock:
        rehearsal.clients.secrets["rehearsal-client"] = secret
    env = {**environment(rehearsal, depth_limit=0), "REDDIT_CLIENT_SECRET": secret}
    names = [place.name for place in world.subreddits[:2]]
    told: list[str] = []
    # Well, with Reddit failing, with a bug's traceback asked for, and with the secret refused.
    for weather, changed in (("", {}), ("503 on=comments share=0.5", {}), ("401-bare", {})):
        rehearsal.weather.clear()
        rehearsal.weather.add(weather)
        done = redclust(
            "crawl", "--sub", names[0], "--format", "json", "-vv", env={**env, **changed}, fresh=True
        )
        told += [done.stdout, done.stderr]
    rehearsal.weather.clear()
    process = redclust.start("crawl", "run", env=env)
    arguments = [Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()]
    with database.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO crawl_jobs (subreddit_name) VALUES (%s)", [names[1]])
        while one(database, "SELECT count(*) FROM crawl_jobs WHERE verdict = 'ok'") == 0:
            sessions = "SELECT query, application_name FROM pg_stat_activity"
            arguments += [f"{row}" for row in connection.execute(sessions).fetchall()]
    process.terminate()
    told += list(process.communicate())
    tokens = list(rehearsal.clients.tokens)
    assert tokens
    for word in (secret, *tokens):
        assert not any(word in text for text in (*told, *arguments))
        assert rows_that_say(database, word) == {}
