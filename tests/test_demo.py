"""``redclust demo``: from nothing to a map, again, and never over anything that is not a demo's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness import Redclust


def test_demo_finds_what_was_planted_and_says_what_to_type_next(
    redclust: Redclust, make_home: Callable[..., Path], tmp_path: Path
) -> None:
    output = make_home("demo").parent / "demo"
    env = {"REDCLUST_HOME": str(make_home("unused"))}
    make_home("home", parent=output)  # disposed of after the test
    done = redclust("demo", "--output", str(output), env=env, check=0)
    assert "Agreement with what was planted" in done.stdout
    assert str(output / "map.svg") in done.stdout
    assert (output / "map.svg").read_text().startswith("<?xml")
    commands = [line.strip() for line in done.stdout.splitlines() if " --home " in line]
    assert len(commands) == 2
    for command in commands:
        shown = redclust(*command.split()[1:], env={"REDCLUST_HOME": "unused"}, check=0)
        assert shown.stdout
    again = redclust("demo", "--output", str(output), "--format", "json", env=env, check=0)
    report = json.loads(again.stdout)
    assert report["schema"] == "redclust.demo/1"
    assert report["comments"] == 40_000
    assert report["adjusted_mutual_information"] > 0.95
    assert len(report["communities"]) >= 10
    assert not Path(env["REDCLUST_HOME"]).exists()


def test_demo_never_replaces_what_is_not_a_demos(redclust: Redclust, tmp_path: Path) -> None:
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    done = redclust("demo", "--output", str(tmp_path), env={"REDCLUST_HOME": str(tmp_path / "h")}, check=17)
    assert "not a demo's" in done.stderr
    assert precious.read_text() == "years of work"


def test_demo_touches_no_configured_database(redclust: Redclust, make_home: Callable[..., Path]) -> None:
    """Someone's DATABASE_URL is set: the demo works beside it, on its own."""
    output = make_home("home", parent=make_home("demo").parent / "demo").parent
    env = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/production", "PGHOST": "127.0.0.1"}
    done = redclust("demo", "--output", str(output), "--quiet", env=env, check=0)
    assert done.stdout == ""
    assert done.stderr == ""
