"""Secrets among a model's arguments: the harness writes all of them into the results, and `vrs study` shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|^sig", re.IGNORECASE)
"""Names, of headers or in a URL, whose values are secret."""

IN_PLACE = {"token": "HF_TOKEN", "hf_token": "HF_TOKEN", "use_auth_token": "HF_TOKEN", "auth_token": "OPENAI_API_KEY"}
"""Arguments that take a secret, and the environment variable that the same library reads in its place."""


def find_written_secret(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments of a model, or None. It does not repeat the secret.

    True and False are no secrets: they say whether the hub's saved token is used.
    """
    if (fault := _find_in_url(arguments.get("base_url"))) is not None:
        return fault
    for name, variable in IN_PLACE.items():
        if isinstance(arguments.get(name), str):
            return f"{name}: the harness would write it into the results; set {variable} in its place"
    return None


def _find_in_url(url: Any) -> str | None:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None:
        return None
    secret = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if SECRET_NAME.search(name)]
    if parts.username is None and not secret:
        return None
    what = secret[0] if secret else "a user or a password"
    return f"base_url: {what} in it would be written into the results; use header or OPENAI_API_KEY"


def refuse_written_secret(arguments: Mapping[str, Any]) -> None:
    """Raises ValueError where there is one."""
    if (fault := find_written_secret(arguments)) is not None:
        raise ValueError(fault)
