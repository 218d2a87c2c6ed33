"""The installed command on a database and place of its own, and the same inside this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from harness import Redclust
from redclust import config
from redclust.config import Loaded
from redclust.db.session import Database


@dataclass
class Backups:
    """``backups("now")``: the installed command on the test's database and place."""

    redclust: Redclust
    place: Path
    settings: Mapping[str, str]

    def environment(self, **settings: object) -> dict[str, str]:
        own = {f"REDCLUST_BACKUP__{key.upper()}": str(value) for key, value in settings.items()}
        return {"REDCLUST_BACKUP__TARGET": str(self.place), **self.settings, **own}

    def __call__(
        self, *args: str, check: int | None = 0, fresh: bool = False, **settings: object
    ) -> CompletedProcess[str]:
        env = self.environment(**settings)
        return self.redclust("backup", *args, env=env, check=check, fresh=fresh)

    def report(self, *args: str, check: int = 0, fresh: bool = False, **settings: object) -> dict[str, Any]:
        done = self(*args, "--format", "json", check=check, fresh=fresh, **settings)
        return json.loads(done.stdout)

    def names(self) -> list[str]:
        """What lies at the place and is not hidden."""
        found = self.place.iterdir() if self.place.is_dir() else ()
        return sorted(path.name for path in found if not path.name.startswith("."))

    def manifest(self, name: str) -> dict[str, Any]:
        return json.loads((self.place / name / "manifest.json").read_text())


def loaded_for(
    database: Database, place: Path | str, work_dir: Path, bin_dir: Path | None, **more: Any
) -> Loaded:
    flags = {
        "database": {"url": database.target.conninfo, "bin_dir": bin_dir},
        "backup": {"target": str(place), **more},
    }
    return config.load(home=work_dir / "no-home", flags=flags)
