"""What any encoding can write, of what a report holds."""

from __future__ import annotations

from typing import Any


def drop_surrogates(value: Any) -> Any:
    """The same with "?" for each half of a surrogate pair, in lists, tuples and dicts at any depth."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {drop_surrogates(key): drop_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(drop_surrogates, value))
    return value
