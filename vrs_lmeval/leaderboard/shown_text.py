"""Names and reasons that somebody else wrote -> text that is safe on a terminal, in Markdown, and as a file's name."""

from __future__ import annotations

import hashlib
import html
import re

LONGEST_NAME = 200
"""Characters of a model's or task's name: a hub id has at most 96, a folder's path is seldom longer."""

LONGEST_REASON = 1000
"""Characters of a reason why a run was left out, which may quote what was found."""

LONGEST_FILE_NAME = 100
"""Characters of a file's name: with a suffix well below the 255 bytes of most file systems."""

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, with which a terminal writes elsewhere; marks that turn the direction of writing; halves of
surrogate pairs, which no encoding writes. Tabs and line ends stay."""


def make_visible(text: str) -> str:
    """The same with U+FFFD for each character that is not one to read."""
    return _HIDDEN.sub("\ufffd", text)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters; a digest keeps two long texts that begin alike apart."""
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{text[: limit - len(digest) - 4]}... {digest}"


def clean_name(name: object) -> str:
    """A model's or task's name in one line that can be shown."""
    return shorten(" ".join(make_visible(str(name)).split()), LONGEST_NAME)


def clean_reason(reason: str) -> str:
    """Why a run was left out, as it can be shown."""
    return shorten(make_visible(reason), LONGEST_REASON)


def escape_markdown(text: str) -> str:
    """`text` as one line of Markdown that shows it: no tags, no links, no images, no new lines or cells."""
    escaped = html.escape(" ".join(make_visible(text).splitlines()), quote=False)
    return escaped.replace("\\", "\\\\").replace("](", "]\\(").replace("|", "\\|")


def name_file(name: str) -> str:
    """`name` as the name of a file in the folder that was given, and in no other."""
    return shorten(re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("."), LONGEST_FILE_NAME).replace("... ", "-") or "_"
