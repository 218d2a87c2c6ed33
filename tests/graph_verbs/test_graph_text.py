"""What a person reads: whole outputs of the installed command, off a terminal and on one."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest
from small_graph import Graph

from harness import Redclust
from redclust.db.session import Database
from redclust.errors import UsageError
from redclust.ops.graph import nodes

SHOW = """\
computed    2021-04-02 10:02 UTC, from the data of 2021-04-02 10:01 UTC
subreddits  12 (3 in no community)
users       5
links       13 subreddit-subreddit + 8 user-subreddit
communities 3 continents, 2 countries, 0 towns

id   community                   subreddits   users   leading
─────────────────────────────────────────────────────────────────────────────────────────────────────────
 0   golang, rust, programming            4      61   r/programming, r/rust, r/golang, r/learnprogramming
 1   [/r/aww], :fire:                     3      44   r/[/r/aww], r/:fire:, r/cats<&>"dogs"'
 2   wallstreetbets, stocks               2      30   r/wallstreetbets, r/stocks
"""

TOP = """\
    subreddit          users   community
──────────────────────────────────────────────────────────
1   r/AskReddit          900
2   r/programming        400   0 golang, rust, programming
3   r/[/r/aww]           300   1 [/r/aww], :fire:
4   r/wallstreetbets     250   2 wallstreetbets, stocks
"""

TOP_USERS = """\
    user                   activity   community
─────────────────────────────────────────────────────────────────
1   u/gopher                     48   0 golang, rust, programming
2   u/:tada:                     31   1 [/r/aww], :fire:
3   u/[red]herring[/red]         31   1 [/r/aww], :fire:
4   u/stonks                     12   2 wallstreetbets, stocks
5   u/Golang                      2
"""

NODE = """\
r/programming (subreddit_4)
users     400
community 0 golang, rust, programming
Shares users with 4 subreddits, the first 3 by weight:
subreddit            shared users   chance   community
────────────────────────────────────────────────────────────────────────
r/rust                         75    x 6.1   0 golang, rust, programming
r/golang                       60    x 5.8   0 golang, rust, programming
r/learnprogramming             30    x 4.5   0 golang, rust, programming
chance: at least so many times the users that chance would have them share
"""

NODE_BY_SHARED = """\
r/programming (subreddit_4)
users     400
community 0 golang, rust, programming
Shares users with 4 subreddits, by shared users:
subreddit            shared users   chance   community
────────────────────────────────────────────────────────────────────────
r/AskReddit                   200    x 1.3
r/rust                         75    x 6.1   0 golang, rust, programming
r/golang                       60    x 5.8   0 golang, rust, programming
r/learnprogramming             30    x 4.5   0 golang, rust, programming
chance: at least so many times the users that chance would have them share
"""

NODE_OF_USER = """\
u/[red]herring[/red] (user_2)
activity  31
community 1 [/r/aww], :fire:
Active in 2 subreddits, by activity:
subreddit    activity   community
──────────────────────────────────────────
r/[/r/aww]         20   1 [/r/aww], :fire:
r/:fire:           11   1 [/r/aww], :fire:
"""

COMMUNITIES = """\
id   community                   subreddits   users   leading
─────────────────────────────────────────────────────────────────────────────────────────────────────────
 0   golang, rust, programming            4      61   r/programming, r/rust, r/golang, r/learnprogramming
 1   [/r/aww], :fire:                     3      44   r/[/r/aww], r/:fire:, r/cats<&>"dogs"'
2 of 3 continents; --limit shows more
"""

COMMUNITY = """\
community   1 [/r/aww], :fire:
subreddits  3
users       44
linked to   0 golang, rust, programming
subreddit          users
────────────────────────
r/[/r/aww]           300
r/:fire:              60
r/cats<&>"dogs"'      60
"""

ON_80_COLUMNS = """\
id   community                   subreddits   users   leading
────────────────────────────────────────────────────────────────────────────────
 0   golang, rust, programming            4      61   r/programming, r/rust,
                                                      r/golang,
                                                      r/learnprogramming
 1   [/r/aww], :fire:                     3      44   r/[/r/aww], r/:fire:,
                                                      r/cats<&>"dogs"'
 2   wallstreetbets, stocks               2      30   r/wallstreetbets, r/stocks
"""


def without_padding(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("show",), SHOW),
        (("top", "--limit", "4"), TOP),
        (("top", "--type", "user"), TOP_USERS),
        (("node", "r/programming", "--limit", "3"), NODE),
        (("node", "PROGRAMMING", "--by", "shared"), NODE_BY_SHARED),
        (("node", "u/[red]herring[/red]"), NODE_OF_USER),
        (("communities", "--limit", "2"), COMMUNITIES),
        (("communities", "1"), COMMUNITY),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_whole_outputs(redclust: Redclust, graph: Graph, arguments: tuple[str, ...], expected: str) -> None:
    done = redclust("graph", *arguments, check=0)
    assert without_padding(done.stdout) == expected


def test_a_table_fits_a_terminal_of_80_columns(redclust: Redclust, graph: Graph) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        redclust.arguments(("graph", "communities"), None, None),
        env=redclust.environment({"NO_COLOR": "1", "TERM": "dumb"}, None),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    # Reading from a terminal whose other end is closed is an error, not an end.
    try:
        while block := os.read(ours, 65_536):
            shown += block
    except OSError:
        pass
    os.close(ours)
    assert process.wait() == 0
    assert without_padding(shown.decode()) == ON_80_COLUMNS


def test_an_empty_graph_is_said_to_be_empty(redclust: Redclust) -> None:
    done = redclust("graph", "show", check=3, fresh=True)
    assert done.stdout == (
        "The graph is empty: redclust precalc computes it, after redclust import has brought data in\n"
    )


@pytest.mark.parametrize("verb", ["top", "communities"])
def test_every_list_of_an_empty_graph_names_precalc(redclust: Redclust, verb: str) -> None:
    assert "redclust precalc" in redclust("graph", verb, check=3).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("node", "r/progamming"), "r/progamming is not in the graph\nHINT: did you mean r/programming"),
        (("communities", "7"), "there is no community 7\n"),
        (("export", "--to", "csv"), "csv is two files and cannot go to stdout\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_said_with_what_to_do(
    redclust: Redclust, graph: Graph, arguments: tuple[str, ...], message: str
) -> None:
    assert message in redclust("--quiet", "graph", *arguments, check=2).stderr


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("wallst", "wallst is not in the graph", "did you mean r/wallstreetbets?"),
        ("xolang", "xolang is not in the graph", "did you mean r/golang?"),
        ("u/gofer", "u/gofer is not in the graph", "did you mean u/gopher?"),
        ("qqqqqq", "qqqqqq is not in the graph", "redclust graph top"),
        ("r/QUIET", "r/QUIET is not in the graph, though the subreddit was imported", "redclust precalc"),
        ("u/automoderator", "the account was imported: it counts as a bot (name)", "bots"),
        ("u/busy", "u/busy is not in the graph, though the account was imported", "max_subreddits_per_user"),
    ],
)
def test_an_unknown_name_suggests_what_it_may_have_meant(
    database: Database, graph: Graph, text: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        nodes.node(database, text, limit=1, by="weight")
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "arguments",
    [("top", "--limit", "0"), ("communities", "-1"), ("export", "--to", "json", "--min-val", "-1")],
)
def test_limits_are_checked_before_the_database_is_opened(
    redclust: Redclust, arguments: tuple[str, ...]
) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    redclust("graph", *arguments, env=nowhere, check=2)
