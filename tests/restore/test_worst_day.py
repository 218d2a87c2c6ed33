"""The worst day: the data of an embedded server is gone or unusable, and a backup is all there is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from restore_world import Place, fill, hashes

from harness import (
    Redclust,
    dispose,
    kill_server,
    open_directory,
    own_server,
    settings_for,
    stopped,
    wait_until,
)
from redclust.db import schema
from redclust.db.connect import Connector
from redclust.db.layout import Layout
from redclust.db.session import Database

Contents = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Home:
    """A home with a filled database whose server is down, and its backup."""

    place: Place
    before: Contents
    bin_dir: Path | None

    @property
    def data(self) -> Path:
        return Layout(self.place.home).data

    def contents(self) -> Contents:
        self.down()
        with own_server(self.place.home, self.bin_dir).in_use() as target:
            return hashes(target)

    def down(self) -> None:
        wait_until(lambda: stopped(self.place.home), "the server is down")

    def kept(self) -> list[Path]:
        return list(self.data.parent.glob("data_before_*"))

    def files(self) -> list[Path]:
        return sorted(path.relative_to(self.data) for path in self.data.rglob("*"))


@dataclass(frozen=True)
class Made:
    """A home that was made once, what it and its backups were then, and what is in its database."""

    home: Path
    stock: Path
    before: Contents

    @classmethod
    def make(cls, home: Path, redclust: Redclust, bin_dir: Path | None) -> Made:
        """A home with data of its own, whose server is down, and one backup of it."""
        stock = home.with_name(f"{home.name} as it was")
        with own_server(home, bin_dir).in_use() as target:
            database = Database(Connector(target, settings_for(bin_dir).database, "test"))
            schema.migrate(database.connector)
            fill(database)
            with database.connect(autocommit=True) as connection:
                connection.execute("UPDATE subreddits SET title = %s WHERE id = 1", (f"of {home.name}",))
                connection.execute("CREATE ROLE reader LOGIN PASSWORD 'secret'")
                connection.execute("GRANT SELECT ON posts TO reader")
            Place(database, redclust, stock / "backups", home, embedded=True).backup()
            before = hashes(target)
        wait_until(lambda: stopped(home), "the server is down")
        copy(home, stock / "home")
        return cls(home, stock, before)


def copy(source: Path, copy: Path) -> None:
    """With the owners: the files are the server's account's."""
    subprocess.run(["cp", "-a", str(source), str(copy)], check=True)


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, Made]]:
    """The homes by their names."""
    made: dict[str, Made] = {}
    yield made
    for one in made.values():
        shutil.rmtree(one.stock)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Where the homes of all these tests lie, one test after the other."""
    directory = open_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def backed_up(
    redclust: Redclust, bin_dir: Path | None, directory: Path, made: dict[str, Made], tmp_path: Path
) -> Iterator[Callable[[str], Home]]:
    homes: list[Path] = []

    def make(name: str) -> Home:
        home = directory / name
        homes.append(home)
        if name not in made:
            made[name] = Made.make(home, redclust, bin_dir)
        else:
            copy(made[name].stock / "home", home)
        shutil.copytree(made[name].stock / "backups", tmp_path / "backups", dirs_exist_ok=True)
        target = own_server(home, bin_dir).target()
        database = Database(Connector(target, settings_for(bin_dir).database, "test"))
        place = Place(database, redclust, tmp_path / "backups", home, embedded=True)
        return Home(place, made[name].before, bin_dir)

    yield make
    for home in homes:
        dispose(home)


def test_an_unusable_data_directory_is_moved_aside_and_made_anew(backed_up: Callable[[str], Home]) -> None:
    home = backed_up("map")
    shutil.rmtree(home.data / "global")
    files = home.files()
    plan = home.place.report("restore", "latest", "--dry-run")
    assert plan["mode"] == "swap"
    assert plan["kept_as"].startswith(str(home.data.with_name("data_before_")))
    assert "global/pg_control" in plan["notes"][0]
    assert home.files() == files

    # Nobody has to confirm what cannot lose anything: what is left is kept.
    report = home.place.report("restore", "latest")
    assert report["notes"] == ["the role reader was made, without a password"]
    kept = Path(report["kept"])
    assert [kept] == home.kept()
    assert sorted(path.relative_to(kept) for path in kept.rglob("*")) == files
    assert home.contents() == home.before
    # The backups of the server that is no more are still this database's: by name, and as `latest`.
    listed = home.place.report("backup", "ls")
    assert [(one["own"], one["name"] == listed["latest"]) for one in listed["backups"]] == [(True, True)]


@pytest.mark.parametrize("what", ["PG_VERSION", "data", "postgres"])
def test_data_that_is_gone(backed_up: Callable[[str], Home], what: str) -> None:
    home = backed_up("map")
    if what == "PG_VERSION":
        (home.data / what).unlink()
    else:
        shutil.rmtree(home.data if what == "data" else home.data.parent)
    if what == "data":
        # Somebody looks first, which makes an empty database: nothing that a restore would have to keep.
        assert home.place.run("graph", "show", check=None).returncode != 14
        home.down()
    report = home.place.report("restore")
    assert report["swapped"] is True
    assert (report["kept"] is None) == (what != "PG_VERSION")
    assert home.contents() == home.before


def test_a_restore_that_is_killed_on_the_worst_day_is_begun_again(backed_up: Callable[[str], Home]) -> None:
    home = backed_up("map")
    shutil.rmtree(home.data / "global")
    process = home.place.start("restore", "latest")
    wait_until(lambda: bool(home.kept()), "the old data is aside")
    process.kill()
    process.communicate()
    kill_server(home.place.home)
    home.place.run("restore", "latest")
    assert home.contents() == home.before
    assert len(home.kept()) == 1


def test_a_server_that_does_not_start_for_another_reason_keeps_its_data(
    backed_up: Callable[[str], Home],
) -> None:
    home = backed_up("map")
    with (home.data / "postgresql.conf").open("a") as settings:
        settings.write("of_nobody = 17\n")
    done = home.place.run("restore", "latest", check=14)
    assert 'unrecognized configuration parameter "of_nobody"' in done.stderr
    assert "HINT: its log is" in done.stderr
    assert home.kept() == []
    # Who gives the data up for good says so by its name.
    assert home.place.run("restore", "latest", "--swap", check=17)
    home.place.run("restore", "latest", "--swap", "--confirm", "reddit_cluster")
    assert home.contents() == home.before
    assert len(home.kept()) == 1


def test_two_maps_with_one_directory_of_backups(backed_up: Callable[[str], Home]) -> None:
    first, second = backed_up("first"), backed_up("second")
    latest = [home.place.report("backup", "ls")["latest"] for home in (first, second)]
    assert latest[0] < latest[1]
    # The newest backup there is the other map's.
    shutil.rmtree(first.data)
    assert first.place.report("restore", "latest", "--dry-run")["source"].endswith(latest[0])
    shutil.rmtree(first.place.directory / latest[0])
    done = first.place.run("restore", "latest", check=16)
    assert "there is no backup of this database" in done.stderr
    # Named, it is taken.
    first.place.run("restore", latest[1])
    assert first.contents() == second.before
