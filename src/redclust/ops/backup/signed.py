"""Small JSON documents that carry a digest of themselves: any changed byte is found when they are read."""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import msgspec

from redclust.errors import ArtefactUnusable

_T = TypeVar("_T")
_END = b"\n}\n"
_DIGEST = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n\}\n\Z')


def encode(document: object) -> bytes:
    """Readable JSON of a dataclass; its last key is the SHA-256 of every byte before that key."""
    body = msgspec.json.format(msgspec.json.encode(document), indent=2).removesuffix(b"\n}")
    return body + b',\n  "sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'"' + _END


def decode(raw: bytes, kind: type[_T], what: str) -> _T:
    """Read what :func:`encode` wrote; keys that ``kind`` does not know (of a later version) are passed over.

    Raises:
        ArtefactUnusable: not one byte more, less or other than was written is accepted; ``what`` names it.
    """
    found = _DIGEST.search(raw)
    if found is None:
        raise ArtefactUnusable(f"{what} is cut off or not redclust's: it does not end with its digest")
    body = raw[: found.start()]
    if hashlib.sha256(body).hexdigest().encode() != found[1]:
        raise ArtefactUnusable(f"{what} was changed or damaged: its digest does not fit")
    try:
        return msgspec.json.decode(body + b"}", type=kind)
    except msgspec.MsgspecError as error:
        raise ArtefactUnusable(
            f"{what} cannot be understood: {error}", hint="was it made by a newer redclust?"
        ) from None
