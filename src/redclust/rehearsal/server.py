"""A Reddit to rehearse against, served over HTTP on loopback."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from redclust.errors import UsageError
from redclust.rehearsal import answers, api, control, damage
from redclust.rehearsal.answers import Answer
from redclust.rehearsal.api import Api, Call
from redclust.rehearsal.ledger import Budget, Ledger, Request
from redclust.rehearsal.oauth import Clients
from redclust.rehearsal.site import Caps, Site
from redclust.rehearsal.weather import Effect, Rule, Weather
from redclust.rehearsal.wire import Asked, Connection
from redclust.rehearsal.world import World

_HOST = "127.0.0.1"


class Rehearsal:
    """One served Reddit. Everything may be read and changed while it serves, from any thread.

    ``site`` is what it shows, ``clients`` who may ask, ``budget`` how often, ``weather`` what goes wrong.
    Changes to the site and the clients belong inside ``with rehearsal.lock``.
    """

    def __init__(
        self,
        site: Site,
        *,
        clients: Clients | None = None,
        budget: Budget | None = None,
        weather: Weather | None = None,
        log: Path | None = None,
    ) -> None:
        """Without ``budget`` it is Reddit's: 1,000 requests in 600 s for each client id.

        ``log`` receives a line of JSON for each request.
        """
        self.site = site
        self.clients, self.budget = clients or Clients(), budget or Budget()
        self.weather, self.ledger = weather or Weather(), Ledger(log)
        self.lock = threading.RLock()
        self.port = 0
        self._api = Api(site, self.clients)

    @property
    def url(self) -> str:
        """What ``oauth_url`` and ``reddit_url`` are to be set to."""
        return f"http://{_HOST}:{self.port}"

    def requests(self, since: int = 0, client: str | None = None) -> list[Request]:
        """What was asked after request number ``since``, in order of arrival."""
        with self.lock:
            return [replace(request) for request in self.ledger.since(since, client)]

    def handle(self, asked: Asked) -> tuple[Request | None, Answer]:
        """Answer one request that has arrived as a whole; what only controls is nobody's request."""
        with self.lock:
            if asked.target.startswith(control.PREFIX):
                return None, control.answer(self, asked)
            call = api.parse(asked.method, asked.target, asked.headers.get("authorization", ""), asked.body)
            token = None if call.area == "token" else self.clients.token_of(call.authorization)
            client = token.client if token else ""
            if call.area == "token":
                client = self.clients.client_of(call.authorization) or ""
            call = replace(call, token=token, client=client)
            request = Request(
                number=self.ledger.total + 1,
                client=client,
                token=token.number if token else 0,
                connection=asked.connection,
                method=asked.method,
                path=asked.target,
                area=call.area,
                subreddit=self._api.subreddit_of(call),
                received_s=asked.received_s,
                user_agent=asked.headers.get("user-agent", ""),
            )
            busy = any(r.area == "more" and r.client == client for r in self.ledger.waiting.values())
            self.ledger.arrived(request)
            rules = self.weather.over(call.area, request.subreddit, client, busy=busy)
            return request, self._answer(call, request, rules)

    def _answer(self, call: Call, request: Request, rules: list[Rule]) -> Answer:
        allowance = self.budget.spend(call.client, request.received_s) if call.token else None
        if any(rule.kind == "expired" for rule in rules):
            self.clients.expire(call.client)
        replaced = [rule for rule in rules if rule.effect is Effect.INSTEAD]
        if replaced:
            answer = damage.instead(replaced[0], request.subreddit)
        elif allowance and allowance.spent and self.budget.refuse:
            answer = answers.too_many(int(allowance.reset_s) + 1)
        else:
            answer = self._api.answer(call)
        if allowance and (answer.kind == answers.JSON or answer.status == 302):
            # What Reddit's front servers answer by themselves (HTML) knows nothing of budgets.
            answer = replace(answer, headers=(*answer.headers, *allowance.headers()))
        befell: list[str] = []
        for rule in rules:
            hit = ""
            if rule.effect is Effect.BESIDE:
                answer, hit = damage.beside(rule, answer, self.weather.draw)
            elif rule.effect is Effect.AFTER:
                hit = damage.afterwards(rule, self.site, answer, self.weather.draw)
            befell.append(f"{rule.kind}={hit}" if hit else rule.kind)
        request.weather = " ".join(befell)
        return answer

    def ended(self, request: Request, status: int) -> None:
        """The answer has left, or (status 0) never will."""
        with self.lock:
            request.status = status
            request.answered_s = time.monotonic() if status else None
            self.ledger.ended(request)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncGenerator[None]:
        """Accept connections on loopback until the block ends, then close those that are left.

        Port 0 takes a free one.

        Raises:
            OSError: the port is taken.
            UsageError: the log cannot be written.
        """
        connections: set[Connection] = set()
        numbers = itertools.count(1)
        self.ledger.open()
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(next(numbers), connections, self.handle, self.ended), _HOST, port
            )
            self.port = int(server.sockets[0].getsockname()[1])
            try:
                yield
            finally:
                server.close()
                for connection in connections:
                    connection.abort()
                await asyncio.sleep(0)  # they tell that they are lost
        finally:
            self.ledger.close()


@contextmanager
def serve(
    world: World | Site,
    *,
    caps: Caps | None = None,
    weather: Iterable[str] = (),
    clients: Clients | None = None,
    budget: Budget | None = None,
    log: Path | None = None,
    port: int = 0,
) -> Generator[Rehearsal]:
    """Serve a world from a thread of this process until the block ends; see :class:`Rehearsal`.

    Raises:
        OSError: the port is taken.
        UsageError: a rule of the weather is none, or the log cannot be written.
    """
    site = world if isinstance(world, Site) else Site(world, caps=caps)
    rehearsal = Rehearsal(site, clients=clients, budget=budget, weather=Weather(weather), log=log)
    started: Future[Callable[[], object]] = Future()

    async def main() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with rehearsal.serving(port):
                started.set_result(lambda: loop.call_soon_threadsafe(end.set))
                await end.wait()
        except (OSError, UsageError) as error:
            started.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="rehearsal", daemon=True)
    thread.start()
    stop = started.result()
    try:
        yield rehearsal
    finally:
        stop()
        thread.join()
