"""Where every request passes: those for tokens and prawcore's own retries too."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import prawcore
import requests
from prawcore.const import ACCESS_TOKEN_PATH

from redclust.reddit.budget import Budget, Ticket
from redclust.reddit.exchange import Exchange


class BudgetedRequestor(prawcore.Requestor):
    """Sends a request when the budget allows it, and tells the budget what came of it.

    ``last`` is the latest exchange. One answer takes ``answer_s`` at most, also one that comes in drops.
    """

    def __init__(self, *, budget: Budget, answer_s: float, **keywords: Any) -> None:
        super().__init__(**keywords)
        # Without it requests would put a password of ~/.netrc in the place of the token.
        self._http.auth = _as_it_is
        self._budget = budget
        self._answer_s = answer_s
        self.last: Exchange | None = None

    def request(self, *args: Any, timeout: float | None = None, **keywords: Any) -> requests.Response:
        """
        Raises:
            prawcore.RequestException: no whole answer came.
            RedclustError: as :meth:`Budget.enter`.
        """
        path = urlsplit(str(args[1])).path
        form: dict[str, str] = dict(keywords["data"]) if path == ACCESS_TOKEN_PATH else {}
        grant = form.get("grant_type", "")
        self._budget.require_uninterrupted()
        ticket = self._budget.enter()
        # A redirect that was followed would be a request that nobody counted.
        keywords["allow_redirects"] = False
        try:
            response = self._whole(super().request(*args, timeout=self._answer_s, stream=True, **keywords))
        except prawcore.RequestException as error:
            self.last = Exchange(path, grant, None, lost=_in_words(error.original_exception))
            self._budget.failed(ticket, self.last.lost)
            raise
        self.last = Exchange.of(path, grant, response)
        self._tell(ticket, self.last)
        # Nothing for prawcore's own limiter: it knows this process only, and breaks on some numbers.
        for name in [name for name in response.headers if name.lower().startswith("x-ratelimit-")]:
            del response.headers[name]
        return response

    def _tell(self, ticket: Ticket, exchange: Exchange) -> None:
        if failed := exchange.server_failed:
            self._budget.failed(ticket, failed)
        else:
            self._budget.answered(ticket, exchange.headers, refused=exchange.status == 429)

    def _whole(self, response: requests.Response) -> requests.Response:
        """The response with its whole body."""
        too_slow = threading.Event()

        def stop() -> None:
            too_slow.set()
            # Where all of it has been read meanwhile there is nothing left to shut.
            with suppress(ValueError, OSError):
                response.raw.shutdown()

        watch = threading.Timer(self._answer_s, stop)
        watch.daemon = True
        watch.start()
        try:
            _ = response.content
        except requests.RequestException as error:
            cause = requests.ReadTimeout("the answer came too slowly") if too_slow.is_set() else error
            raise prawcore.RequestException(cause, (), {}) from None
        finally:
            watch.cancel()
        return response


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _in_words(error: Exception) -> str:
    """Why no answer came, in a word or two: requests' own words hold addresses and objects."""
    if isinstance(error, requests.exceptions.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.SSLError):
        return "no trusted TLS connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "timed out" if "timed out" in str(error) else "connection lost"
    return type(error).__name__
