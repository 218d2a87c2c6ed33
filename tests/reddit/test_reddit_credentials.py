"""Who Reddit is told we are: nobody but the settings says so, and nobody is told the secret."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import praw.config
import pytest
from crawlers import USER_AGENT, reddit_settings
from psycopg.sql import SQL, Identifier
from pydantic import ValidationError

from redclust.config import RedditSettings
from redclust.db.session import Database
from redclust.errors import ConfigError, RedditRefused
from redclust.reddit.client import Client
from redclust.reddit.connection import credentials
from redclust.reddit.failures import CredentialsRefused
from redclust.rehearsal.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from redclust.rehearsal.server import Rehearsal

MakeClient = Callable[..., Client]


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("client_id",), "REDDIT_CLIENT_ID not set"),
        (("client_secret",), "REDDIT_CLIENT_SECRET not set"),
        (("client_id", "client_secret"), "REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET not set"),
    ],
)
def test_what_is_missing_is_said_with_how_to_get_it(
    rehearsal: Rehearsal, missing: tuple[str, ...], named: str
) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        credentials(reddit_settings(rehearsal, **dict.fromkeys(missing)))
    for word in ("https://www.reddit.com/prefs/apps", "approved", "import", "rehearse"):
        assert word in caught.value.hint
    assert caught.value.exit_code == 10


def test_a_crawler_that_says_not_who_it_is_gets_no_client(rehearsal: Rehearsal) -> None:
    with pytest.raises(ConfigError, match="REDDIT_USER_AGENT not set") as caught:
        credentials(reddit_settings(rehearsal, user_agent=None))
    assert "(by /u/" in caught.value.hint


@pytest.mark.parametrize(
    "user_agent",
    [
        "abcde",
        "python-requests/2.32",
        "redclust",
        "Mozilla/5.0 (X11; Linux x86_64) by /u/somebody",
        "linux:redclust:0.1 (by /u/YOUR_NAME)",
        "linux:redclust:0.1 (by /u/somebody)\r\nX-Evil: 1",
        "linux:redclüst:0.1 (by /u/somebody)",
    ],
)
def test_a_user_agent_that_reddit_does_not_want(user_agent: str) -> None:
    with pytest.raises(ValidationError, match="user_agent"):
        RedditSettings(user_agent=user_agent)


@pytest.mark.parametrize(
    "url",
    ["http://oauth.reddit.com", "ftp://oauth.reddit.com", "oauth.reddit.com", "https://u:p@reddit.com", ""],
)
def test_the_secret_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ValidationError, match="oauth_url"):
        RedditSettings(oauth_url=url)
    with pytest.raises(ValidationError, match="reddit_url"):
        RedditSettings(reddit_url=url)


def test_reddit_is_told_the_user_agent(client: Client, rehearsal: Rehearsal) -> None:
    client.about(rehearsal.site.places[0].name)
    assert {request.user_agent.partition(" PRAW/")[0] for request in rehearsal.requests()} == {USER_AGENT}


def test_no_praw_ini_and_no_variable_of_praw_s_is_read(
    settings: RedditSettings,
    database: Database,
    rehearsal: Rehearsal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither in the working directory nor in the user's configuration; the rehearsal is asked."""
    evil = (
        "[DEFAULT]\nclient_id=evil\nclient_secret=evil\nuser_agent=evil agent\nusername=evil\npassword=evil\n"
        "refresh_token=evil\noauth_url=http://127.0.0.1:9\nreddit_url=http://127.0.0.1:9\n[evil]\ntimeout=x\n"
    )
    (tmp_path / "praw.ini").write_text(evil)
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "praw.ini").write_text(evil)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1\nlogin evil\npassword evil\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("praw_site", "evil")
    for name in ("client_id", "client_secret", "username", "password", "refresh_token", "redirect_uri"):
        monkeypatch.setenv(f"praw_{name}", "evil")
    monkeypatch.setattr(praw.config.Config, "CONFIG", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(settings, database) as client:
            client.about(rehearsal.site.places[0].name)
    assert {request.client for request in rehearsal.requests()} == {CLIENT_ID}
    assert [request.status for request in rehearsal.requests()] == [200, 200]


def test_a_refresh_token_reads_as_its_user(make_client: MakeClient, rehearsal: Rehearsal) -> None:
    client = make_client(reddit_settings(rehearsal, refresh_token=REFRESH_TOKEN))
    client.about(rehearsal.site.places[0].name)
    assert [token.user for token in rehearsal.clients.tokens.values()] == ["rehearsal_user"]


@pytest.mark.parametrize(
    ("wrong", "said", "hint"),
    [
        ({"client_secret": "wrong"}, "client id or its secret", "REDDIT_CLIENT_SECRET"),
        ({"client_id": "wrong"}, "client id or its secret", "REDDIT_CLIENT_ID"),
        ({"refresh_token": "wrong"}, "refresh token", "leave reddit.refresh_token empty"),
    ],
)
def test_refused_credentials_end_the_run_with_what_to_do(
    make_client: MakeClient, rehearsal: Rehearsal, wrong: dict[str, str], said: str, hint: str
) -> None:
    client = make_client(reddit_settings(rehearsal, **wrong))
    with pytest.raises(CredentialsRefused, match=said) as caught:
        client.about(rehearsal.site.places[0].name)
    assert caught.value.exit_code == 15
    assert hint in caught.value.hint
    assert client.requests == 1


def test_no_secret_anywhere(
    make_client: MakeClient,
    database: Database,
    rehearsal: Rehearsal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in logs at their most talkative, not in errors or tracebacks, not in a table."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("prawcore").setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    name = rehearsal.site.places[0].name
    said: list[str] = []
    secrets = {CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, "wr0ng-s3cret", "wr0ng-t0ken"}
    for wrong in (
        {},
        {"refresh_token": REFRESH_TOKEN},
        {"client_secret": "wr0ng-s3cret"},
        {"refresh_token": "wr0ng-t0ken"},
    ):
        client = make_client(reddit_settings(rehearsal, **wrong))
        for ask in (name, "no_such_place"):
            try:
                client.about(ask)
                rehearsal.clients.expire(CLIENT_ID)
            except RedditRefused as error:
                said += [repr(error), error.hint, *traceback.format_exception(error)]
            secrets |= set(rehearsal.clients.tokens)
        said.append(repr(client.budget()))
    assert len(said) > 10
    assert any("access_token" in record.getMessage() for record in caplog.records)
    with database.connect(autocommit=True) as connection:
        for (table,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200"
        ).fetchall():
            rows = connection.execute(SQL("SELECT t::text FROM {} AS t").format(Identifier(table)))
            said += [str(row) for row in rows]
        said += [str(row) for row in connection.execute("SELECT query FROM pg_stat_activity")]
    text = "\n".join([*said, caplog.text])
    assert not [secret for secret in secrets if secret in text]
