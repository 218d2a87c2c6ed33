"""``redclust demo``: from nothing to a map, again, and never over anything that is not a demo's."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness import Redclust, settings_for
from redclust.errors import RedclustError
from redclust.ops import demo
from redclust.ops.rehearse import WorldSize
from redclust.rehearsal import reach
from redclust.render import demo as words
from redclust.render.output import to_json
from redclust.report import Silent

SMALL = WorldSize(subreddits=30, users=80, communities=3, posts=60, comments=900)


@pytest.fixture
def redclust(redclust: Redclust) -> Redclust:
    """Every call by a new interpreter: as a new user would."""
    return replace(redclust, warm=None)


@pytest.mark.long
def test_demo_finds_what_was_planted_and_says_what_to_type_next(
    redclust: Redclust, make_home: Callable[..., Path]
) -> None:
    """Someone's DATABASE_URL is set: the demo works beside it, on its own."""
    output = make_home("demo").parent / "demo"
    make_home("home", parent=output)  # disposed of after the test
    unused = make_home("unused")
    production = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/production", "PGHOST": "127.0.0.1"}
    env = {"REDCLUST_HOME": str(unused), **production}
    done = redclust("demo", "--output", str(output), env=env, check=0, timeout_s=300)
    assert "18000 comments and 320 posts of 1603 users in 140 subreddits" in done.stdout
    # A token, each subreddit's about and its only listing, and each post but two, which nobody answered.
    assert f": {1 + 140 + 140 + 318} requests in " in done.stdout
    agreement = re.search(r"Agreement with what was planted: AMI ([\d.]+)", done.stdout)
    assert agreement
    assert float(agreement[1]) > 0.95
    assert str(output / "map.svg") in done.stdout
    assert (output / "map.svg").read_text().startswith("<?xml")
    commands = [line.strip() for line in done.stdout.splitlines() if " --home " in line]
    assert len(commands) == 2
    for command in commands:
        shown = redclust(*command.split()[1:], env={"REDCLUST_HOME": "unused"}, check=0)
        assert shown.stdout
    assert not unused.exists()


def test_a_demo_that_lost_something_fails_and_the_next_one_takes_its_place(
    make_home: Callable[..., Path], bin_dir: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is held against what the world says that can be reached."""
    output = make_home("demo").parent / "demo"
    make_home("home", parent=output)
    settings = settings_for(bin_dir)
    lost = reach.Reach(comments=frozenset({"t1_never_there"}))
    with monkeypatch.context() as patch:
        patch.setattr(demo, "reach", lambda *asked: reach.reach(*asked) | lost)
        with pytest.raises(RedclustError, match="shows 901 comments, and the crawl stored 900"):
            demo.run(output, settings, Silent(), size=SMALL)
    report = demo.run(output, settings, Silent(), size=SMALL)
    document = json.loads(to_json(report))
    assert document["schema"] == "redclust.demo/1"
    assert (document["comments"], document["posts"], document["subreddits"]) == (900, 60, 30)
    assert document["adjusted_mutual_information"] > 0.5
    out = io.StringIO()
    words.show(report, Console(file=out, width=120))
    assert f"{report.requests} requests in" in out.getvalue()


def test_demo_never_replaces_what_is_not_a_demos(redclust: Redclust, tmp_path: Path) -> None:
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    done = redclust("demo", "--output", str(tmp_path), env={"REDCLUST_HOME": str(tmp_path / "h")}, check=17)
    assert "not a demo's" in done.stderr
    assert precious.read_text() == "years of work"
