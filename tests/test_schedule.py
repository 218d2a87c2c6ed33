"""schedule: lines that run under an empty environment, silent when well, one useful line when not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import Redclust
from redclust.db.session import Database

JOBS = {"crawl", "precalc", "backup", "doctor", "drill", "maintenance", "integrity"}


def lines_of(text: str) -> dict[str, str]:
    """The commands of a crontab by the name of their log."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            minute, _, _, _, _, command = line.split(" ", 5)
            assert re.fullmatch(r"\d+|\*/15", minute)
            assert "%" not in line
            (name,) = re.findall(r"/logs/(\w+)\.lock", command)
            found[name] = command
    return found


def run(command: str) -> subprocess.CompletedProcess[str]:
    """As cron would, with less."""
    argv = ["env", "-i", "/bin/sh", "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")


def test_every_line_of_the_crontab_is_silent_when_well(
    redclust: Redclust, database: Database, tmp_path: Path
) -> None:
    with database.connect() as connection:
        connection.execute("INSERT INTO subreddits (name) VALUES ('golang'), ('rust')")
        connection.execute("INSERT INTO users (name) SELECT 'u' || n FROM generate_series(1, 5) AS n")
        connection.execute(
            "INSERT INTO posts (id, subreddit_id, author_id, title, created_at) "
            "SELECT s.id * 100 + u.id, s.id, u.id, 'a', now() FROM subreddits AS s, users AS u"
        )
    named = tmp_path / "redclust.env"
    named.write_text(
        f"DATABASE_URL={database.target.url()}\nREDCLUST_DOCTOR__DISK_WARNING=0.99\n"
        "REDCLUST_DOCTOR__DISK_CRITICAL=1\n"
        + (f"REDCLUST_DATABASE__BIN_DIR={redclust.bin_dir}\n" if redclust.bin_dir else "")
    )
    home = tmp_path / "a home"
    argv = ("--home", str(home), "--env-file", str(named), "schedule", "cron")
    text = redclust(*argv, check=0).stdout
    assert "crawl is left out" in text
    lines = lines_of(text)
    assert lines.keys() == JOBS - {"crawl"}
    same_disk = tmp_path.stat().st_dev == redclust.work_dir.stat().st_dev
    for name, command in lines.items():
        done = run(command)
        if name == "doctor" and same_disk:
            continue
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), name
        assert f"{home}/logs/{name}.log" in command
    assert (home / "logs" / "backup.log").stat().st_mode & 0o077 == 0
    # While one runs the next one does not begin, and says nothing.
    holding = subprocess.Popen(["flock", str(home / "logs" / "precalc.lock"), "sleep", "20"])
    try:
        while not (home / "logs" / "precalc.lock").exists():
            pass
        before = (home / "logs" / "precalc.now").stat().st_mtime_ns
        done = run(f"sleep 0.3; {lines['precalc']}")
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
        assert (home / "logs" / "precalc.now").stat().st_mtime_ns == before
    finally:
        holding.kill()
        holding.wait()
    with_reddit = redclust(*argv, env={"REDDIT_CLIENT_ID": "abc"}, check=0).stdout
    assert lines_of(with_reddit).keys() == JOBS
    (of_this_shell,) = (line for line in with_reddit.splitlines() if "of this shell alone" in line)
    assert "reddit.client_id" in of_this_shell
    assert lines_of(redclust(*argv, check=0).stdout) == lines, "the same each time"


def test_a_line_that_fails_says_so_in_one(redclust: Redclust, tmp_path: Path) -> None:
    named = tmp_path / "redclust.env"
    named.write_text("DATABASE_URL=postgresql://keeper:s3cr3t@127.0.0.1:1/none\nREDDIT_CLIENT_ID=abc\n")
    argv = ("--home", str(tmp_path / "home"), "--env-file", str(named), "schedule", "cron")
    written = tmp_path / "written"
    told = redclust(*argv, "--write", str(written), check=0).stdout
    assert f"{written}/redclust.cron" in told
    for name, command in lines_of((written / "redclust.cron").read_text()).items():
        done = run(command)
        assert done.returncode != 0, name
        assert done.stderr == ""
        assert done.stdout.count("\n") == 1, done.stdout
        assert done.stdout.startswith(f"redclust {name} failed (exit {done.returncode}): "), done.stdout
        assert re.search("database|not set|there is no backup", done.stdout), done.stdout
        assert "s3cr3t" not in done.stdout + command
        assert (tmp_path / "home" / "logs" / f"{name}.log").stat().st_size > 0


def test_systemd_accepts_the_units(redclust: Redclust, tmp_path: Path) -> None:
    units = tmp_path / "units"
    argv = ("--home", str(tmp_path / "a home"), "schedule", "systemd", "--user", "daemon")
    redclust(*argv, "--write", str(units), env={"REDDIT_CLIENT_ID": "abc"}, check=0)
    names = {one.name for one in units.iterdir()}
    assert names == {f"redclust-{job}.{kind}" for job in JOBS for kind in ("service", "timer")}
    text = (units / "redclust-backup.service").read_text()
    assert all(part in text for part in ("User=daemon", "UMask=0077", "REDCLUST_QUIET=1", "ExecStart=/"))
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [analyze, "verify", "--man=no", *(str(units / name) for name in sorted(names))],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        )
        ours = [line for line in done.stderr.splitlines() if "redclust" in line]
        assert (done.returncode, ours) == (0, []), done.stderr
    assert "there is no user" in redclust(*argv[:-1], "nobody-of-this-name", check=2).stderr
    odd = redclust("--home", str(tmp_path / "50%"), "schedule", "cron", check=2)
    assert "read as their own" in odd.stderr
