"""The secrets that this process was told: they are taken out of the log whatever they look like."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from redclust.config import Settings

_KEYWORD = re.compile(r"password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))")


def known(settings: Settings) -> set[str]:
    """Every secret of the settings, the password within an address of a database, and libpq's own."""
    found = {os.environ.get("PGPASSWORD", "")}
    for section in dict(settings).values():
        for value in dict(section).values() if isinstance(section, BaseModel) else ():
            if isinstance(value, SecretStr):
                found |= _parts(value.get_secret_value())
    return found - {""}


def _parts(secret: str) -> set[str]:
    if "://" in secret:
        address = urlsplit(secret)
        return {address.password or "", unquote(address.password or ""), *_keywords(address.query)}
    return _keywords(secret) or {secret}


def _keywords(text: str) -> set[str]:
    return {quoted or plain for quoted, plain in _KEYWORD.findall(text)}
