"""The model `vrs-hf`: the harness's own `hf-multimodal`, which does the work that prompts have in common once."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.models.hf_vlms import HFMultimodalLM
from lm_eval.models.utils import handle_stop_sequences

from vrs_lmeval.asking import Asker, Continued, Prompt
from vrs_lmeval.geometry import UnsupportedGeometry
from vrs_lmeval.image_processor import FusedImageProcessor
from vrs_lmeval.option_scores import Scored, group_options, score_options, score_whole
from vrs_lmeval.prefixes import identify_image
from vrs_lmeval.shared_prefill import continue_prefixes, extend, prefill

logger = logging.getLogger(__name__)

PREFIX_CACHE_BYTES = 2 * 2**30
"""Kept prefixes where there is no accelerator to ask for its free memory: 6 images of LLaVA-1.5 7B in float16."""

SHAREABLE_SETTINGS = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k", "min_p"}
"""Generation settings that look at one token's logits alone. Others (beams, n-grams of the prompt) see the padding."""


class VrsHF(HFMultimodalLM):  # type: ignore[misc] # lm_eval ships no types
    """`hf-multimodal` with the fused image path and shared image prefixes; the same answers, and its arguments.

    Arguments beyond its own: `prefix_cache_bytes`, how much kept prefixes may take together (a quarter of the
    accelerator's free memory if not said); `share_prefixes=False` computes every prompt as a whole.
    """

    def __init__(
        self,
        *args: Any,
        prefix_cache_bytes: int | None = None,
        share_prefixes: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._image_path = self._install_fused_path()
        budget = _free_bytes(self.device) // 4 if prefix_cache_bytes is None else int(prefix_cache_bytes)
        self._asker = Asker(self, budget, share_prefixes)

    def get_model_info(self) -> dict[str, Any]:
        """What the results say about the model, which paths ran, and how much work they saved."""
        return {
            **super().get_model_info(),
            "vrs_image_path": self._image_path,
            "vrs_prefix_path": self._asker.path,
            "vrs_prefix_check": self._asker.difference,
            "vrs_work": {**self._asker.counts, "images_processed": self._asker.images.count},
        }

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """One text a request, in the order of `requests`."""
        if requests and len(requests[0].args) < 3:
            texts: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)
            return texts
        prompts = {index: self._read_generation(request) for index, request in enumerate(requests)}
        answers: dict[int, str] = {}
        for batch in self._asker.ask(prompts, self._generate_continued, self._generate_plainly):
            answers.update(batch)
        return [answers[index] for index in range(len(requests))]

    def _read_generation(self, request: Any) -> Prompt:
        text, settings, visual = request.args
        if not isinstance(settings, dict):
            raise ValueError(f"generation_kwargs: expected a mapping, got {type(settings).__name__}")
        room: int = settings.get("max_gen_toks", self.max_gen_toks)
        is_shareable = set(settings) <= SHAREABLE_SETTINGS
        # A prompt without room is left to the plain path.
        return Prompt(
            text,
            tuple(visual["visual"][: self.max_images]),
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

    def _generate_plainly(self, batch: Sequence[Prompt]) -> list[str]:
        room = json.loads(batch[0].settings).get("max_gen_toks", self.max_gen_toks)
        inputs = self._asker.encode(batch, left_truncate_len=self.max_length - room, truncation=self.truncation)
        return self._generate(inputs, batch[0].settings)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Scored]:
        """Each request's option after its prompt and images: log-probability, and whether greedy decoding writes it."""
        if requests and len(requests[0].args) < 3:
            scores: list[Scored] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
            return scores
        options, places = group_options([_read_scoring(request) for request in requests])
        keys = list(options)
        visuals = {_image_key(request): tuple(request.args[2]["visual"]) for request in requests}
        prompts = {
            number: Prompt(context, visuals[images][: self.max_images], options=tuple(options[images, context]))
            for number, (images, context) in enumerate(keys)
        }
        answers: dict[int, list[Scored]] = {}
        for batch in self._asker.ask(prompts, self._score_continued, self._score_plainly):
            answers.update(batch)
        numbers = {key: number for number, key in enumerate(keys)}
        return [answers[numbers[key]][position] for key, position in places]

    def _score_continued(self, batch: Sequence[Continued]) -> list[list[Scored]]:
        pad = self.tokenizer.pad_token_id
        continuations = [one.continuation for one in batch]
        logits, questions = extend(self.model, [one.prefix for one in batch], continuations, pad)
        options = [one.options for one in batch]
        return score_options(self.model, logits[:, -1], questions, options, pad, self.batch_size)

    def _score_plainly(self, batch: Sequence[Prompt]) -> list[list[Scored]]:
        encodings = [self._asker.encode([prompt]) for prompt in batch]
        token_ids = [encoding["input_ids"][0].tolist() for encoding in encodings]
        options = [self._asker.encode_options(*pair) for pair in zip(batch, token_ids, strict=True)]
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

    def _install_fused_path(self) -> str:
        image_processor = self.processor.image_processor
        try:
            self.processor.image_processor = FusedImageProcessor(image_processor)
        except UnsupportedGeometry as reason:
            logger.info("vrs-hf leaves images to %s: %s", type(image_processor).__name__, reason)
            return f"transformers: {reason}"
        return "fused"


def _image_key(request: Any) -> tuple[Any, ...]:
    return tuple(map(identify_image, request.args[2]["visual"]))


def _read_scoring(request: Any) -> tuple[tuple[Any, ...], str, str]:
    context, option, _ = request.args
    if not context.strip():
        raise ValueError("log-likelihood with images: the prompt is empty (acc_mutual_info asks so); drop that metric")
    return _image_key(request), context, option


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return 4 * PREFIX_CACHE_BYTES
