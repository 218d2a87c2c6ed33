"""What must not be lost or lied about: killed imports, cut files, two at once, a failing database."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import Clones, Redclust, rounds
from natural import comment, contents, digest, write_dump
from redclust.db.connect import Connector
from redclust.db.session import Database

ROWS = 20_000
BAD = range(100, ROWS, 2_500)
SMALL_BATCHES = {"REDCLUST_IMPORTS__BATCH_ROWS": "1000"}


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Comments, a few of them bad."""
    folder = tmp_path_factory.mktemp("dump")
    chance = random.Random(1)
    rows = [comment(n, body=f"{n} {chance.getrandbits(256):x}") for n in range(ROWS)]
    for n in BAD:
        rows[n]["score"] = "many"
    return write_dump(folder / "RC.zst", rows)


@dataclass
class Undisturbed:
    """What one import without disturbance left, and how long it took."""

    rows: dict[str, tuple[int, str]]
    duration_s: float


@pytest.fixture(scope="module")
def memory() -> list[Undisturbed]:
    return []


@pytest.fixture
def undisturbed(
    redclust: Redclust, clones: Clones, database: Database, dump: Path, memory: list[Undisturbed]
) -> Undisturbed:
    if not memory:
        whole = Database(Connector(clones.make(), database.connector.settings, "test"))
        started = time.monotonic()
        redclust("import", str(dump), "--database-url", whole.target.url(), env=SMALL_BATCHES, check=3)
        memory.append(Undisturbed(digest(whole), time.monotonic() - started))
    return memory[0]


@pytest.mark.parametrize("seed", rounds(2, 20))
def test_a_killed_import_goes_on_and_ends_with_the_same_rows(
    redclust: Redclust, database: Database, dump: Path, undisturbed: Undisturbed, seed: int
) -> None:
    process = redclust.start("import", str(dump), env=SMALL_BATCHES)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=random.Random(seed).uniform(0.2, 1) * undisturbed.duration_s)
    process.kill()
    done = redclust("import", str(dump), "--format", "json", env=SMALL_BATCHES, check=3)
    assert digest(database) == undisturbed.rows
    file = json.loads(done.stdout)["files"][0]
    rejects = [json.loads(line)["line"] for line in Path(file["rejects_file"]).read_text().splitlines()]
    assert rejects == [n + 1 for n in BAD]
    assert file["rows_read"] == ROWS
    assert file["resumed_at_line"] % 1000 == 0


@pytest.mark.parametrize("seed", rounds(3, 50))
def test_a_cut_dump_never_reports_success(redclust: Redclust, dump: Path, seed: int, tmp_path: Path) -> None:
    data = dump.read_bytes()
    cut = tmp_path / "cut.zst"
    cut.write_bytes(data[: random.Random(seed).randrange(len(data))])
    done = redclust("import", str(cut), "--format", "json")
    assert done.returncode == 16, done.stdout + done.stderr
    file = json.loads(done.stdout)["files"][0]
    assert file["state"] in ("damaged", "unusable")
    assert file["problem"]


def test_what_was_read_before_the_cut_is_kept_and_the_whole_file_adds_the_rest(
    redclust: Redclust, database: Database, dump: Path, tmp_path: Path
) -> None:
    data = dump.read_bytes()
    cut = tmp_path / "RC.zst"
    cut.write_bytes(data[: len(data) * 2 // 3])
    done = redclust("import", str(cut), "--format", "json", check=16)
    kept = json.loads(done.stdout)["files"][0]["added_rows"]
    assert kept > 1000
    assert len(contents(database)["comments"]) == kept
    done = redclust("import", str(dump), "--format", "json", check=3)
    file = json.loads(done.stdout)["files"][0]
    assert file["resumed_at_line"] > 0
    assert kept + file["added_rows"] == ROWS - len(BAD)


def test_a_changed_file_is_not_resumed(redclust: Redclust, database: Database, tmp_path: Path) -> None:
    """Equal at its beginning, different before the checkpoint: its CRC tells."""
    rows = [comment(n) for n in range(3000)]
    path = write_dump(tmp_path / "RC.zst", rows)
    path.write_bytes(path.read_bytes()[:-20])
    redclust("import", str(path), env={"REDCLUST_IMPORTS__BATCH_ROWS": "500"}, check=16)
    rows[200]["body"], rows[200]["retrieved_on"] = "edited", 1_700_000_000
    write_dump(path, rows)
    done = redclust("import", str(path), "--format", "json", check=0)
    assert json.loads(done.stdout)["files"][0]["resumed_at_line"] == 0
    with database.connect() as connection:
        found = connection.execute("SELECT count(*) FROM comments WHERE body = 'edited'").fetchone()
    assert found == (1,)


def test_two_imports_at_once_one_is_told_who_works(
    redclust: Redclust, database: Database, dump: Path
) -> None:
    process = redclust.start("import", str(dump), env={"REDCLUST_IMPORTS__BATCH_ROWS": "500"})
    with database.connect(autocommit=True) as connection:
        deadline = time.monotonic() + 20
        busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'redclust import'"
        while connection.execute(busy).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    done = redclust("import", str(dump))
    assert process.wait(timeout=60) == 3
    assert done.returncode in (13, 3)  # 3 where the first had ended already
    if done.returncode == 13:
        assert "redclust import" in done.stderr


def test_a_row_that_another_writer_added_meanwhile_is_merged(database: Database, tmp_path: Path) -> None:
    """COPY meets a key that was not there when it was looked for: nothing is lost, nothing fails."""
    from redclust.dumps.read import Filters
    from redclust.ops.import_ import import_files
    from redclust.report import Silent

    path = write_dump(tmp_path / "RC.zst", [comment(n) for n in range(50)])
    with database.connect(autocommit=True) as connection:
        # A trigger stands for the other writer: it lets the row in just before the COPY's own.
        connection.execute("""
            CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF pg_trigger_depth() = 1 AND NEW.body = 'comment 7'
                   AND current_query() LIKE 'COPY comments%' THEN
                    INSERT INTO comments SELECT NEW.*;
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER meanwhile BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION meanwhile()""")
    report = import_files(
        database, [path], filters=Filters(), batch_rows=100, rejects_dir=tmp_path, progress=Silent()
    )
    assert report.ok
    assert len(contents(database)["comments"]) == 50
