"""The file of rejected lines."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from redclust.dumps.batches import RAW_BYTES, Reject
from redclust.dumps.rejects import RejectsFile


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_each_reject_is_a_line_of_json_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rejects" / "RC.jsonl"
    with RejectsFile(path) as rejects:
        assert rejects.sync() == 0
        assert not path.exists()
        rejects.append([Reject(3, 90, "malformed JSON", b'{"a":"\xc3\xa9')])
        rejects.append([Reject(9, 200, "broken UTF-8", b"\xff\x00")])
        assert rejects.sync() == path.stat().st_size
    assert records(path) == [
        {"line": 3, "offset_bytes": 90, "reason": "malformed JSON", "raw": '{"a":"é'},
        {
            "line": 9,
            "offset_bytes": 200,
            "reason": "broken UTF-8",
            "raw_base64": base64.b64encode(b"\xff\x00").decode(),
        },
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_came_after_a_checkpoint_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "RC.jsonl"
    with RejectsFile(path) as rejects:
        rejects.append([Reject(1, 0, "a", b"")])
        length = rejects.sync()
        rejects.append([Reject(2, 5, "b", b"")])
    with RejectsFile(path) as rejects:
        rejects.truncate_to(length)
        rejects.append([Reject(3, 9, "c", b"")])
        rejects.sync()
    assert [record["reason"] for record in records(path)] == ["a", "c"]


def test_a_character_cut_by_the_bound_does_not_turn_text_into_base64(tmp_path: Path) -> None:
    path = tmp_path / "RC.jsonl"
    with RejectsFile(path) as rejects:
        rejects.append([Reject(1, 0, "a", ("x" + "é" * RAW_BYTES).encode()[:RAW_BYTES])])
    (record,) = records(path)
    assert record["raw"] == "x" + "é" * (RAW_BYTES // 2 - 1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "RC.jsonl").symlink_to(tmp_path / "elsewhere")
    with RejectsFile(tmp_path / "RC.jsonl") as rejects, pytest.raises(OSError, match="symbolic"):
        rejects.append([Reject(1, 0, "a", b"")])
    assert not (tmp_path / "elsewhere").exists()
