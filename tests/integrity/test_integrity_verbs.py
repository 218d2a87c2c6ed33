"""The verbs: exit codes, what they print, and what they refuse."""

from __future__ import annotations

import json

import pytest
from lab import inject

from harness import Redclust
from redclust.db.connect import Connection

BROKEN = "DELETE FROM posts WHERE id = 37; DELETE FROM graph_nodes WHERE id = 'user_9'"


def test_check_says_what_is_wrong_and_what_mends_it(connection: Connection, redclust: Redclust) -> None:
    assert "clean" in redclust("integrity", "check", check=0, fresh=True).stdout
    inject(connection, BROKEN)
    told = redclust("integrity", "check", "--samples", "2", check=3).stdout
    assert "comment_post_missing" in told
    assert "comments whose post is not there" in told
    assert "Mended by: redclust integrity clean --type comments" in told
    document = json.loads(redclust("integrity", "check", "--format", "json", check=3).stdout)
    assert document["schema"] == "redclust.integrity.check/1"
    found = {one["name"]: one for one in document["checks"] if one["state"] == "found"}
    assert set(found) == {"comment_post_missing", "graph_link_target_missing", "top_links_differ"}
    row = connection.execute("SELECT count(*), min(id) FROM comments WHERE post_id = 37").fetchone()
    assert row is not None
    assert found["comment_post_missing"]["rows"] == row[0]
    assert redclust("integrity", "check", "--type", "posts", "--type", "duplicates", check=0).stdout


def test_clean_as_cron_runs_it(connection: Connection, redclust: Redclust) -> None:
    inject(connection, BROKEN)
    dry = redclust("integrity", "clean", "--type", "all", "--dry-run", check=0).stdout
    assert "nothing was written" in dry
    redclust("integrity", "check", "--quiet", check=3)
    done = redclust("integrity", "clean", "--type", "all", env={"REDCLUST_QUIET": "1"}, check=0)
    assert (done.stdout, done.stderr) == ("", "")
    redclust("integrity", "check", check=0)
    assert "Nothing to clean" in redclust("integrity", "clean", check=0).stdout
    listed = redclust("integrity", "quarantine", "ls", check=0, fresh=True).stdout
    assert "comment_post_missing" in listed
    assert "Put back" in redclust("integrity", "quarantine", "restore", "1", check=0).stdout
    redclust("integrity", "check", check=3)
    assert redclust("integrity", "quarantine", "restore", "1", check=2).stderr.startswith("redclust: ")


@pytest.mark.parametrize("argv", [("--batch", "0"), ("--batch", "-5"), ("--type", "everything")], ids=str)
def test_a_wrong_option_is_told_before_anything_is_opened(redclust: Redclust, argv: tuple[str, ...]) -> None:
    failed = redclust(
        "integrity", "clean", *argv, env={"DATABASE_URL": "postgresql://nowhere.invalid/x"}, check=2
    )
    assert argv[0] in failed.stderr


def test_dropping_the_quarantine_is_confirmed_by_name(connection: Connection, redclust: Redclust) -> None:
    inject(connection, BROKEN)
    redclust("integrity", "clean", "--type", "comments", check=0)
    drop = ("integrity", "quarantine", "drop", "--older-than")
    name = connection.info.dbname
    assert "No run is older" in redclust(*drop, "30d", "--confirm", name, check=0, fresh=True).stdout
    refused = redclust(*drop, "0s", check=17, fresh=True)
    assert f"--confirm {name}" in refused.stderr
    redclust(*drop, "0s", "--confirm", "another", check=17)
    assert "would go" in redclust(*drop, "0s", "--dry-run", check=0).stdout
    assert connection.execute("SELECT count(*) > 0 FROM quarantine").fetchone() == (True,)
    assert "Dropped" in redclust(*drop, "0s", "--confirm", name, check=0).stdout
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
    assert "empty" in redclust("integrity", "quarantine", "ls", check=0).stdout
