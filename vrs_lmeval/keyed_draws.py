"""A text -> the bytes that decide a draw: so partners and stand-ins depend on data and seed, never on a state.

A changed byte here changes every shuffled partner, and so every published number.
"""

from __future__ import annotations

import hashlib


def make_key(text: str) -> bytes:
    """A keyed draw: bytes that depend on `text` alone."""
    return hashlib.sha256(text.encode()).digest()
