"""What `vrs doctor --endpoint` finds out: does a chat server answer about the image it was sent, what does it obey."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from vrs_lmeval.chat_servers.canary_cards import CARDS
from vrs_lmeval.chat_servers.chat_endpoint import Address, ChatEndpoint, EndpointError, Reply
from vrs_lmeval.chat_servers.endpoint_canary import Ask, ask_cards, ask_pairs, count_equal, judge
from vrs_lmeval.chat_servers.request_pace import Pace
from vrs_lmeval.chat_servers.server_arguments import make_address
from vrs_lmeval.commands.doctor import Finding

KEY_VARIABLE = "OPENAI_API_KEY"
"""Where the harness's classes look for a key, too."""

ATTEMPTS = 3
"""A person waits: a server that is down is told after some seconds."""

FEW_TOKENS = 8
"""The limit that the server is asked to keep."""

ADVICE = {
    "mixes up": "do not measure with this server: switch off its caches of answers and images, try another release "
    "of it, or ask one request at a time",
    "blind": "is it a vision-language model, and does the server hand images on to it? Ask it by hand about a picture",
    "cannot be told": "a larger model, or more --max-tokens for one that thinks, would tell; a weak model is no fault",
    "first only": "tasks with several images (MedFrameQA, MMMU) need another server, or its limit of images raised",
    "refused": "raise the server's limit of images a message (vLLM: --limit-mm-per-prompt) for tasks with several",
}


class TokenField:
    """`max_tokens`, or what newer models of OpenAI call it, which they say when they refuse it."""

    def __init__(self) -> None:
        self.name = "max_tokens"

    def learns_from(self, error: EndpointError) -> bool:
        """Whether the server asked for the other name."""
        if self.name == "max_tokens" and "max_completion_tokens" in str(error):
            self.name = "max_completion_tokens"
            return True
        return False


def examine_endpoint(url: str, model: str, width: int = len(CARDS), max_tokens: int = 256) -> list[Finding]:
    """Every finding. Raises ValueError for what is no URL, EndpointError where the server does not answer."""
    headers = {"Authorization": f"Bearer {os.environ.get(KEY_VARIABLE, '')}"}
    address = make_address(url, headers, timeout=300, verify=True, authority=None)
    return asyncio.run(_examine(address, model, width, max_tokens))


async def _examine(address: Address, model: str, width: int, max_tokens: int) -> list[Finding]:
    async with ChatEndpoint(address, Pace(), ATTEMPTS) as endpoint:
        field = TokenField()

        async def ask(messages: Sequence[Mapping[str, Any]], max_tokens: int, **more: Any) -> Reply:
            payload = {"model": model, "messages": list(messages), "temperature": 0, **more}
            try:
                return await endpoint.send(payload | {field.name: max_tokens})
            except EndpointError as error:
                if not field.learns_from(error):
                    raise
                return await endpoint.send(payload | {field.name: max_tokens})

        return [
            *await _find_images(ask, width, max_tokens),
            await _find_pairs(ask, max_tokens),
            await _find_limit(ask),
            await _find_logprobs(ask),
        ]


async def _find_images(ask: Ask, width: int, max_tokens: int) -> list[Finding]:
    answers = await ask_cards(ask, CARDS, width, max_tokens)
    verdict = judge(CARDS, answers)
    equal = count_equal(answers)
    same = f"the same answer each time for {equal} of {len(CARDS)} cards (three times, alone and {width} at once)"
    return [
        Finding("images", verdict.sentence, verdict.status == "sees", ADVICE.get(verdict.status, "")),
        Finding(
            "temperature 0",
            same,
            equal == len(CARDS),
            "answers change by themselves, which counts as sensitivity to the image; the variant retest shows how much",
        ),
    ]


async def _find_pairs(ask: Ask, max_tokens: int) -> Finding:
    status, sentence = await ask_pairs(ask, CARDS[:6], max_tokens)
    return Finding("several images", sentence, status in ("in order", "cannot be told"), ADVICE.get(status, ""))


async def _find_limit(ask: Ask) -> Finding:
    """Whether `max_tokens` is kept: by the server's count, or by words where it does not count."""
    text = "Write the numbers from one to one hundred as words."
    reply = await ask([{"role": "user", "content": text}], FEW_TOKENS)
    written = reply.tokens[1] if reply.tokens else len((reply.text or "").split())
    unit = "tokens" if reply.tokens else "words"
    detail = f"asked for at most {FEW_TOKENS}, {written} {unit} came, finish_reason {reply.finish_reason}"
    return Finding(
        "max_tokens", detail, written <= FEW_TOKENS, "answers will be longer than tasks allow, and cost more"
    )


async def _find_logprobs(ask: Ask) -> Finding:
    """For information: no task needs them of an API."""
    try:
        reply = await ask([{"role": "user", "content": "Say yes."}], FEW_TOKENS, logprobs=True, top_logprobs=5)
    except EndpointError as error:
        return Finding("logprobs", f"refused ({error}); no task of ours needs them from a server")
    has_them = bool(reply.outputs["choices"][0].get("logprobs"))
    return Finding("logprobs", "given" if has_them else "not given; no task of ours needs them from a server")
