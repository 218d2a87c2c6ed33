"""``redclust rehearse``: a Reddit for whoever points a client at it, until SIGTERM."""

from __future__ import annotations

import io
import json
import shlex
import signal
import subprocess
from pathlib import Path

import praw
import pytest
import requests
from dotenv import dotenv_values

from harness import Redclust

#: Small enough to be there at once.
SMALL = (
    "rehearse",
    *("--port", "0", "--subreddits", "30", "--users", "60"),
    *("--communities", "3", "--posts", "120", "--comments", "600"),
)


def started(redclust: Redclust, tmp_path: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """A rehearsal that answers, and the environment file that it printed."""
    process = redclust.start(*SMALL, *options, home=tmp_path)
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("REDDIT_USER_AGENT"):
            return process, "".join(lines)
    raise AssertionError(f"it never served: {process.communicate()}")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGTERM)
    _, talk = process.communicate(timeout=20)
    return process.returncode, talk


def test_what_it_prints_points_a_client_at_it(redclust: Redclust, tmp_path: Path) -> None:
    process, text = started(redclust, tmp_path)
    names = dotenv_values(stream=io.StringIO(text))
    shell = dict(line.split("=", 1) for line in shlex.split(text, comments=True))
    assert names == shell
    url = names["REDCLUST_REDDIT__OAUTH_URL"]
    reddit = praw.Reddit(
        client_id=names["REDDIT_CLIENT_ID"],
        client_secret=names["REDDIT_CLIENT_SECRET"],
        user_agent=names["REDDIT_USER_AGENT"],
        oauth_url=url,
        reddit_url=names["REDCLUST_REDDIT__REDDIT_URL"],
        check_for_updates=False,
    )
    place = next(line.split()[-1] for line in text.splitlines() if "crawl --sub" in line)
    assert list(reddit.subreddit(place).new(limit=None))
    assert requests.get(f"{url}/rehearsal", timeout=5).json()["requests"] == 2
    code, talk = ended(process)
    assert code == 0
    assert "2 requests in" in talk


def test_redclust_understands_its_settings(redclust: Redclust, tmp_path: Path) -> None:
    process, text = started(redclust, tmp_path)
    file = tmp_path / "rehearsal.env"
    file.write_text(text)
    shown = redclust("--env-file", str(file), "config", "show", home=tmp_path, check=0).stdout
    assert "http://127.0.0.1:" in shown
    assert ended(process)[0] == 0


def test_json_weather_budget_and_log(redclust: Redclust, tmp_path: Path) -> None:
    rules = tmp_path / "weather.txt"
    rules.write_text("# a bad day\n\nno-headers share=0\n")
    log = tmp_path / "requests.ndjson"
    weather = ("--weather", "503 on=about", "--weather-file", str(rules))
    limits = ("--budget", "77", "--window", "6s", "--log", str(log), "--format", "json")
    process = redclust.start(*SMALL, *weather, *limits, home=tmp_path)
    assert process.stdout
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            break
    report = json.loads(text)
    assert report["schema"] == "redclust.rehearse/1"
    assert report["weather"] == ["503 on=about", "no-headers share=0"]
    assert (report["budget_requests"], report["budget_window_s"]) == (77, 6)
    assert report["subreddits"] == 30
    assert len(report["communities"]) == 3
    state = requests.get(f"{report['url']}/rehearsal", timeout=5).json()
    assert state["budget"] == {"requests": 77, "window_s": 6}
    assert requests.get(f"{report['url']}/r/x/about", timeout=5).status_code == 503
    assert ended(process)[0] == 0
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [503]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--weather", "rain"), "there is no kind 'rain'"),
        (("--subreddits", "3"), "no such world"),
        (("--log", "/nowhere/at/all"), "cannot write /nowhere/at/all"),
        (("--weather", "503 share=2"), "'share=2' is not understood"),
    ],
)
def test_what_it_cannot_do_is_said_at_once(
    redclust: Redclust, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    done = redclust(*SMALL, *options, home=tmp_path, check=2)
    assert says in done.stderr
    assert done.stdout == ""


def test_a_taken_port_is_said(redclust: Redclust, tmp_path: Path) -> None:
    process, text = started(redclust, tmp_path)
    port = text.split()[1].rstrip(":").rpartition(":")[2]
    done = redclust(*SMALL, "--port", port, home=tmp_path, check=2)
    assert f"port {port} cannot be had" in done.stderr
    assert "--port 0" in done.stderr
    assert ended(process)[0] == 0
