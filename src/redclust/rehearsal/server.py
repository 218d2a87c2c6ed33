"""A Reddit to rehearse against, served over HTTP on loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from redclust.rehearsal import answers, api
from redclust.rehearsal.answers import Answer
from redclust.rehearsal.api import Api
from redclust.rehearsal.ledger import Budget, Ledger, Request
from redclust.rehearsal.oauth import Clients
from redclust.rehearsal.site import Caps, Site
from redclust.rehearsal.wire import Asked, Connection
from redclust.rehearsal.world import World

_HOST = "127.0.0.1"


class Rehearsal:
    """One served Reddit. Everything may be read and changed while it serves, from any thread.

    ``site`` is what it shows, ``clients`` who may ask, ``budget`` how often; changes to the site belong
    inside ``with rehearsal.lock``.
    """

    def __init__(self, site: Site, clients: Clients, budget: Budget, ledger: Ledger) -> None:
        self.site, self.clients, self.budget, self.ledger = site, clients, budget, ledger
        self.lock = threading.RLock()
        self.port = 0
        self._api = Api(site, clients)

    @property
    def url(self) -> str:
        """What ``oauth_url`` and ``reddit_url`` are to be set to."""
        return f"http://{_HOST}:{self.port}"

    def requests(self, since: int = 0, client: str | None = None) -> list[Request]:
        """What was asked after request number ``since``, in order of arrival."""
        with self.lock:
            return [replace(request) for request in self.ledger.since(since, client)]

    def handle(self, asked: Asked) -> tuple[Request, Answer]:
        """Answer one request that has arrived as a whole."""
        with self.lock:
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
                subreddit=call.subreddit,
                received_s=asked.received_s,
                user_agent=asked.headers.get("user-agent", ""),
            )
            self.ledger.arrived(request)
            return request, self._answer(call, asked.received_s)

    def _answer(self, call: api.Call, now_s: float) -> Answer:
        if call.token is None:
            return self._api.answer(call)
        allowance = self.budget.spend(call.client, now_s)
        if allowance.spent and self.budget.refuse:
            answer = answers.too_many(int(allowance.reset_s) + 1)
        else:
            answer = self._api.answer(call)
        return replace(answer, headers=(*answer.headers, *allowance.headers()))

    def ended(self, request: Request, status: int) -> None:
        """The answer has left, or (status 0) never will."""
        with self.lock:
            request.status = status
            request.answered_s = time.monotonic() if status else None
            self.ledger.ended(request)

    async def listen(self, port: int = 0) -> asyncio.Server:
        """Accept connections on loopback; port 0 takes a free one.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self.handle, self.ended), _HOST, port)
        self.port = int(server.sockets[0].getsockname()[1])
        return server


@contextmanager
def serve(
    world: World | Site,
    *,
    port: int = 0,
    caps: Caps | None = None,
    budget: Budget | None = None,
    clients: Clients | None = None,
    log: Path | None = None,
) -> Generator[Rehearsal]:
    """Serve a world from a thread of this process until the block ends.

    ``log`` receives a line of JSON for each request. Without ``budget`` it is Reddit's: 1,000 requests in
    600 s for each client id.
    """
    site = world if isinstance(world, Site) else Site(world, caps=caps)
    rehearsal = Rehearsal(site, clients or Clients(), budget or Budget(), Ledger(log))
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(rehearsal.listen(port))
    thread = threading.Thread(target=loop.run_forever, name="rehearsal", daemon=True)
    thread.start()
    try:
        yield rehearsal
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        rehearsal.ledger.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    Connection.close_all()
    await asyncio.sleep(0)
