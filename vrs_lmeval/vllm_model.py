"""The model `vrs-vllm`: the harness's own `vllm-vlm`, its engine fed without pause in the order of images."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import vllm
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.models.vllm_vlms import VLLM_VLM
from tqdm import tqdm
from vllm import SamplingParams

from vrs_lmeval.asking.answer_cache import AnswerCache, refuse_use_cache
from vrs_lmeval.asking.chat_prompts import PromptNotes, hand_template_arguments
from vrs_lmeval.asking.cold_warm import ASKED_AGAIN, ColdWarm
from vrs_lmeval.asking.engine_asker import EngineAsker
from vrs_lmeval.asking.engine_feed import EngineFeed
from vrs_lmeval.asking.engine_identity import identify_engine
from vrs_lmeval.asking.engine_prompts import EnginePrompts, describe_settings
from vrs_lmeval.asking.image_order import ask_kinds_apart
from vrs_lmeval.asking.option_scores import Scored
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.asking.written_secrets import refuse_written_secret

logger = logging.getLogger(__name__)

BATCH_INVARIANT = "VLLM_BATCH_INVARIANT"
"""vLLM's switch for kernels whose results do not depend on what else is in a batch."""


class VrsVLLM(VLLM_VLM):  # type: ignore[misc] # lm_eval ships no types
    """`vllm-vlm` with its arguments and its answers to a prompt; and likelihoods of options, which that class lacks.

    Arguments beyond its own: `cache_dir`, a folder where answers are kept as they come; `in_flight`, how many prompts
    are in the engine at most (as many as it computes at once, and as many again, 256 at most, that wait); `cold_warm`,
    on how many images the first question is asked a second time (100; 0: none); `batch_invariant=True` asks vLLM for
    kernels whose answers do not depend on the batch; `double_bos=True` keeps the second BOS token that `vllm-vlm`
    writes before rendered chats. `batch_size` has no meaning.
    """

    processor: Any

    def __init__(
        self,
        *args: Any,
        cache_dir: str | None = None,
        in_flight: int | None = None,
        cold_warm: int = ASKED_AGAIN,
        batch_invariant: bool = False,
        double_bos: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_written_secret(kwargs)
        if int(kwargs.get("data_parallel_size", 1)) > 1:
            raise ValueError(
                "vrs-vllm asks one engine: use tensor_parallel_size for a model that needs several GPUs, or vllm-vlm "
                "for data_parallel_size"
            )
        thinks = {} if kwargs.get("enable_thinking") is None else {"enable_thinking": kwargs["enable_thinking"]}
        self._template_arguments = {**(kwargs.get("chat_template_args") or {}), **thinks}
        self._batch_invariance = ask_for_batch_invariance(batch_invariant)
        super().__init__(*args, **kwargs)
        room = self.max_gen_toks if self.think_end_token else 0
        self._notes = PromptNotes(self.processor, double_bos, room, "vrs-vllm", "vllm-vlm")
        self._prompts = EnginePrompts(self, double_bos)
        self._feed = EngineFeed(self.model, in_flight, self.lora_request)
        self._cold_warm = ColdWarm(int(cold_warm))
        lora = kwargs.get("lora_local_path")
        cache = None if cache_dir is None else AnswerCache(Path(str(cache_dir)), self._identify(lora))
        self._cache = cache
        self._asker = EngineAsker(self, self._prompts, self._feed, cache, self._cold_warm)

    def generate_until(self, requests: list[Request], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        if (apart := ask_kinds_apart(requests, lambda part: self.generate_until(part, disable_tqdm))) is not None:
            return apart
        if requests and len(requests[0].args) < 3:
            texts: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)
            return texts
        self._notes.look_at([request.args[0] for request in requests], self.chat_applied, expects_text=True)
        return self._asker.write(requests, self._show_progress(disable_tqdm))

    def loglikelihood(self, requests: list[Request], disable_tqdm: bool = False) -> list[Scored]:
        """Each request's option after its prompt and images: log-probability, and whether greedy decoding writes it."""
        if (apart := ask_kinds_apart(requests, lambda part: self.loglikelihood(part, disable_tqdm))) is not None:
            return apart
        if requests and len(requests[0].args) < 3:
            scores: list[Scored] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
            return scores
        mode = str(self.model.llm_engine.model_config.logprobs_mode)
        if mode != "raw_logprobs":
            raise ValueError(f"logprobs_mode={mode}: _mc tasks need raw_logprobs, vLLM's default")
        self._notes.look_at([request.args[0] for request in requests], self.chat_applied, expects_text=False)
        return self._asker.score(requests, self._show_progress(disable_tqdm))

    def apply_chat_template(self, chat_history: list[dict[str, Any]], add_generation_prompt: bool = True) -> str:
        """As `vllm-vlm` renders a chat, with `chat_template_args` and `enable_thinking`, which it leaves out."""
        with hand_template_arguments(self, self._template_arguments):
            prompt: str = super().apply_chat_template(chat_history, add_generation_prompt)
        self._notes.look_at_arguments(self._template_arguments)
        return prompt

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuses `--use_cache`: its keys are wrong for models that see images."""
        refuse_use_cache(cache_hook)
        super().set_cache_hook(cache_hook)

    def get_model_info(self) -> dict[str, Any]:
        """What the results say: the engine, how prompts were written, what was kept, what changed when asked again."""
        model = self.model.llm_engine.model_config
        cut = f"all before the last {self.think_end_token} is cut"
        return {
            "model_dtype": str(model.dtype),
            "model_revision": self.model_args["revision"] or "main",
            "vrs_vllm": {
                "version": vllm.__version__,
                "in_flight": self._feed.most,
                "batch_invariant": self._batch_invariance,
                **self._asker.counts,
            },
            "vrs_cold_warm": self._cold_warm.describe(),
            "vrs_without_images": self._asker.without_images,
            **self._notes.describe(self.chat_applied, self._prompts.bos_dropped),
            **({"vrs_thoughts": cut} if self.think_end_token else {}),
            "vrs_cache": None if self._cache is None else self._cache.describe(),
        }

    def read_settings(self, settings: Mapping[str, Any]) -> Any:
        """As the harness's class passes them on; a model that thinks first is not stopped by the task's own marks."""
        kwargs, until, most = self._split_settings(settings)
        stop = [self._end()] if self.think_end_token else until
        return SamplingParams(max_tokens=most, stop=[text for text in stop if text], **kwargs)

    def read_text(self, written: str, settings: Mapping[str, Any]) -> str:
        """What was written, after the thoughts if `think_end_token` says where they end."""
        if not self.think_end_token:
            return written
        _, until, _ = self._split_settings(settings)
        text: str = postprocess_generated_text(written, until, self.think_end_token)
        return text

    def ask_one_token(self, tokens: Sequence[int]) -> Any:
        """Over the whole vocabulary, and nothing is drawn or masked: what is written is the most probable token."""
        return SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=list(tokens), detokenize=False)

    def _split_settings(self, settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], int]:
        split: tuple[dict[str, Any], list[str], int] = self.modify_gen_kwargs(
            dict(settings), eos=self._end(), default_max_gen_toks=self.max_gen_toks
        )
        return split

    def _end(self) -> str:
        return str(self.tokenizer.decode(self.eot_token_id))

    def _identify(self, lora: str | None) -> str:
        settings = {
            **describe_settings(self),
            "double_bos": self._notes.double_bos,
            "invariant": self._batch_invariance,
        }
        return identify_engine(self.model_args, lora, self.model.llm_engine.vllm_config, settings)

    def _show_progress(self, disable: bool) -> partial[tqdm]:
        return partial(tqdm, desc="vrs-vllm", unit=" requests", disable=disable or self.rank != 0)


def ask_for_batch_invariance(wanted: bool) -> str:
    """Switch it on for an engine that is made after this, where this vLLM and this device have it; what came of it."""
    if not wanted and not int(os.environ.get(BATCH_INVARIANT, "0")):
        return "not asked for"
    platform = vllm.platforms.current_platform
    if not hasattr(vllm.envs, BATCH_INVARIANT) or not platform.is_cuda() or not platform.has_device_capability(90):
        said = f"asked for; vLLM {vllm.__version__} has none on this device ({platform.device_type})"
        logger.warning("vrs-vllm: batch-invariant kernels: %s", said)
        return said
    os.environ[BATCH_INVARIANT] = "1"
    return "on"
