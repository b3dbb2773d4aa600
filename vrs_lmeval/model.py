"""The model `vrs-hf`: the harness's own `hf-multimodal`, which does the work that prompts have in common once."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.hf_vlms import HFMultimodalLM
from lm_eval.models.utils import handle_stop_sequences
from tqdm import tqdm

from vrs_lmeval.answer_cache import AnswerCache, identify_model
from vrs_lmeval.asking import Asker, Continued, Way
from vrs_lmeval.geometry import UnsupportedGeometry
from vrs_lmeval.image_processor import FusedImageProcessor
from vrs_lmeval.option_scores import Scored, score_options, score_whole, split_option
from vrs_lmeval.prefixes import identify_image
from vrs_lmeval.prompt_encoding import Prompt, PromptEncoder
from vrs_lmeval.shared_prefill import continue_prefixes, extend, prefill

logger = logging.getLogger(__name__)

PREFIX_CACHE_BYTES = 2 * 2**30
"""Kept prefixes where no accelerator can be asked for its free memory: 6 images of LLaVA-1.5 7B in float16."""

AUTO_BATCH_SIZE = 64
"""Where `batch_size=auto` begins, as `max_batch_size` does in lm_eval; it is halved where memory does not suffice."""

SHAREABLE_SETTINGS = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k", "min_p"}
"""Generation settings that look at one token's logits alone. Others (beams, n-grams of the prompt) see the padding."""


PROGRESS = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} questions [{elapsed}<{remaining}, {rate_noinv_fmt}]"


class VrsHF(HFMultimodalLM):  # type: ignore[misc] # lm_eval ships no types
    """`hf-multimodal` with the fused image path and shared image prefixes; the same answers, and its arguments.

    Arguments beyond its own: `prefix_cache_bytes`, how much kept prefixes may take together (a quarter of the
    accelerator's free memory if not said); `share_prefixes=False` computes every prompt as a whole; `cache_dir`, a
    folder where answers are kept, so that a run goes on where it was stopped. `batch_size=auto` works.
    """

    def __init__(
        self,
        *args: Any,
        prefix_cache_bytes: int | None = None,
        share_prefixes: bool = True,
        cache_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        if str(kwargs.get("batch_size")).startswith("auto"):
            kwargs["batch_size"] = int(kwargs.get("max_batch_size") or AUTO_BATCH_SIZE)
        super().__init__(*args, **kwargs)
        self._join_cpu_processes()
        self._image_path = self._install_fused_path()
        budget = _free_bytes(self.device) // 4 if prefix_cache_bytes is None else int(prefix_cache_bytes)
        self._asker = Asker(self, budget, share_prefixes)
        self._cache = None if cache_dir is None else AnswerCache(Path(cache_dir), self._identify())

    def get_model_info(self) -> dict[str, Any]:
        """What the results say about the model: which paths ran, in how many processes, how much work they saved."""
        return {
            **super().get_model_info(),
            "vrs_image_path": self._image_path,
            "vrs_prefix_path": self._asker.path,
            "vrs_prefix_check": self._asker.difference,
            "vrs_work": self._asker.work(),
            "vrs_processes": self.world_size,
        }

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuses `--use_cache`: its keys are wrong for models that see images."""
        if cache_hook.dbdict is not None:
            raise ValueError(
                "--use_cache keeps answers without the model, its revision and, before a run's end, the image, so "
                "other models and variants would get them; use --model_args cache_dir=FOLDER, which keys by all three"
            )
        super().set_cache_hook(cache_hook)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        if requests and len(requests[0].args) < 3:
            texts: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)
            return texts
        keys = {index: self._key_generation(request) for index, request in enumerate(requests)}
        answers = self._find(keys)
        prompts = {i: self._read_generation(request) for i, request in enumerate(requests) if i not in answers}
        way = Way(self._generate_continued, self._encode_for_generation, self._generate_plainly)
        batches = self._asker.ask(prompts, way)
        self._collect(answers, batches, keys, self._show_progress(requests, answers, disable_tqdm))
        return [answers[index] for index in range(len(requests))]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Scored]:
        """Each request's option after its prompt and images: log-probability, and whether greedy decoding writes it."""
        if requests and len(requests[0].args) < 3:
            scores: list[Scored] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
            return scores
        pairs = [split_option(*request.args[:2]) for request in requests]
        images = [_image_key(request) for request in requests]
        keys = {i: self._key("loglikelihood", pair, images[i]) for i, pair in enumerate(pairs)}
        answers = self._find(keys)
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
        way = Way(self._score_continued, _encode_for_scores, self._score_plainly)
        batches = (
            {
                index: score
                for first, scores in batch.items()
                for index, score in zip(places[first], scores, strict=True)
            }
            for batch in self._asker.ask(prompts, way)
        )
        self._collect(answers, batches, keys, self._show_progress(requests, answers, disable_tqdm))
        return [(answers[index][0], answers[index][1]) for index in range(len(requests))]

    def _find(self, keys: Mapping[int, str | None]) -> dict[int, Any]:
        """Answers that the cache holds, by request."""
        if self._cache is None:
            return {}
        found = {index: self._cache.find(key) for index, key in keys.items() if key is not None}
        answers = {index: answer for index, answer in found.items() if answer is not None}
        self._asker.counts["cache_hits"] += len(answers)
        return answers

    def _show_progress(self, requests: Sequence[Any], answers: Mapping[int, Any], disable: bool) -> Any:
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

    def _key(self, kind: str, *parts: Any) -> str | None:
        return None if self._cache is None else self._cache.key(kind, self.chat_applied, *parts)

    def _key_generation(self, request: Any) -> str | None:
        text, settings, _ = request.args
        if self._cache is None or settings.get("do_sample"):  # a drawn answer is not the next one
            return None
        return self._key("generate_until", text, settings, _image_key(request))

    def _identify(self) -> str:
        settings = {
            name: getattr(self, name)
            for name in ("image_token", "max_images", "rgb", "image_width", "image_height", "image_max_side")
        }
        settings |= {"max_length": self.max_length, "max_gen_toks": self.max_gen_toks, "truncation": self.truncation}
        return identify_model(self.model, self.processor, self.tokenizer, settings)

    def _visuals(self, request: Any) -> tuple[Any, ...]:
        return tuple(request.args[2]["visual"][: self.max_images])

    def _read_generation(self, request: Any) -> Prompt:
        text, settings, _ = request.args
        room = settings.get("max_gen_toks", self.max_gen_toks)
        is_shareable = set(settings) <= SHAREABLE_SETTINGS
        # A prompt that leaves no room is asked plainly.
        return Prompt(
            text,
            self._visuals(request),
            json.dumps(settings, sort_keys=True),
            room if is_shareable else self.max_length,
        )

    def _generate_continued(self, batch: Sequence[Continued]) -> list[str]:
        inputs = continue_prefixes(
            self.model,
            [one.prefix for one in batch],
            [one.continuation for one in batch],
            self.tokenizer.pad_token_id,
        )
        return self._generate(inputs, batch[0].prompt.settings)

    def _encode_for_generation(self, encoder: PromptEncoder, batch: Sequence[Prompt]) -> Any:
        room = json.loads(batch[0].settings).get("max_gen_toks", self.max_gen_toks)
        return encoder.encode(batch, left_truncate_len=self.max_length - room, truncation=self.truncation)

    def _generate_plainly(self, batch: Sequence[Prompt], inputs: Any) -> list[str]:
        return self._generate(inputs, batch[0].settings)

    def _generate(self, inputs: Any, settings: str) -> list[str]:
        """As `hf-multimodal` generates and cuts its texts."""
        kwargs = json.loads(settings)
        until = handle_stop_sequences(
            kwargs.pop("until", None), eos=self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        )
        room = kwargs.pop("max_gen_toks", self.max_gen_toks)
        length = inputs["input_ids"].shape[1]
        kwargs.setdefault("max_length", length + room)
        with torch.inference_mode():
            rows = self._model_multimodal_generate(inputs, stop=until, **kwargs).tolist()
        texts = []
        for row in rows:
            text = self.tok_decode(row[length:])
            for stop in filter(None, until):
                text = text.split(stop)[0]
            texts.append(text)
        return texts

    def _score_continued(self, batch: Sequence[Continued]) -> list[list[Scored]]:
        pad = self.tokenizer.pad_token_id
        continuations = [one.continuation for one in batch]
        logits, questions = extend(self.model, [one.prefix for one in batch], continuations, pad)
        options = [one.options for one in batch]
        return score_options(self.model, logits[:, -1], questions, options, pad, self.batch_size)

    def _score_plainly(self, batch: Sequence[Prompt], encoded: Sequence[Any]) -> list[list[Scored]]:
        encodings, options = zip(*encoded, strict=True)
        token_ids = [encoding["input_ids"][0].tolist() for encoding in encodings]
        longest = max(len(ids) + max(map(len, own)) for ids, own in zip(token_ids, options, strict=True))
        if longest > self.max_length:
            raise ValueError(f"a prompt takes {longest} tokens with its option, the model {self.max_length}")
        if self._asker.keeps_prefixes(longest):
            logits, questions = prefill(self.model, encodings)
            return score_options(self.model, logits, questions, options, self.tokenizer.pad_token_id, self.batch_size)
        return [
            [
                score_whole(self.model, self._asker.encode([Prompt(prompt.text + text, prompt.images)]), ids)
                for text, ids in zip(prompt.options, own, strict=True)
            ]
            for prompt, own in zip(batch, options, strict=True)
        ]

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


def _encode_for_scores(encoder: PromptEncoder, batch: Sequence[Prompt]) -> list[Any]:
    """Of each prompt its encoding and the token ids of its options."""
    encodings = [encoder.encode([prompt]) for prompt in batch]
    return [
        (encoding, encoder.encode_options(prompt, encoding["input_ids"][0].tolist()))
        for prompt, encoding in zip(batch, encodings, strict=True)
    ]


def _image_key(request: Any) -> tuple[Hashable, ...]:
    return tuple(map(identify_image, request.args[2]["visual"]))


def _free_bytes(device: torch.device) -> int:
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 4 * PREFIX_CACHE_BYTES
