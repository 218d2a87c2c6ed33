"""Why a line is rejected: the words that go into rejects files, all of them, never reworded."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    LONG_LINE = "line longer than 16 MiB"
    BROKEN_UTF8 = "broken UTF-8"
    MALFORMED_JSON = "malformed JSON"
    NOT_AN_OBJECT = "not a JSON object"
    NUL_BYTE = "NUL byte in text"

    NO_ID = "missing key: id"
    NO_LINK_ID = "missing key: link_id"
    NO_SUBREDDIT = "missing key: subreddit"
    NO_CREATED_UTC = "missing key: created_utc"
    NO_BODY = "missing key: body"
    NO_TITLE = "missing key: title"

    BAD_ID = "id is not base 36 below 2^63"
    BAD_LINK_ID = "link_id is not base 36 below 2^63"
    BAD_PARENT_ID = "parent_id is not an id"
    BAD_SUBREDDIT = "subreddit is not a name"
    BAD_AUTHOR = "author is not a name"
    BAD_CREATED_UTC = "created_utc is not a time from June 2005 to now"
    BAD_RETRIEVED = "retrieved_on is not a time from June 2005 to now"
    BAD_SCORE = "score is not a 32-bit number"
    BAD_BODY = "body is not text"
    BAD_TITLE = "title is not text"
    BAD_SELFTEXT = "selftext is not text"
    BAD_URL = "url is not text"
    BAD_FLAIR = "link_flair_text is not text"
    BAD_IS_SELF = "is_self is neither true nor false"

    WRONG_FIELDS = "not 3 fields"
    BAD_USERNAME = "username is not a name"
    DELETED_USER = "username stands for a deleted account"
    BAD_INTERACTIONS = "interactions is not a whole number from 1 to 2147483647"
    CUT_LINE = "last line without a line end: it may be cut short"
