"""Names of subreddits and users as people write them."""

from __future__ import annotations

import pytest

from redclust.errors import UsageError
from redclust.reddit.names import subreddit_name, user_name


@pytest.mark.parametrize(
    "text",
    [
        "golang",
        " golang ",
        "r/golang",
        "/r/golang",
        "/r/golang/",
        "R/golang",
        "https://www.reddit.com/r/golang",
        "https://old.reddit.com/r/golang/",
        "http://reddit.com/r/golang/top/?t=all",
        "https://www.reddit.com/r/golang/comments/1abcde/a_title/?utm_source=share#c",
        "www.reddit.com/r/golang",
        "reddit.com/r/golang",
    ],
)
def test_a_subreddit_is_understood_as_it_is_written(text: str) -> None:
    assert subreddit_name(text) == "golang"


@pytest.mark.parametrize("name", ["de", "AskReddit", "x" * 21, "a_b", "1200isplenty", "u_some-body"])
def test_a_name_is_kept_as_written(name: str) -> None:
    assert subreddit_name(f"r/{name}") == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not the name"),
        ("r/", "is not the name"),
        ("a", "is not the name"),
        ("x" * 22, "is not the name"),
        ("_golang", "is not the name"),
        ("go lang", "is not the name"),
        ("golang/new", "is not the name"),
        ("r/golang+rust", "is not the name"),
        ("u/golang", "is not the name"),
        ("r/golang?x=1", "is not the name"),
        ("../golang", "is not the name"),
        ("golang%2fnew", "is not the name"),
        ("gölang", "is not the name"),
        ("golang\nrust", "is not the name"),
        ("r/all", "listing over many subreddits"),
        ("https://www.reddit.com/r/popular/", "listing over many subreddits"),
        ("https://www.reddit.com/user/spez", "names no subreddit"),
        ("https://www.reddit.com", "names no subreddit"),
        ("https://example.com/r/golang", "not an address at Reddit"),
        ("https://reddit.com.evil.example/r/golang", "not an address at Reddit"),
        ("https://notreddit.com/r/golang", "not an address at Reddit"),
    ],
)
def test_what_is_no_subreddit_is_said_with_how_to_write_one(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        subreddit_name(text)
    assert "golang" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["spez", "u/spez", "/u/spez", "user/spez", "/user/spez/", "https://www.reddit.com/user/spez/comments/"],
)
def test_a_user_is_understood_as_it_is_written(text: str) -> None:
    assert user_name(text) == "spez"


@pytest.mark.parametrize("text", ["", "ab", "x" * 21, "r/spez", "spez/x", "https://www.reddit.com/r/spez"])
def test_what_is_no_user_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="user"):
        user_name(text)
