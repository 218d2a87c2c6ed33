"""Things as Reddit's API writes them: keys and types of 2024 and later."""

from __future__ import annotations

from html import escape
from typing import Any

from redclust.rehearsal.history import MONTH_START_S, slug
from redclust.rehearsal.site import ACCOUNT, COMMENT, PLACE, AccountFate, Fate, Site
from redclust.rehearsal.tree import More
from redclust.rehearsal.world import base36

#: What is the same in every post, and in every comment, of a generated world.
_EITHER: dict[str, Any] = {
    "all_awardings": [],
    "approved_by": None,
    "archived": False,
    "author_flair_text": None,
    "author_is_blocked": False,
    "author_premium": False,
    "banned_by": None,
    "can_gild": False,
    "can_mod_post": False,
    "downs": 0,
    "gilded": 0,
    "likes": None,
    "locked": False,
    "mod_reports": [],
    "num_reports": None,
    "removal_reason": None,
    "report_reasons": None,
    "saved": False,
    "send_replies": True,
    "subreddit_type": "public",
    "total_awards_received": 0,
    "user_reports": [],
}
_POST: dict[str, Any] = {
    **_EITHER,
    "clicked": False,
    "contest_mode": False,
    "hidden": False,
    "hide_score": False,
    "is_crosspostable": True,
    "is_original_content": False,
    "is_robot_indexable": True,
    "is_video": False,
    "link_flair_text": None,
    "media": None,
    "media_embed": {},
    "num_crossposts": 0,
    "pinned": False,
    "quarantine": False,
    "removed_by": None,
    "secure_media": None,
    "secure_media_embed": {},
    "spoiler": False,
    "suggested_sort": None,
    "thumbnail": "self",
    "upvote_ratio": 0.9,
    "view_count": None,
    "visited": False,
}
_COMMENT: dict[str, Any] = {
    **_EITHER,
    "associated_award": None,
    "collapsed": False,
    "collapsed_reason": None,
    "comment_type": None,
    "controversiality": 0,
    "distinguished": None,
    "score_hidden": False,
    "stickied": False,
    "unrepliable_reason": None,
}


_TEXT_OF = {Fate.DELETED: "[deleted]", Fate.REMOVED: "[removed]", Fate.GONE: "[deleted]"}
_REMOVED_BY = {Fate.DELETED: "deleted", Fate.REMOVED: "moderator"}


def _author(site: Site, author: int, fate: Fate | None) -> dict[str, Any]:
    """A deleted author has a name of its own and no ``author_fullname``."""
    if author < 0 or fate or site.account_fates.get(author) is AccountFate.DELETED:
        return {"author": "[deleted]", "distinguished": None}
    account = site.accounts[author]
    return {"author": account.name, "author_fullname": f"{ACCOUNT}{base36(account.id)}"}


def _markdown(text: str) -> str:
    return f'<div class="md"><p>{escape(text, quote=False)}</p>\n</div>'


def post(site: Site, i: int) -> dict[str, Any]:
    """The ``data`` of a t3."""
    one, name = site.posts[i], site.post_names[i]
    fate = site.fates.get(name)
    author = _author(site, one.author, fate)
    text = _TEXT_OF[fate] if fate else one.body
    changing = {
        **author,
        "selftext": text if one.link == "" else "",
        "score": one.score,
        "ups": max(one.score, 0),
        "num_comments": one.num_comments,
        "edited": float(site.posts_edited_s[name]) if name in site.posts_edited_s else False,
        "removed_by_category": _REMOVED_BY.get(fate) if fate else None,
    }
    if name in site.raw:
        return _as_it_was(site.raw[name], name, changing, site)
    place = site.places[one.subreddit]
    identity = base36(one.id)
    permalink = f"/r/{place.name}/comments/{identity}/{slug(one.title)}/"
    return {
        **_POST,
        "id": identity,
        "name": name,
        "subreddit": place.name,
        "subreddit_id": f"{PLACE}{base36(place.id)}",
        "subreddit_name_prefixed": f"r/{place.name}",
        "subreddit_subscribers": place.subscribers,
        "title": one.title,
        "selftext_html": _markdown(text) if text and not one.link else None,
        "url": one.link or f"https://www.reddit.com{permalink}",
        "domain": "example.org" if one.link else f"self.{place.name}",
        "permalink": permalink,
        "is_self": not one.link,
        "over_18": one.over_18,
        "created": float(one.created_utc_s),
        "created_utc": float(one.created_utc_s),
        "stickied": one.stickied,
        "distinguished": "moderator" if one.stickied else None,
        **changing,
    }


def comment(site: Site, i: int) -> dict[str, Any]:
    """The ``data`` of a t1, without ``replies`` and ``depth``, which belong to a look at its post."""
    one, name = site.comments[i], site.comment_names[i]
    fate = site.fates.get(name)
    text = _TEXT_OF[fate] if fate else one.body
    changing = {
        **_author(site, one.author, fate),
        "body": text,
        "score": one.score,
        "ups": one.score,
        "edited": float(one.edited_utc_s) if one.edited_utc_s else False,
    }
    if name in site.raw:
        raw = _as_it_was(site.raw[name], name, changing, site)
        return {key: value for key, value in raw.items() if key not in ("replies", "depth")}
    above = site.posts[one.post]
    place, post_name = site.places[above.subreddit], site.post_names[one.post]
    identity = base36(one.id)
    return {
        **_COMMENT,
        "id": identity,
        "name": name,
        "subreddit": place.name,
        "subreddit_id": f"{PLACE}{base36(place.id)}",
        "subreddit_name_prefixed": f"r/{place.name}",
        "link_id": post_name,
        "parent_id": post_name if one.parent < 0 else site.comment_names[one.parent],
        "body_html": _markdown(text),
        "permalink": f"/r/{place.name}/comments/{base36(above.id)}/{slug(above.title)}/{identity}/",
        "created": float(one.created_utc_s),
        "created_utc": float(one.created_utc_s),
        "is_submitter": 0 <= one.author == above.author and not fate,
        **changing,
    }


def _as_it_was(raw: dict[str, Any], name: str, changing: dict[str, Any], site: Site) -> dict[str, Any]:
    """An object of Reddit's own: only what has been changed since, and only keys that it has."""
    out = {**raw, **{k: v for k, v in changing.items() if k in raw and name in site.changed}}
    if changing["author"] == "[deleted]":
        out["author"] = "[deleted]"
        out.pop("author_fullname", None)
    return out


def more(one: More) -> dict[str, Any]:
    """The ``data`` of a more."""
    identity = one.children[0] if one.children else "_"
    return {
        "count": one.count,
        "name": f"{COMMENT}{identity}",
        "id": identity,
        "parent_id": one.parent,
        "depth": one.depth,
        "children": one.children,
    }


def subreddit(site: Site, i: int) -> dict[str, Any]:
    """The ``data`` of a t5."""
    place = site.places[i]
    name = f"{PLACE}{base36(place.id)}"
    if name in site.raw:
        return site.raw[name]
    created = float(MONTH_START_S - 86_400 * (30 + place.id % 4_000))
    community = place.community
    about = site.world.community_names[community] if community >= 0 else "everything"
    return {
        "id": base36(place.id),
        "name": name,
        "display_name": place.name,
        "display_name_prefixed": f"r/{place.name}",
        "title": place.name,
        "url": f"/r/{place.name}/",
        "public_description": f"A place for {about.lower()}.",
        "description": f"Everything about {about.lower()}. Be kind.",
        "subscribers": place.subscribers,
        "accounts_active": None,
        "active_user_count": None,
        "created": created,
        "created_utc": created,
        "over18": False,
        "quarantine": False,
        "subreddit_type": "public",
        "submission_type": "any",
        "lang": "en",
        "wiki_enabled": True,
        "user_is_banned": False,
        "user_is_subscriber": False,
    }


def account(site: Site, i: int) -> dict[str, Any]:
    """The ``data`` of a t2; a suspended account has little more than its name left."""
    one = site.accounts[i]
    if site.account_fates.get(i) is AccountFate.SUSPENDED:
        karma = {"awardee_karma": 0, "awarder_karma": 0, "total_karma": 0}
        return {"name": one.name, "is_suspended": True, "is_blocked": False, **karma}
    raw = site.raw.get(f"{ACCOUNT}{base36(one.id)}")
    if raw is not None:
        return raw
    submitted, commented = karma_of(site, i)
    created = _joined_s(one.id)
    return {
        "id": base36(one.id),
        "name": one.name,
        "link_karma": submitted,
        "comment_karma": commented,
        "total_karma": submitted + commented,
        "awardee_karma": 0,
        "awarder_karma": 0,
        "created": created,
        "created_utc": created,
        "has_verified_email": True,
        "has_subscribed": True,
        "hide_from_robots": False,
        "icon_img": "",
        "is_blocked": False,
        "is_employee": False,
        "is_friend": False,
        "is_gold": False,
        "is_mod": False,
        "verified": True,
        "subreddit": None,
    }


def partial_account(site: Site, i: int) -> dict[str, Any]:
    """An entry of ``user_data_by_account_ids``."""
    submitted, commented = karma_of(site, i)
    return {
        "name": site.accounts[i].name,
        "created_utc": _joined_s(site.accounts[i].id),
        "link_karma": submitted,
        "comment_karma": commented,
        "profile_img": "",
        "profile_color": "",
        "profile_over_18": False,
    }


def _joined_s(identity: int) -> float:
    return float(MONTH_START_S - 86_400 * (1 + identity % 3_000))


def karma_of(site: Site, account: int) -> tuple[int, int]:
    """What the posts, and the comments, of an account scored."""
    return (
        sum(site.posts[i].score for i in site.posts_by.get(account, ())),
        sum(site.comments[i].score for i in site.comments_by.get(account, ())),
    )
