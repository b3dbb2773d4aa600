"""A chat server behind a URL: takes a payload, gives its reply; asks again what may pass, tells what will not."""

from __future__ import annotations

import io
import json
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

try:
    import aiohttp
except ModuleNotFoundError as error:
    raise ModuleNotFoundError('models behind an API need: pip install "lm_eval[api]"', name=error.name) from error

from vrs_lmeval.chat_servers.request_pace import Pace, read_retry_after

logger = logging.getLogger(__name__)

ATTEMPTS = 8
"""With the waits of `request_pace`, some two minutes of trying: a server that restarts costs no run."""

MAY_PASS = frozenset({408, 409, 425, 429})
"""Below 500: too slow, in conflict, too early, too many. Of those from 500 on, all may."""

NEVER_PASS = ("insufficient_quota", "billing_hard_limit_reached")
"""Codes that OpenAI sends with 429 where no money is left."""

FILTER_CODES = ("content_filter", "content_policy_violation")
"""Azure's and OpenAI's words for a question that they do not answer: an empty answer, not a broken run."""

SHOWN_CHARACTERS = 500
"""Of a server's own words in an error: its reason stands at the beginning, a page of HTML may follow."""


class EndpointError(RuntimeError):
    """The server does not answer, for good; the message has its own words."""


class PassingError(Exception):
    """It may answer the same request later; after `retry_after` seconds, if it said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `choices` and `usage` as OpenAI defines them."""

    outputs: Mapping[str, Any]

    @property
    def text(self) -> str | None:
        """What was said; None where nothing was. A model's reasoning, which stands beside it, is none of it."""
        text: str | None = self.outputs["choices"][0]["message"]["content"]
        return text

    @property
    def finish_reason(self) -> str | None:
        """ "stop", "length" where it was cut, "content_filter" ..."""
        reason: str | None = self.outputs["choices"][0].get("finish_reason")
        return reason

    @property
    def tokens(self) -> tuple[int, int] | None:
        """(in, out) as the server counts them; None where it does not say."""
        usage = self.outputs.get("usage") or {}
        if usage.get("prompt_tokens") is None:
            return None
        return int(usage["prompt_tokens"]), int(usage.get("completion_tokens") or 0)


FILTERED = Reply(
    {
        "choices": [{"index": 0, "message": {"content": None}, "finish_reason": "content_filter"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0},  # the server names no cost of what it refused
    }
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how it is spoken to; `secrets` are never shown."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    timeout_seconds: float = 300
    certificate: bool | ssl.SSLContext = True

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it: a user, a query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def hide_secrets(self, text: str) -> str:
        """The beginning of a server's text, without the keys that it may repeat."""
        for secret in self.secrets:
            text = text.replace(secret, "[key]")
        return " ".join(text.split())[:SHOWN_CHARACTERS]


class ChatEndpoint:
    """An open connection: `async with ChatEndpoint(...) as endpoint: await endpoint.send(payload)`."""

    def __init__(
        self, address: Address, pace: Pace, attempts: int = ATTEMPTS, count_retry: Callable[[], None] = lambda: None
    ) -> None:
        self._address = address
        self._pace = pace
        self._attempts = max(attempts, 1)
        self._count_retry = count_retry
        self._has_failed = False

    async def __aenter__(self) -> ChatEndpoint:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._address.certificate),  # the window limits what is open
            timeout=aiohttp.ClientTimeout(total=self._address.timeout_seconds),
            trust_env=True,  # a hospital's proxy
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def send(self, payload: Mapping[str, Any]) -> Reply:
        """The server's reply. Raises EndpointError once there is no hope, or the pace was given up."""
        for attempt in range(1, self._attempts + 1):
            await self._pace.wait_for_turn()
            try:
                return await self._post(payload)
            except PassingError as fault:
                if attempt == self._attempts or self._pace.is_given_up:
                    raise EndpointError(f"{self._address.shown} failed {attempt} times: {fault}") from None
                log = logger.info if self._has_failed else logger.warning  # the first is told, all are counted
                log("%s: %s; asking again", self._address.shown, fault)
                self._has_failed = True
                self._count_retry()
                await self._pace.back_off(attempt, fault.retry_after)
                if self._pace.is_given_up:
                    raise EndpointError(f"{self._address.shown}: {fault}") from None
        raise AssertionError("the last attempt returns or raises")

    async def _post(self, payload: Mapping[str, Any]) -> Reply:
        body = io.BytesIO(json.dumps(payload).encode())
        headers = {**self._address.headers, "Content-Type": "application/json"}
        try:
            async with self._session.post(self._address.url, data=body, headers=headers) as response:
                text = await response.text(errors="replace")
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise EndpointError(f"{self._address.shown}: {self._address.hide_secrets(str(error))}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise PassingError(self._address.hide_secrets(str(error) or type(error).__name__)) from None
        if response.status >= 400:
            return self._refused(response.status, text, read_retry_after(response.headers.get("Retry-After")))
        return self._read(text)

    def _read(self, text: str) -> Reply:
        try:
            outputs = json.loads(text)
            choices = outputs["choices"]
            content = choices[0]["message"].setdefault("content", None)
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ):  # proxies send pages, routers errors, both with 200
            raise PassingError(f"sent no answer but: {self._address.hide_secrets(text)}") from None
        if isinstance(content, list):  # some servers send parts, thoughts among them
            said = [part.get("text", "") for part in content if part.get("type") == "text"]
            choices[0]["message"]["content"] = "".join(said) or None
        return Reply(outputs)

    def _refused(self, status: int, text: str, retry_after: float | None) -> Reply:
        """An empty reply where the question was filtered; raises otherwise."""
        if status == 400 and any(code in text for code in FILTER_CODES):
            return FILTERED
        words = f"status {status}: {self._address.hide_secrets(text) or 'no text'}"
        if (status in MAY_PASS or status >= 500) and not any(code in text for code in NEVER_PASS):
            raise PassingError(words, retry_after)
        hint = "; is the URL whole, as in .../v1/chat/completions?" if status in (404, 405) else ""
        raise EndpointError(f"{self._address.shown} refuses the request, {words}{hint}")
