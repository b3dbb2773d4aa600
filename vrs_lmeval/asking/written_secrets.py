"""Secrets among a model's arguments: the harness writes all of them into the results, and `vrs study` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IN_PLACE = {"token": "HF_TOKEN", "hf_token": "HF_TOKEN", "use_auth_token": "HF_TOKEN", "auth_token": "OPENAI_API_KEY"}
"""Arguments that take a secret, and the environment variable that the same library reads in its place."""


def find_written_secret(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments of a model, or None. It does not repeat the secret.

    True and False are no secrets: they say whether the hub's saved token is used.
    """
    for name, variable in IN_PLACE.items():
        if isinstance(arguments.get(name), str):
            return f"{name}: the harness would write it into the results; set {variable} in its place"
    return None


def refuse_written_secret(arguments: Mapping[str, Any]) -> None:
    """Raises ValueError where there is one."""
    if (fault := find_written_secret(arguments)) is not None:
        raise ValueError(fault)
