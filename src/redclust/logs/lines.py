"""An event as a line; the last thing that happens to it is that secrets are taken out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from redclust.logs.ids import current
from redclust.secrets import without_secrets

#: A secret shorter than this would hide half of every line; its shape still hides it where it has one.
_SHORTEST = 4


class Lines(logging.Formatter):
    """One line an event: text, or JSON with the same fields.

    ``values`` are secrets that this process knows, whatever they look like; others are told by their shape.
    """

    def __init__(
        self, process: Mapping[str, object], values: Collection[str], *, as_json: bool, traces: bool
    ) -> None:
        super().__init__()
        self._process = process
        self._values = sorted((one for one in values if len(one) >= _SHORTEST), key=len, reverse=True)
        self._as_json, self._traces = as_json, traces

    def format(self, record: logging.LogRecord) -> str:
        """The line, or for a trace in text several."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **self._process,
            **current(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._traces and record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        hidden = {
            name: self._hidden(value) if isinstance(value, str) else value for name, value in fields.items()
        }
        return _json(hidden) if self._as_json else _text(hidden)

    def _hidden(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "****")
        return without_secrets(text)


def _json(fields: Mapping[str, object]) -> str:
    import orjson

    return orjson.dumps(fields, default=str).decode()


def _text(fields: Mapping[str, object]) -> str:
    shown = dict(fields)
    at, level, message, trace = (shown.pop(name, "") for name in ("time", "level", "message", "trace"))
    shown.pop("logger")
    ids = " ".join(f"{name}={value}" for name, value in shown.items())
    line = f"{at} {str(level).upper():<7} {ids}: {' '.join(str(message).split())}"
    return f"{line}\n{trace}" if trace else line
