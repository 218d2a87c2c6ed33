"""Memory is bounded by a batch, whatever a small file unfolds to."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from dump_files import comment, lines, zstd

_MIB = 2**20


def peak_mib(path: Path, statement: str) -> int:
    """The peak of a process that reads the file and holds one batch at a time."""
    script = f"""
from pathlib import Path
from redclust.dumps.read import Filters, read
from redclust.errors import ArtefactUnusable
rows = 0
try:
    for item in read(Path({str(path)!r}), filters=Filters()):
        {statement}
except ArtefactUnusable:
    pass
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.fixture(scope="module")
def base_mib(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What reading a small file takes: Python, numpy, one block."""
    path = tmp_path_factory.mktemp("base") / "RC"
    path.write_bytes(lines([comment(i) for i in range(1000)]))
    return peak_mib(path, "pass")


def test_a_file_of_texts_that_compress_well(base_mib: int, tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    block = lines([comment(i, body="x" * 100_000) for i in range(20)])
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    path.write_bytes(b"".join(compressor.compress(block) for _ in range(100)) + compressor.flush())
    # A batch's texts are held once in pieces and once joined: 2 x 32 MiB.
    assert peak_mib(path, "rows += len(getattr(item, 'id', ()))") < base_mib + 120


@pytest.mark.parametrize("pack", [zstd, gzip.compress])
def test_one_line_without_an_end(pack: object, base_mib: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    data = lines([comment()]) + b"0" * (120 * _MIB)
    path.write_bytes(pack(data))  # type: ignore[operator]
    assert path.stat().st_size < 2 * _MIB
    assert peak_mib(path, "pass") < base_mib + 80


def test_many_bad_lines(base_mib: int, tmp_path: Path) -> None:
    path = tmp_path / "RC.zst"
    path.write_bytes(zstd(lines([comment()]) + (b"x" * 80_000 + b"\n") * 2000))
    assert peak_mib(path, "rows += len(getattr(item, 'rejects', ()))") < base_mib + 120
