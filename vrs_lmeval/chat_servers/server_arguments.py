"""Arguments of models behind an API: keys stay out of what the harness writes down, misspelt names are told."""

from __future__ import annotations

import inspect
import os
import ssl
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from vrs_lmeval.asking.written_secrets import SECRET_NAME, refuse_written_secret
from vrs_lmeval.chat_servers.chat_endpoint import Address

SHORTEST_SECRET = 8
"""Shorter ones ("none", "EMPTY") are words that stand in for a key, and stand in other texts too."""

FROM_HARNESS = frozenset({"batch_size", "max_batch_size", "device"})
"""What the harness hands to every model class beside `--model_args`."""


def check_names(given: Iterable[str], kind: type) -> None:
    """Raises ValueError for an argument that no class of the line takes: the harness's classes would ignore it."""
    known = set(FROM_HARNESS)
    for base in kind.__mro__[:-1]:
        known |= set(inspect.signature(base.__init__).parameters) - {"self", "args", "kwargs"}  # type: ignore[misc] # of a class
    if unknown := sorted(set(given) - known):
        raise ValueError(f"--model_args has no {', '.join(unknown)}; it has {', '.join(sorted(known - FROM_HARNESS))}")


def read_headers(header: Any) -> dict[str, str] | None:
    """The argument `header` with values like $NAME read from the environment; None where it was not given.

    The harness logs all arguments and writes them into the results: ValueError for a key written out.
    """
    if header is None:
        return None
    if not isinstance(header, Mapping):
        raise ValueError('header: a mapping is needed, as in header={"api-key": "$MY_KEY"}')
    return {str(name): _read_value(str(name), str(value)) for name, value in header.items()}


def _read_value(name: str, value: str) -> str:
    if value.startswith("$"):
        try:
            return os.environ[value[1:]]
        except KeyError:
            raise ValueError(f"header: the environment has no {value[1:]}, from which {name} is to be read") from None
    if SECRET_NAME.search(name):
        raise ValueError(
            f"header: the harness writes --model_args into the results, so {name} would be read there; put it in an "
            f'environment variable and name that: header={{"{name}": "$VARIABLE"}}, or set OPENAI_API_KEY alone'
        )
    return value


def refuse_written_secrets(base_url: Any, auth_token: Any) -> None:
    """Raises ValueError for keys among the arguments, which the harness would write into the results."""
    refuse_written_secret({"auth_token": auth_token, "base_url": base_url})


def make_address(
    url: str | None, headers: Mapping[str, str], timeout: float, verify: bool, authority: str | None
) -> Address:
    """`authority`: a file of certificates to trust. Raises ValueError for what is no URL of a web server."""
    if url is None or urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(
            f"base_url: the URL of a chat server is needed, as in http://.../v1/chat/completions, not {url}"
        )
    secrets = [value.removeprefix("Bearer ") for name, value in headers.items() if SECRET_NAME.search(name)]
    certificate = ssl.create_default_context(cafile=authority) if verify and authority else verify
    kept = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
    return Address(url, dict(headers), kept, timeout, certificate)
