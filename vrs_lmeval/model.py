"""The model `vrs-hf`: the harness's own `hf-multimodal`, which does the work that prompts have in common once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.hf_vlms import HFMultimodalLM
from tqdm import tqdm

from vrs_lmeval.asking.adapters import load_adapter
from vrs_lmeval.asking.answer_cache import AnswerCache, refuse_use_cache
from vrs_lmeval.asking.asker import Asker, Way
from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.chat_prompts import PromptNotes, find_image_mark, hand_template_arguments
from vrs_lmeval.asking.image_order import ask_kinds_apart
from vrs_lmeval.asking.kept_run import INFO, MODEL, AnswersNotKeptError, KeptRun, NoWeights
from vrs_lmeval.asking.missing_packages import explain_missing_package
from vrs_lmeval.asking.model_identity import identify_model
from vrs_lmeval.asking.option_scores import OptionScorer, Scored, split_option
from vrs_lmeval.asking.prompt_encoding import Prompt
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.asking.text_answers import TextWriter
from vrs_lmeval.asking.weight_report import ReportingAutoModel, find_missing_weights
from vrs_lmeval.asking.written_secrets import refuse_written_secret
from vrs_lmeval.pixels.geometry import UnsupportedGeometry
from vrs_lmeval.pixels.transformers_backend import FusedImageProcessor
from vrs_lmeval.records import NOT_ASKED

logger = logging.getLogger(__name__)

PREFIX_CACHE_BYTES = 2 * 2**30
"""Kept prefixes where no accelerator can be asked for its free memory: 6 images of LLaVA-1.5 7B in float16."""

AUTO_BATCH_SIZE = 64
"""Where `batch_size=auto` begins, as `max_batch_size` does in lm_eval; it is halved where memory does not suffice."""

SHAREABLE_SETTINGS = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k", "min_p"}
"""Generation settings that look at one token's logits alone. Others (beams, n-grams of the prompt) see the padding."""


PROGRESS = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} questions [{elapsed}<{remaining}, {rate_noinv_fmt}]"


class VrsHF(HFMultimodalLM):  # type: ignore[misc] # lm_eval ships no types
    """`hf-multimodal` with the fused image path and shared image prefixes; its arguments, and its answers to a prompt.

    Arguments beyond its own: `prefix_cache_bytes`, how much kept prefixes may take together (a quarter of the
    accelerator's free memory if not said); `share_prefixes=False` computes every prompt as a whole; `cache_dir`, a
    folder where answers are kept, so that a run goes on where it was stopped; `answers_from`, such a folder: the run is
    told again from it alone, and no weights are loaded; `double_bos=True` keeps the second BOS token that
    `hf-multimodal` writes before rendered chats; `thought_tokens`, how many tokens a model may think before its
    answer, which then begins after the model's own marks. `batch_size=auto` works.
    """

    AUTO_MODEL_CLASS = ReportingAutoModel
    processor: Any
    image_token: str

    def __init__(
        self,
        *args: Any,
        prefix_cache_bytes: int | None = None,
        share_prefixes: bool = True,
        cache_dir: str | None = None,
        answers_from: str | None = None,
        double_bos: bool = False,
        thought_tokens: int = 0,
        **kwargs: Any,
    ) -> None:
        refuse_written_secret(kwargs)
        self._kept_run = None if answers_from is None else KeptRun(Path(answers_from))
        if str(kwargs.get("batch_size")).startswith("auto"):
            kwargs["batch_size"] = int(kwargs.get("max_batch_size") or AUTO_BATCH_SIZE)
        if "enable_thinking" in kwargs:  # the marks of thoughts are known, so it needs no think_end_token
            thinks = {"enable_thinking": kwargs.pop("enable_thinking")}
            kwargs["chat_template_args"] = {**(kwargs.get("chat_template_args") or {}), **thinks}
        super().__init__(*args, **kwargs)
        self._join_cpu_processes()
        self._image_path = self._install_fused_path()
        if "image_string" not in kwargs and "image_token_id" not in kwargs:
            self.image_token = find_image_mark(self.processor) or self.image_token
        self._prompts = PromptNotes(self.processor, double_bos, int(thought_tokens))
        self._cache: AnswerCache | None = None
        if self._kept_run is not None:
            self._cache = self._kept_run.open()
            return
        budget = _free_bytes(self.device) // 4 if prefix_cache_bytes is None else int(prefix_cache_bytes)
        self._missing_weights = find_missing_weights(self.model)
        if self._missing_weights:
            logger.warning(
                "vrs-hf: the checkpoint lacks %d of the model's weights (%s ...), which were drawn at random, so these "
                "will not be that model's answers; was it written by another release of transformers?",
                len(self._missing_weights),
                self._missing_weights[0],
            )
        self._asker = Asker(self, budget, share_prefixes, double_bos)
        self._scorer = OptionScorer(self, self._asker)
        self._writer = TextWriter(self, self._asker, int(thought_tokens))
        if cache_dir is not None:
            identity = self._identify()
            self._cache = AnswerCache(Path(cache_dir), identity)
            self._cache.note(MODEL, identity)

    def _create_model(self, *args: Any, **kwargs: Any) -> None:
        """As the stock class loads the weights, an adapter by ourselves; none where the answers are kept."""
        if self._kept_run is not None:
            self._model = NoWeights()
            return
        adapter = None if kwargs.get("delta") else kwargs.pop("peft", None)  # the stock class refuses both together
        super()._create_model(*args, **kwargs)
        if adapter is not None:
            self._model = load_adapter(self._model, adapter, kwargs.get("revision"), len(self.tokenizer))

    def _create_tokenizer(self, *args: Any, **kwargs: Any) -> Any:
        """As the stock class loads the processor; says which package is missing where transformers does not."""
        try:
            return super()._create_tokenizer(*args, **kwargs)
        except (ImportError, RuntimeError, ValueError) as error:
            if explained := explain_missing_package(error):
                raise explained from error
            raise

    def get_model_info(self) -> dict[str, Any]:
        """What the results say about the model: which paths ran, in how many processes, how much work they saved."""
        if self._kept_run is not None:
            assert self._cache is not None
            return {**self._kept_run.describe(), "vrs_cache": self._cache.describe()}
        info = self._describe_model()
        if self._cache is not None:
            self._cache.note(INFO, info)
        return info

    def _describe_model(self) -> dict[str, Any]:
        differences = [
            seen.largest for seen in (self._writer.continued, self._scorer.continued) if seen.largest is not None
        ]
        return {
            **super().get_model_info(),
            "vrs_image_path": self._image_path,
            "vrs_prefix_path": self._asker.path,
            "vrs_prefix_check": max(differences, default=None),
            "vrs_option_path": self._scorer.path,
            "vrs_without_images": self._asker.without_images,
            **self._prompts.describe(self.chat_applied, self._asker.bos_dropped),
            "vrs_missing_weights": list(self._missing_weights),
            "vrs_work": self._asker.work(),
            "vrs_cache": None if self._cache is None else self._cache.describe(),
            "vrs_processes": self.world_size,
        }

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """As `hf-multimodal` renders a chat, with `chat_template_args` and `enable_thinking`, which it leaves out."""
        with hand_template_arguments(self, self.chat_template_args):
            prompt: str = super().apply_chat_template(chat_history, add_generation_prompt)
        self._prompts.look_at_arguments(self.chat_template_args)
        return prompt

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuses `--use_cache`: its keys are wrong for models that see images."""
        refuse_use_cache(cache_hook)
        super().set_cache_hook(cache_hook)

    def generate_until(self, requests: list[Request], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        if (apart := ask_kinds_apart(requests, lambda part: self.generate_until(part, disable_tqdm))) is not None:
            return apart
        if requests and len(requests[0].args) < 3:
            self._refuse_texts()
            texts: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)
            return texts
        self._prompts.look_at([request.args[0] for request in requests], self.chat_applied, expects_text=True)
        keys = {index: self._key_generation(request) for index, request in enumerate(requests)}
        answers = self._find(keys, _is_text)
        if self._kept_run is not None:
            return self._kept_run.complete(requests, answers)
        prompts = {i: self._read_generation(request) for i, request in enumerate(requests) if i not in answers}
        way = Way(self._writer.write_continued, self._writer.encode_plainly, self._writer.write)
        asked = self._asker.leave_out_unaskable(prompts, way)
        answers |= dict.fromkeys(prompts.keys() - asked.keys(), NOT_ASKED)
        batches = self._asker.ask(asked, way)
        self._collect(answers, batches, keys, self._show_progress(requests, answers, disable_tqdm))
        return [answers[index] for index in range(len(requests))]

    def loglikelihood(self, requests: list[Request], disable_tqdm: bool = False) -> list[Scored]:
        """Each request's option after its prompt and images: log-probability, and whether greedy decoding writes it."""
        if (apart := ask_kinds_apart(requests, lambda part: self.loglikelihood(part, disable_tqdm))) is not None:
            return apart
        if requests and len(requests[0].args) < 3:
            self._refuse_texts()
            scores: list[Scored] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
            return scores
        self._prompts.look_at([request.args[0] for request in requests], self.chat_applied, expects_text=False)
        pairs = [split_option(*request.args[:2]) for request in requests]
        images = [_image_key(request) for request in requests]
        keys = {i: self._key("loglikelihood", pair, images[i]) for i, pair in enumerate(pairs)}
        answers = self._find(keys, _is_scored)
        if self._kept_run is not None:
            kept = self._kept_run.complete(requests, answers, (NOT_ASKED, False))
            return [(score, is_greedy) for score, is_greedy in kept]
        same_prompt: dict[Hashable, list[int]] = {}
        for index, (context, _) in enumerate(pairs):
            if index not in answers:
                same_prompt.setdefault((context, images[index]), []).append(index)
        prompts = {
            indices[0]: Prompt(pairs[indices[0]][0], self._visuals(requests[indices[0]]), options=options)
            for indices in same_prompt.values()
            for options in [tuple(pairs[index][1] for index in indices)]
        }
        places = {indices[0]: indices for indices in same_prompt.values()}
        way = Way(self._scorer.score_continued, self._scorer.encode_plainly, self._scorer.score_plainly)
        asked = self._asker.leave_out_unaskable(prompts, way)
        answers |= {i: (NOT_ASKED, False) for first in prompts.keys() - asked.keys() for i in places[first]}
        batches = (
            {
                index: score
                for first, scores in batch.items()
                for index, score in zip(places[first], scores, strict=True)
            }
            for batch in self._asker.ask(asked, way)
        )
        self._collect(answers, batches, keys, self._show_progress(requests, answers, disable_tqdm))
        return [(answers[index][0], answers[index][1]) for index in range(len(requests))]

    def _find(self, keys: Mapping[int, str | None], is_answer: Callable[[Any], bool]) -> dict[int, Any]:
        """Answers that the cache holds, by request."""
        if self._cache is None:
            return {}
        found = {index: self._cache.find(key, is_answer) for index, key in keys.items() if key is not None}
        answers = {index: answer for index, answer in found.items() if answer is not None}
        if self._kept_run is None:
            self._asker.counts["cache_hits"] += len(answers)
        return answers

    def _refuse_texts(self) -> None:
        if self._kept_run is not None:
            raise AnswersNotKeptError(
                "answers_from: answers to prompts of text tasks are not kept, so it cannot tell them"
            )

    def _show_progress(self, requests: Sequence[Request], answers: Mapping[int, Any], disable: bool) -> Any:
        """A bar of questions, each with all its variants; those found in the cache do not count into the speed."""
        names = {(r.task_name, r.doc_id if r.doc_id is not None else i) for i, r in enumerate(requests)}
        return tqdm(
            total=len(names),
            initial=len(answers) * len(names) / max(len(requests), 1),
            unit=" questions",
            desc="vrs-hf",
            bar_format=PROGRESS,
            disable=disable or self.rank != 0,
        )

    def _collect(
        self,
        answers: dict[int, Any],
        batches: Iterator[Mapping[int, Any]],
        keys: Mapping[int, str | None],
        progress: Any,
    ) -> None:
        """Add each batch to `answers` and to the cache as it comes."""
        with progress:
            for batch in batches:
                answers.update(batch)
                if self._cache is not None:
                    kept = {keys[index]: answer for index, answer in batch.items()}
                    self._cache.keep({key: answer for key, answer in kept.items() if key is not None})
                progress.update(len(answers) * progress.total / len(keys) - progress.n)
        if self._cache is not None:
            self._cache.tell_losses()

    def _key(self, kind: str, *parts: Any) -> str | None:
        return None if self._cache is None else self._cache.key(kind, self.chat_applied, *parts)

    def _key_generation(self, request: Request) -> str | None:
        text, settings, _ = request.args
        if self._cache is None or settings.get("do_sample"):  # a drawn answer is not the next one
            return None
        return self._key("generate_until", text, settings, _image_key(request))

    def _identify(self) -> str:
        settings = {
            name: getattr(self, name)
            for name in (
                *("image_token", "interleave", "max_images", "rgb", "image_width", "image_height", "image_max_side"),
                *("mixed_precision_dtype", "softmax_dtype", "add_bos_token", "think_end_token"),
            )
        }
        settings |= {"max_length": self.max_length, "max_gen_toks": self.max_gen_toks, "truncation": self.truncation}
        settings |= {"double_bos": self._prompts.double_bos, "thought_tokens": self._prompts.thought_tokens}
        return identify_model(self.model, self.processor, self.tokenizer, settings)

    def _visuals(self, request: Request) -> tuple[Any, ...]:
        return tuple(request.args[2]["visual"][: self.max_images])

    def _read_generation(self, request: Request) -> Prompt:
        text, settings, _ = request.args
        room = settings.get("max_gen_toks", self.max_gen_toks) + self._prompts.thought_tokens
        is_shareable = set(settings) <= SHAREABLE_SETTINGS
        # A prompt that leaves no room is asked plainly.
        return Prompt(
            text,
            self._visuals(request),
            json.dumps({**settings, "max_gen_toks": room}, sort_keys=True),
            room if is_shareable else self.max_length,
        )

    def _join_cpu_processes(self) -> None:
        """The harness shares requests out among GPUs alone: without, each process would ask all of them."""
        accelerator = getattr(self, "accelerator", None)  # set where there are several processes
        if accelerator is not None and accelerator.device.type == "cpu":
            self._rank, self._world_size = accelerator.process_index, accelerator.num_processes

    def _install_fused_path(self) -> str:
        image_processor = self.processor.image_processor
        try:
            self.processor.image_processor = FusedImageProcessor(image_processor)
        except UnsupportedGeometry as reason:
            logger.info("vrs-hf leaves images to %s: %s", type(image_processor).__name__, reason)
            return f"transformers: {reason}"
        return "fused"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_scored(value: Any) -> bool:
    """A log-likelihood, and whether greedy decoding writes the option: a list, since JSON holds no tuple."""
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and isinstance(value[0], int | float) and isinstance(value[1], bool)


def _image_key(request: Request) -> tuple[Hashable, ...]:
    return tuple(map(identify_image, request.args[2]["visual"]))


def _free_bytes(device: torch.device) -> int:
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 4 * PREFIX_CACHE_BYTES
