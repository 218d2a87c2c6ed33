"""Where the value of each setting comes from.

Order: flag, ``REDCLUST_<SECTION>__<KEY>``, the runbook's names, ``--env-file``, YAML file, default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from redclust.config.names import HOME, OWN_NAMES, PREFIX, RUNBOOK_NAMES, UNREAD_NAMES
from redclust.config.sections import Settings
from redclust.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the origin of each value that is not a default (``section.key`` to source)."""

    settings: Settings
    home: Path
    file: Path | None
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


def default_home() -> Path:
    """Where the embedded database and rejects live: ``REDCLUST_HOME``, else the user's data directory."""
    import platformdirs

    named = os.environ.get(HOME)
    return Path(named).absolute() if named else Path(platformdirs.user_data_dir("redclust", appauthor=False))


def default_file() -> Path:
    """``REDCLUST_CONFIG``, else ``config.yaml`` in the user's configuration directory."""
    import platformdirs

    named = os.environ.get("REDCLUST_CONFIG")
    folder = platformdirs.user_config_dir("redclust", appauthor=False)
    return Path(named).absolute() if named else Path(folder) / "config.yaml"


def load(
    *,
    home: Path | None = None,
    file: Path | None = None,
    env_file: Path | None = None,
    flags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Loaded:
    """Read every source and check every value.

    ``file`` given by flag or ``REDCLUST_CONFIG`` must exist; the default one may be absent.

    Raises:
        ConfigError: a file cannot be read, a key is unknown or a value is bad; says where and why.
    """
    named_file = file is not None or "REDCLUST_CONFIG" in os.environ
    path = file or default_file()
    env_file = env_file or (Path(p) if (p := os.environ.get("REDCLUST_ENV_FILE")) else None)
    merged: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    notes: list[str] = []

    def lay(section: str, key: str, value: Any, origin: str) -> None:
        merged.setdefault(section, {})[key] = value
        origins[f"{section}.{key}"] = origin

    present = path.exists()
    if named_file and not present:
        raise ConfigError(f"configuration file {path} does not exist", hint="redclust config init makes one")
    if present:
        for section, keys in _read_yaml(path).items():
            merged[section] = {}
            origins[section] = str(path)
            for key, value in keys.items():
                lay(section, key, value, str(path))
    if env_file is not None:
        names = _read_env_file(env_file)
        _lay_environment(names, str(env_file), lay, notes)
        if home is None and not os.environ.get(HOME) and names.get(HOME):
            home = Path(names[HOME]).absolute()
    _lay_environment(dict(os.environ), "environment", lay, notes)
    for section, keys in (flags or {}).items():
        for key, value in keys.items():
            lay(section, key, value, f"--{section}-{key}".replace("_", "-"))
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise _config_error(error, origins) from None
    return Loaded(settings, home or default_home(), path if present else None, origins, tuple(notes))


def _read_yaml(path: Path) -> dict[str, dict[str, Any]]:
    import yaml

    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise ConfigError(f"{path}{where}: not valid YAML: {problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected sections with keys")
    sections: dict[str, dict[str, Any]] = {}
    for name, keys in cast(dict[object, object], content).items():
        if keys is not None and not isinstance(keys, dict):
            raise ConfigError(f"{path}: {name}: expected keys below this section")
        sections[str(name)] = {str(k): v for k, v in cast(dict[object, object], keys or {}).items()}
    return sections


def _read_env_file(path: Path) -> dict[str, str]:
    from dotenv.parser import parse_stream

    names: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as file:
            # Without interpolation: a password may hold a dollar sign.
            for one in parse_stream(file):
                if one.error:
                    raise ConfigError(f"{path}, line {one.original.line}: not a line NAME=value")
                if one.key is not None:
                    names[one.key] = one.value or ""
    except OSError as error:
        raise ConfigError(f"environment file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"environment file {path} is not UTF-8 text") from None
    for name in sorted((OWN_NAMES - {HOME}) & names.keys()):
        raise ConfigError(f"{path}: {name} has no effect in an environment file", hint="set it outside")
    return names


def _lay_environment(names: Mapping[str, str], origin: str, lay: Any, notes: list[str]) -> None:
    for name, (section, key) in RUNBOOK_NAMES.items():
        if names.get(name):
            lay(section, key, names[name], f"{name} ({origin})")
    for name, note in UNREAD_NAMES.items():
        if names.get(name):
            notes.append(f"{name}: {note}")
    for name, value in names.items():
        if not name.startswith(PREFIX) or name in OWN_NAMES:
            continue
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if not separator:
            raise ConfigError(
                f"{name} ({origin}) is not a setting", hint="settings are REDCLUST_<SECTION>__<KEY>"
            )
        lay(section, key, value or None, f"{name} ({origin})")


def _config_error(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location[:2])
    origin = origins.get(key) or next((o for k, o in origins.items() if k.startswith(f"{key}.")), "")
    reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ConfigError(
        f"{origin + ': ' if origin else ''}{key}: {reason}{more}",
        hint="redclust config show lists every key with its value",
    )
