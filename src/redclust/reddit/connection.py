"""PRAW as we open it: with our settings alone, and with our requestor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import praw
from praw.config import Config

from redclust.config import USER_AGENT_EXAMPLE, RedditSettings
from redclust.errors import ConfigError
from redclust.reddit.budget import Budget
from redclust.reddit.requestor import BudgetedRequestor


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Reddit knows a crawler by; never shown."""

    client_id: str
    client_secret: str
    user_agent: str
    refresh_token: str | None

    def __repr__(self) -> str:
        return "Credentials(****)"


def credentials(settings: RedditSettings) -> Credentials:
    """
    Raises:
        ConfigError: one is not set; says which, and how to get it.
    """
    secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
    token = settings.refresh_token.get_secret_value() if settings.refresh_token else None
    needed = {"REDDIT_CLIENT_ID": settings.client_id, "REDDIT_CLIENT_SECRET": secret}
    if missing := [name for name, value in needed.items() if not value]:
        raise ConfigError(
            f"no credentials for Reddit's API: {' and '.join(missing)} not set",
            hint="Reddit gives them out at https://www.reddit.com/prefs/apps, nowadays only after it has "
            "approved the use (its Responsible Builder Policy): ask first. redclust import (dumps) and "
            "redclust rehearse (a Reddit to try everything with) need none",
        )
    if not settings.user_agent:
        raise ConfigError(
            "no user agent for Reddit's API: REDDIT_USER_AGENT not set",
            hint=f'Reddit wants to know who asks: REDDIT_USER_AGENT="{USER_AGENT_EXAMPLE}"',
        )
    return Credentials(settings.client_id or "", secret, settings.user_agent, token)


def connect(
    settings: RedditSettings, known: Credentials, budget: Budget, interrupt: threading.Event
) -> tuple[Callable[..., Any], BudgetedRequestor]:
    """PRAW's ``Reddit.request``, which gives raw JSON, and its requestor; sends nothing yet.

    Not PRAW's own objects: they lose a page of 100 things where one of them is odd.
    """
    _read_no_praw_ini()
    # Otherwise Python prints prawcore's warnings itself where nobody has set up logging.
    logging.getLogger("prawcore").addHandler(logging.NullHandler())
    made: list[BudgetedRequestor] = []

    class Requestor(BudgetedRequestor):
        def __init__(self, **keywords: str) -> None:
            super().__init__(budget=budget, answer_s=settings.timeout_s, interrupt=interrupt, **keywords)
            made.append(self)

    reddit: Any = praw.Reddit(
        # A name in the environment (praw_site) would choose another section; a value that is given here,
        # None too, is one that the environment (praw_username) does not replace.
        "DEFAULT",
        requestor_class=Requestor,
        client_id=known.client_id,
        client_secret=known.client_secret,
        refresh_token=known.refresh_token,
        user_agent=known.user_agent,
        username=None,
        password=None,
        redirect_uri=None,
        oauth_url=settings.oauth_url,
        reddit_url=settings.reddit_url,
        check_for_updates=False,
        check_for_async=False,
    )
    return reddit.request, made[0]


def _read_no_praw_ini() -> None:
    """Whoever can put a praw.ini into the working directory could have the secret sent to his own server.

    PRAW reads its files once a process, unless they are there already.
    """
    own = ConfigParser(interpolation=None)
    own.read_string(files("praw").joinpath("praw.ini").read_text(encoding="utf-8"))
    with Config.LOCK:
        Config.CONFIG = own
