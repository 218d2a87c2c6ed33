"""The endpoints of Reddit's API that a crawler asks, over a site."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from redclust.rehearsal import answers, listings, shapes, tree
from redclust.rehearsal.answers import Answer
from redclust.rehearsal.oauth import Clients, Token
from redclust.rehearsal.pages import Pages
from redclust.rehearsal.site import ACCOUNT, PLACE, AccountFate, Fate, Site, Standing
from redclust.rehearsal.world import base36

_THINGS_MAX = 100
_NAME, _ID = r"[^/]+", r"[0-9a-z_]+"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the endpoints see it: where it goes, what it says, and who asks."""

    method: str
    path: str
    words: dict[str, str]  # of query and form together
    authorization: str
    area: str = "other"
    subreddit: str = ""
    parts: tuple[str, ...] = ()
    client: str = ""
    token: Token | None = None

    def number(self, name: str) -> int | None:
        word = self.words.get(name, "")
        return int(word) if word.isdecimal() else None

    def names(self, name: str) -> list[str]:
        return [word for word in self.words.get(name, "").split(",") if word][:_THINGS_MAX]


#: Area, method and path; the first group of ``/r/…`` is a subreddit.
_ROUTES: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (area, method, re.compile(pattern))
    for area, method, pattern in (
        ("token", "POST", r"/api/v1/access_token"),
        ("about", "GET", rf"/r/({_NAME})/about"),
        ("listing", "GET", rf"/r/({_NAME})(?:/(hot|new|top|rising|controversial))?"),
        ("comments", "GET", rf"/r/({_NAME})/comments/({_ID})(?:/[^/]*(?:/({_ID}))?)?"),
        ("comments", "GET", rf"()/comments/({_ID})(?:/[^/]*(?:/({_ID}))?)?"),
        ("more", "POST", r"/api/morechildren"),
        ("more", "GET", r"/api/morechildren"),
        ("info", "GET", r"/api/info"),
        ("accounts", "GET", r"/api/user_data_by_account_ids"),
        ("user", "GET", rf"/user/({_NAME})/about"),
        ("activity", "GET", rf"/user/({_NAME})(?:/(submitted|comments|overview))?"),
        ("me", "GET", r"/api/v1/me"),
    )
)


def parse(method: str, target: str, authorization: str, form: bytes) -> Call:
    """Say what a request asks for; unknown paths are of the area ``other``."""
    split = urlsplit(target)
    path = unquote(split.path).rstrip("/").removesuffix(".json")
    asked = {**parse_qs(split.query), **parse_qs(form.decode("utf-8", "replace"))}
    words = {name: values[-1] for name, values in asked.items()}
    for area, expected, pattern in _ROUTES:
        if method == expected and (found := pattern.fullmatch(path)):
            parts = tuple(part or "" for part in found.groups())
            subreddit = parts[0] if area in ("about", "listing", "comments") else ""
            return Call(method, path, words, authorization, area, subreddit, parts)
    return Call(method, path, words, authorization)


class Api:
    """Answers calls; knows nothing of the network, of budgets or of weather."""

    def __init__(self, site: Site, clients: Clients) -> None:
        self.site, self.clients = site, clients
        self._pages = Pages(site)
        self._areas: dict[str, Callable[[Call], Answer]] = {
            "about": self._about,
            "listing": self._listing,
            "comments": self._comments,
            "more": self._more,
            "info": self._info,
            "accounts": self._accounts,
            "user": self._user,
            "activity": self._activity,
            "me": self._me,
        }

    def answer(self, call: Call) -> Answer:
        if call.area == "token":
            return self._token(call)
        if call.token is None:
            return answers.unauthorized()
        if call.area == "other":
            return answers.refusal(404)
        subreddit = self.subreddit_of(call)
        if subreddit:
            place = self.site.place_at.get(subreddit.lower())
            standing = Standing.MISSING if place is None else self.site.standings.get(place)
            if standing is not None:
                return answers.stands(standing, subreddit)
        return self._areas[call.area](call)

    def subreddit_of(self, call: Call) -> str:
        """The subreddit whose standing decides; that of the post where only a post is named."""
        if call.subreddit or call.area not in ("comments", "more"):
            return call.subreddit
        name = f"t3_{call.parts[1]}" if call.area == "comments" else call.words.get("link_id", "")
        place = self.site.place_of(name)
        return place.name if place else ""

    def _token(self, call: Call) -> Answer:
        client = self.clients.client_of(call.authorization)
        if client is None:
            return answers.refusal(401, ("www-authenticate", 'Basic realm="reddit"'))
        status, content = self.clients.grant(client, call.words)
        return answers.as_json(content, status)

    def _about(self, call: Call) -> Answer:
        place = self.site.place_at[call.subreddit.lower()]
        name = f"{PLACE}{base36(self.site.places[place].id)}"
        return Answer(200, self._pages.thing(name))

    def _listing(self, call: Call) -> Answer:
        sort = call.parts[1] or "hot"
        place = self.site.place_at[call.subreddit.lower()]
        order = listings.subreddit_order(self.site, place, sort, self._period(call, sort))
        return self._page(call, order)

    @staticmethod
    def _period(call: Call, sort: str) -> str:
        return call.words.get("t", "day") if sort in ("top", "controversial") else "all"

    def _page(self, call: Call, order: list[str]) -> Answer:
        limit = min(call.number("limit") or 25, self.site.caps.page)
        names, after = listings.page(order, self._shows, after=call.words.get("after"), limit=limit)
        return Answer(200, self._pages.listing(map(self._pages.thing, names), after=after))

    def _shows(self, name: str) -> bool:
        """Whether a listing still has a thing."""
        return name not in self.site.fates and self.site.is_open(name)

    def _comments(self, call: Call) -> Answer:
        post = self.site.post_at.get(f"t3_{call.parts[1]}")
        if post is None or self.site.fates.get(self.site.post_names[post]) is Fate.GONE:
            return answers.refusal(404)
        limit, depth = call.number("limit"), call.number("depth")
        sort = call.words.get("sort", "confidence")
        if call.parts[2]:
            comment = self.site.comment_at.get(f"t1_{call.parts[2]}")
            if comment is None or self.site.comments[comment].post != post:
                return answers.refusal(404)
            shown = tree.look_at_comment(self.site, comment, limit=limit, depth=depth, sort=sort)
        else:
            shown = tree.look_at_post(self.site, post, limit=limit, depth=depth, sort=sort)
        above = self._pages.listing([self._pages.thing(self.site.post_names[post])])
        below = self._pages.listing(map(self._pages.branch, shown))
        return Answer(200, b"[%b,%b]" % (above, below))

    def _more(self, call: Call) -> Answer:
        post = self.site.post_at.get(call.words.get("link_id", ""))
        children = [word for word in call.words.get("children", "").split(",") if word]
        if post is None or not children:
            return answers.refusal(400)
        depth, sort = call.number("depth"), call.words.get("sort", "confidence")
        shown = tree.look_behind(self.site, post, children, depth=depth, sort=sort)
        things = b",".join(map(self._pages.branch, shown))
        return Answer(200, b'{"json":{"errors":[],"data":{"things":[%b]}}}' % things)

    def _info(self, call: Call) -> Answer:
        site = self.site
        names = call.names("id")
        for name in call.names("sr_name"):
            if (place := site.place_at.get(name.lower())) is not None:
                names.append(f"{PLACE}{base36(site.places[place].id)}")
        known = [name for name in names if site.place_of(name) and site.is_open(name)]
        things = (self._pages.thing(name) for name in known if site.fates.get(name) is not Fate.GONE)
        return Answer(200, self._pages.listing(things))

    def _accounts(self, call: Call) -> Answer:
        site = self.site
        found = {
            name: shapes.partial_account(site, site.account_by_id[name])
            for name in call.names("ids")
            if name.startswith(ACCOUNT) and name in site.account_by_id
            if site.account_by_id[name] not in site.account_fates
        }
        return answers.as_json(found) if found else answers.refusal(404)

    def _user(self, call: Call) -> Answer:
        account = self._account_of(call)
        if account is None:
            return answers.refusal(404)
        return answers.as_json({"kind": "t2", "data": shapes.account(self.site, account)})

    def _activity(self, call: Call) -> Answer:
        account, sort = self._account_of(call), call.words.get("sort", "new")
        if account is None:
            return answers.refusal(404)
        if account in self.site.account_fates:
            return answers.refusal(403)
        if sort not in listings.SORTS:
            return answers.refusal(400)
        where = call.parts[1] or "overview"
        order = listings.user_order(self.site, account, where, sort, self._period(call, sort))
        return self._page(call, order)

    def _account_of(self, call: Call) -> int | None:
        """The account that is named, a suspended one too; None where there is none any more."""
        account = self.site.account_at.get(call.parts[0].lower())
        deleted = account is not None and self.site.account_fates.get(account) is AccountFate.DELETED
        return None if deleted else account

    def _me(self, call: Call) -> Answer:
        user = call.token.user if call.token else ""
        if not user:
            return answers.refusal(403)
        return answers.as_json({"id": "rehearsal", "name": user, "created_utc": 0.0, "is_suspended": False})
