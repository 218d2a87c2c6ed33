"""Where every request passes: those for tokens and prawcore's own retries too."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any
from urllib.parse import urlsplit

import prawcore
import requests
from prawcore.const import ACCESS_TOKEN_PATH

from redclust.reddit.budget import Budget, Ticket
from redclust.reddit.exchange import Exchange
from redclust.reddit.failures import Interrupted
from redclust.reddit.sending import Sending

log = logging.getLogger(__name__)
#: Who is asked about is nobody's business in a log that is kept.
_PERSON = re.compile(r"(?<=/user/)[^/]+")


class BudgetedRequestor(prawcore.Requestor):
    """Sends a request when the budget allows it, and tells the budget what came of it.

    ``last`` is the latest exchange. One answer takes ``answer_s`` at most, also one that comes in drops;
    when ``interrupt`` is set, a few seconds.
    """

    def __init__(
        self, *, budget: Budget, answer_s: float, interrupt: threading.Event, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        # Without it requests would put a password of ~/.netrc in the place of the token.
        self._http.auth = _as_it_is
        self._budget = budget
        self._answer_s = answer_s
        self._interrupt = interrupt
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
        if self._interrupt.is_set():
            raise Interrupted
        ticket = self._budget.enter()
        # A redirect that was followed would be a request that nobody counted.
        keywords["allow_redirects"] = False
        send = super().request
        sending = Sending(lambda: send(*args, timeout=self._answer_s, stream=True, **keywords))
        try:
            response = sending.wait(self._answer_s, self._interrupt)
        except prawcore.RequestException as error:
            self.last = Exchange(path, grant, None, lost=_in_words(error.original_exception))
            self._budget.failed(ticket, self.last.lost)
            raise
        self.last = Exchange.of(path, grant, response)
        log.debug("%s %s: %d", args[0], _PERSON.sub("…", path), response.status_code)
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
