"""Requests of the harness and a chat server -> their answers: in the order of images, kept as they come."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tqdm import tqdm

from vrs_lmeval.asking.answer_cache import AnswerCache
from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.image_order import order_by_images
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.chat_servers.chat_endpoint import ATTEMPTS, Address, ChatEndpoint, EndpointError
from vrs_lmeval.chat_servers.chat_messages import read_chat
from vrs_lmeval.chat_servers.encoded_images import EncodedImages
from vrs_lmeval.chat_servers.request_pace import Pace
from vrs_lmeval.chat_servers.request_window import work_through
from vrs_lmeval.chat_servers.server_usage import ServerUsage

logger = logging.getLogger(__name__)

IMAGE_BUDGET_BYTES = 256 * 2**20
"""Some twenty radiographs of 2,500 x 2,048 as PNG and base64: as many requests on other images can be in flight."""


class ChatWriter(Protocol):
    """What the harness's chat classes know: how a payload is written and how outputs are read."""

    def write_payload(self, messages: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent."""

    def read_text(self, outputs: Mapping[str, Any]) -> str:
        """The answer in a server's outputs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a server may be asked: requests in flight, requests a minute, attempts each, bytes of encoded images kept."""

    in_flight: int = 1
    per_minute: float | None = None
    attempts: int = ATTEMPTS
    image_bytes: int = IMAGE_BUDGET_BYTES

    def __post_init__(self) -> None:
        if self.per_minute is not None and self.per_minute <= 0:
            raise ValueError(f"requests_per_minute: a number above 0 is needed, not {self.per_minute:g}")


@dataclass(frozen=True, slots=True)
class Job:
    """Requests that are the same to the server: asked once. `key` is None where answers are not kept."""

    indices: Sequence[int]
    key: str | None


class ChatAsker:
    """Asks a server what `cache` does not hold; each answer is kept as it comes."""

    def __init__(
        self,
        writer: ChatWriter,
        address: Address,
        limits: Limits,
        usage: ServerUsage,
        cache: AnswerCache | None,
        folder: str | None,
    ) -> None:
        self._writer = writer
        self._address = address
        self._limits = limits
        self._usage = usage
        self._cache = cache
        self._folder = folder

    def answer(
        self,
        requests: Sequence[Request],
        progress: Callable[..., tqdm],
        check: Callable[[ChatEndpoint], Awaitable[None]] | None = None,
    ) -> list[str]:
        """One text a request, in their order; `check` looks at the server first, if anything is to be asked.

        Raises ValueError for prompts that cannot be sent, before anything is, and EndpointError where the server fails
        for good, once what is in flight has come back.
        """
        answers, jobs = self.plan(requests)
        if jobs:
            with progress(total=len(requests), initial=len(answers)) as bar:
                asyncio.run(self._ask(requests, jobs, answers, bar, check))
        return [answers[index] for index in range(len(requests))]

    def plan(self, requests: Sequence[Request]) -> tuple[dict[int, str], list[Job]]:
        """(answers that are kept, by request; what is left, in the order of images). ValueError for bad prompts."""
        identities = [self._identify(request) for request in requests]
        answers: dict[int, str] = {}
        same: dict[Hashable, list[int]] = {}
        for index in order_by_images(requests):
            identity = identities[index]
            found = None if self._cache is None or identity is None else self._cache.find(identity, _is_answer)
            if found is None:
                same.setdefault(index if identity is None else identity, []).append(index)
            else:
                answers[index] = found["text"]
                self._usage.add_answer(found["text"], found["finish_reason"])
                self._usage.counts["cache_hits"] += 1
        return answers, [Job(tuple(indices), identities[indices[0]]) for indices in same.values()]

    async def _ask(
        self,
        requests: Sequence[Request],
        jobs: Sequence[Job],
        answers: dict[int, str],
        bar: tqdm,
        check: Callable[[ChatEndpoint], Awaitable[None]] | None,
    ) -> None:
        """Adds to `answers` as they come."""
        found, pace = len(answers), Pace(self._limits.per_minute)
        uses: Counter[Hashable] = Counter(
            identify_image(image) for job in jobs for image in read_chat(requests[job.indices[0]]).images
        )
        images = EncodedImages(uses, self._limits.image_bytes)

        async def ask_one(job: Job) -> None:
            request = requests[job.indices[0]]
            chat = read_chat(request)
            urls = await images.take(chat.images)
            try:
                reply = await endpoint.send(self._writer.write_payload(chat.show(urls), request.args[1]))
            finally:
                images.give_back(chat.images)
            self._usage.add_reply(reply)
            text = self._writer.read_text(reply.outputs)
            if self._cache is not None and job.key is not None:
                self._cache.keep({job.key: {"text": text, "finish_reason": reply.finish_reason}})
            for index in job.indices:
                answers[index] = text
                self._usage.add_answer(text, reply.finish_reason)
            bar.set_postfix_str(self._usage.line(), refresh=False)
            bar.update(len(job.indices))

        try:
            async with ChatEndpoint(self._address, pace, self._limits.attempts, self._usage.add_retry) as endpoint:
                if check is not None:
                    await check(endpoint)
                await work_through(jobs, self._limits.in_flight, ask_one, pace.give_up)
        except EndpointError as error:
            raise EndpointError(f"{error}. {self._say_what_is_kept(jobs, answers, len(requests))}") from None
        except BaseException:  # Ctrl-C, an image that cannot be decoded
            if len(answers) > found:
                logger.warning("stopped: %s", self._say_what_is_kept(jobs, answers, len(requests)))
            raise
        finally:
            images.close()
            self._usage.counts["image_encodings"] += images.encodings
            if self._cache is not None:
                self._cache.tell_losses()

    def _say_what_is_kept(self, jobs: Sequence[Job], answers: Mapping[int, str], asked: int) -> str:
        if self._cache is None:
            lost = f"{len(answers)} of {asked} answers came ({self._usage.line()}) and are lost"
            return f"{lost}; with cache_dir=FOLDER they would be kept"
        drawn = sum(index in answers for job in jobs if job.key is None for index in job.indices)
        lost = self._cache.describe()["answers_not_kept"]
        kept = f"{max(0, len(answers) - drawn - lost)} of {asked} answers are kept in {self._folder}"
        kept += f" (this time {self._usage.line()})"
        return f"{kept}; run the same command again and it goes on from there"

    def _identify(self, request: Request) -> str | None:
        """What the answer depends on; None where it is drawn, so that the next one may be another."""
        chat = read_chat(request)
        settings = request.args[1]
        if settings.get("do_sample") or float(settings.get("temperature") or 0) > 0:
            return None
        marks = [f"image {place}" for place in range(len(chat.images))]
        payload = self._writer.write_payload(chat.show(marks), settings)
        parts = (payload, [identify_image(image) for image in chat.images])
        if self._cache is not None:
            return self._cache.key(*parts)
        return json.dumps(parts, sort_keys=True, default=repr)


def _is_answer(value: Any) -> bool:
    """Whether a kept value is what this writes: a text, and how it ended."""
    return isinstance(value, dict) and isinstance(value.get("text"), str) and "finish_reason" in value
