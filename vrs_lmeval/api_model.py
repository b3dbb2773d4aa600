"""The models `vrs-api` and `vrs-openai`: the harness's own chat classes, with our order, sending and keeping."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion, OpenAIChatCompletion
from tqdm import tqdm

from vrs_lmeval.asking.answer_cache import AnswerCache, refuse_use_cache
from vrs_lmeval.asking.kept_run import INFO, MODEL, KeptRun
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.chat_servers.canary_cards import CARDS
from vrs_lmeval.chat_servers.chat_asker import IMAGE_BUDGET_BYTES, ChatAsker, Limits
from vrs_lmeval.chat_servers.chat_endpoint import ATTEMPTS, ChatEndpoint, Reply
from vrs_lmeval.chat_servers.endpoint_canary import check_cards
from vrs_lmeval.chat_servers.server_arguments import check_names, make_address, read_headers, refuse_written_secrets
from vrs_lmeval.chat_servers.server_usage import ServerUsage

logger = logging.getLogger(__name__)

CANARY_CARDS = CARDS[:6]
"""24 small requests before a run: as many as tell colours and letters apart."""

CANARY_TOKENS = 256
"""Room for a model that thinks a little; others say three words and stop."""


class AskedInOurWay:
    """Before a chat class of the harness, whose arguments and payloads stay as they are.

    Arguments beyond its own: `cache_dir`, a folder where answers are kept as they come; `answers_from`, such a folder:
    the run is told again from it alone, and nothing is sent; `requests_per_minute`;
    `price_in` and `price_out`, money for a million tokens; `image_budget_bytes`, what encoded images may take
    together; `canary=False` asks without looking at cards first. `max_retries` is 8 unless said, `max_images` has no
    meaning: a prompt's images are all sent.
    """

    def __init__(
        self,
        *args: Any,
        cache_dir: str | None = None,
        answers_from: str | None = None,
        requests_per_minute: float | None = None,
        price_in: float | None = None,
        price_out: float | None = None,
        image_budget_bytes: int = IMAGE_BUDGET_BYTES,
        canary: bool = True,
        max_retries: int = ATTEMPTS,
        **kwargs: Any,
    ) -> None:
        check_names(kwargs, type(self))
        refuse_written_secrets(kwargs.get("base_url"), kwargs.get("auth_token"))
        if "header" in kwargs:
            kwargs["header"] = read_headers(kwargs["header"])
        super().__init__(*args, max_retries=max_retries, **kwargs)  # type: ignore[call-arg] # the class behind
        server: Any = self
        if not server.model:
            raise ValueError("model: the server's name for the model is needed, as in model=...,base_url=...")
        authority = server.ca_cert_path
        address = make_address(
            server.base_url, server.header, server.timeout, bool(server.verify_certificate), authority
        )
        per_minute = None if requests_per_minute is None else float(requests_per_minute)
        limits = Limits(server._concurrent, per_minute, int(max_retries), int(image_budget_bytes))
        price_in, price_out = (None if price is None else float(price) for price in (price_in, price_out))
        self._usage = ServerUsage(price_in, price_out)
        identity = self._identify_server()
        self._kept_run = None if answers_from is None else KeptRun(Path(str(answers_from)))
        cache: AnswerCache | None = None
        if self._kept_run is not None:
            cache = self._kept_run.open(identity)
        elif cache_dir is not None:
            cache = AnswerCache(Path(str(cache_dir)), identity)
            cache.note(MODEL, identity)
        self._cache = cache
        self._asker = ChatAsker(self, address, limits, self._usage, cache, cache_dir)
        self._wants_canary = bool(canary)
        self._canary = "not asked" if canary else "switched off"

    def generate_until(self, requests: list[Request], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`; an empty one where the server sent none."""
        if self._kept_run is not None:
            kept, _ = self._asker.plan(requests)
            return self._kept_run.complete(requests, kept)
        progress = partial(tqdm, desc="vrs-api", unit=" requests", disable=disable_tqdm)
        shows_images = any(request.args[2:] and request.args[2]["visual"] for request in requests)
        check = self._check_server if self._wants_canary and shows_images else None
        return self._asker.answer(requests, progress, check)

    def loglikelihood(self, requests: Sequence[Request], **settings: Any) -> Any:
        """Refused by name: chat servers give no likelihoods of given texts."""
        tasks = ", ".join(sorted({str(request.task_name) for request in requests}))
        raise ValueError(
            f"{tasks}: asks for likelihoods of options, which chat servers do not give; take the task without _mc, "
            "whose answers are texts, or --model vrs-hf"
        )

    def get_model_info(self) -> dict[str, Any]:
        """What the results say: what was asked, answered and paid, and what the canary saw."""
        kept = {} if self._cache is None else {"vrs_cache": self._cache.describe()}
        if self._kept_run is not None:
            return {**self._kept_run.describe(), **kept}
        info = {"vrs_api": {**self._usage.describe(), "canary": self._canary}}
        if self._cache is not None:
            self._cache.note(INFO, info)
        return {**info, **kept}

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuses `--use_cache`: its keys are wrong for models that see images."""
        refuse_use_cache(cache_hook, "the server, its model")
        super().set_cache_hook(cache_hook)  # type: ignore[misc] # the class behind

    def write_payload(self, messages: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
        """As the harness's class writes it."""
        server: Any = self
        end = {"eos": server._eos_string} if server._eos_string else {}
        payload: dict[str, Any] = server._create_payload(
            list(messages), generate=True, gen_kwargs=copy.deepcopy(dict(settings)), seed=server._seed, **end
        )
        return payload

    def read_text(self, outputs: Mapping[str, Any]) -> str:
        """As the harness's class reads it; an empty text where nothing was said, never its placeholder."""
        (text,) = super().parse_generations(outputs)  # type: ignore[misc] # the class behind
        return text or ""

    async def _check_server(self, endpoint: ChatEndpoint) -> None:
        """Cards before questions, once a run. Raises EndpointError where images are mixed up."""
        self._wants_canary = False

        async def ask(messages: Sequence[Mapping[str, Any]], max_tokens: int, **more: Any) -> Reply:
            payload = self.write_payload(messages, {"max_gen_toks": max_tokens}) | more
            payload.pop("stop", None)  # of a task's, which would end a thought
            reply = await endpoint.send(payload)
            self._usage.add_reply(reply)
            self._usage.counts["canary_requests"] += 1
            return reply

        server: Any = self
        width = min(server._concurrent, len(CANARY_CARDS))
        verdict = await check_cards(ask, CANARY_CARDS, width, CANARY_TOKENS)
        self._canary = verdict.sentence
        logger.log(logging.INFO if verdict.status == "sees" else logging.WARNING, "canary: %s", verdict.sentence)

    def _identify_server(self) -> str:
        """What answers depend on besides what is sent: the server, how answers are read, who renders images."""
        server: Any = self
        versions = {name: version(name) for name in ("vrs_lmeval", "pillow")}
        return json.dumps([type(self).__name__, server.base_url, server.think_end_token, versions])


class VrsAPI(AskedInOurWay, LocalChatCompletion):  # type: ignore[misc] # lm_eval ships no types
    """`local-chat-completions` for VRS tasks: any server with OpenAI's chat completions."""


class VrsOpenAI(AskedInOurWay, OpenAIChatCompletion):  # type: ignore[misc] # lm_eval ships no types
    """`openai-chat-completions` for VRS tasks."""
