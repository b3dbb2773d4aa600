"""A chat server of ours, as good or as bad as a test needs: it knows pictures by their pixels, and what it was asked.

`behave(asked)` gives a reply (see `reply`), or a `Refusal`. It runs in a thread for each request.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from vrs_lmeval.chat_servers.canary_cards import CARDS


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; `number` counts from 1."""

    number: int
    text: str
    urls: tuple[str, ...]
    payload: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def pictures(self) -> list[Image.Image]:
        """What it shows, decoded."""
        return [Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) for url in self.urls]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with another status than 200; status 0 closes the connection without a word."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(text: str | None, finish_reason: str = "stop", tokens: tuple[int, int] | None = (100, 3), **message: Any):
    """As OpenAI's servers write it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    usage = {} if tokens is None else {"usage": dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True))}
    return {"choices": [choice], **usage}


def name_cards(asked: Asked) -> list[str]:
    """What is on each card, such as "red K"; "nothing" for another picture."""
    known = {card.draw().tobytes(): f"{card.colour} {card.letter}" for card in CARDS}
    return [known.get(picture.tobytes(), "nothing") for picture in asked.pictures]


def is_canary(asked: Asked) -> bool:
    return "colour?" in asked.text


def read_cards(asked: Asked):
    """A good server with a model that reads: of two cards the one that is asked about."""
    seen = name_cards(asked)
    return reply(seen[1 if "second card" in asked.text else 0] if seen else "I see no card.")


class ChatServer(ThreadingHTTPServer):
    """Counts what it is asked (`asked`) and how much of it at a time (`most_in_flight`)."""

    daemon_threads = True
    request_queue_size = 128  # many connections at once

    def __init__(self, behave: Callable[[Asked], Any]) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.behave = behave
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.in_flight = self.most_in_flight = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Fail the client, which has no answer; quiet where it was killed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """For `base_url`."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1/chat/completions"

    @property
    def questions(self) -> list[Asked]:
        """What was asked, without the canary's cards."""
        return [asked for asked in self.asked if not is_canary(asked)]


class ChatHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    server: ChatServer

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = payload["messages"][-1]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        urls = tuple(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
        with self.server.lock:
            asked = Asked(len(self.server.asked) + 1, text, urls, payload, dict(self.headers))
            self.server.asked.append(asked)
            self.server.in_flight += 1
            self.server.most_in_flight = max(self.server.most_in_flight, self.server.in_flight)
        answer = self.server.behave(asked)
        with self.server.lock:
            self.server.in_flight -= 1
        self._send(answer)

    def _send(self, answer: Any) -> None:
        is_refusal = isinstance(answer, Refusal)
        if is_refusal and not answer.status:
            self.close_connection = True
            return
        body = answer.text.encode() if is_refusal else json.dumps(answer).encode()
        self.send_response(answer.status if is_refusal else 200)
        for name, value in (answer.headers if is_refusal else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # the client was killed
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Quiet: the test reads what was asked from the server."""


@contextmanager
def serve(behave: Callable[[Asked], Any]) -> Iterator[ChatServer]:
    """A running server."""
    server = ChatServer(behave)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
