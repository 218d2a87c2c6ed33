"""URLs that are asked for when a backup begins, succeeds or fails: a monitor learns of those that never ran.

A ping never changes how a backup ends: it is short, and what goes wrong with it is only said.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager

from pydantic import SecretStr

from redclust.config import BackupSettings
from redclust.report import Progress


@contextmanager
def around(settings: BackupSettings, progress: Progress) -> Generator[None]:
    """Ping at the start and at the end of the block; an interrupted run pings nothing more."""
    _ping("start", settings.ping_start_url, settings, progress)
    try:
        yield
    except Exception:
        _ping("failure", settings.ping_failure_url, settings, progress)
        raise
    _ping("success", settings.ping_success_url, settings, progress)


def _ping(what: str, url: SecretStr | None, settings: BackupSettings, progress: Progress) -> None:
    if url is None or not url.get_secret_value():
        return
    address = url.get_secret_value()
    try:
        if not address.startswith(("http://", "https://")):
            raise ValueError("not an http URL")
        request = urllib.request.Request(address, headers={"User-Agent": "redclust"})  # noqa: S310 - checked
        with urllib.request.urlopen(request, timeout=settings.ping_timeout_s) as answer:  # noqa: S310
            answer.read(1024)
    except (OSError, ValueError, http.client.HTTPException) as error:
        # The URL may hold a secret, and some errors repeat it.
        told = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
        progress.say(f"backup.ping_{what}_url could not be reached: {told}")
