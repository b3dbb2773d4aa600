"""Lets a model write texts, from kept prefixes or whole prompts; cuts them at stop sequences and after thoughts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.utils import handle_stop_sequences

from vrs_lmeval.asking.kept_prefixes import continue_prefixes
from vrs_lmeval.asking.prefix_check import Agreement, choose_checked, find_differences, name_traits
from vrs_lmeval.asking.prompt_encoding import Prompt, PromptEncoder
from vrs_lmeval.asking.seams import HarnessModel
from vrs_lmeval.reading.thoughts import cut_thoughts, find_open_thought

if TYPE_CHECKING:
    from vrs_lmeval.asking.asker import Asker, Continued


class TextWriter:
    """Generates with the model of `lm` (a `HFMultimodalLM`), whose prompts `asker` asks.

    `thought_tokens`: how many tokens the model may think first. `continued`: what the checks of kept prefixes found.
    """

    def __init__(self, lm: HarnessModel, asker: Asker, thought_tokens: int) -> None:
        self._lm = lm
        self._asker = asker
        self._thought_tokens = thought_tokens
        self.continued = Agreement(lm.model.dtype)

    def write_continued(self, batch: Sequence[Continued]) -> list[str]:
        """One text for each prompt. Raises CannotShare if a batch does not go on as its whole prompts would."""
        self._check(batch)
        inputs = continue_prefixes(
            self._lm.model,
            [one.prefix for one in batch],
            [one.continuation for one in batch],
            self._lm.tokenizer.pad_token_id,
            max(one.prompt.room for one in batch),
        )
        return self.write([one.prompt for one in batch], inputs)

    def encode_plainly(self, encoder: PromptEncoder, batch: Sequence[Prompt]) -> Any:
        """The model's inputs for `write`."""
        room = json.loads(batch[0].settings)["max_gen_toks"]
        return encoder.encode(batch, left_truncate_len=self._lm.max_length - room, truncation=self._lm.truncation)

    def write(self, batch: Sequence[Prompt], inputs: Any) -> list[str]:
        """As `hf-multimodal` generates and cuts its texts."""
        lm, kwargs = self._lm, json.loads(batch[0].settings)
        eos = lm.tok_decode(lm.eot_token_id, skip_special_tokens=False)
        until = handle_stop_sequences(kwargs.pop("until", None), eos=eos)
        room = kwargs.pop("max_gen_toks")
        length = inputs["input_ids"].shape[1]
        kwargs.setdefault("max_length", length + room)
        stop = [eos] if self._thought_tokens else until  # a stop sequence within a thought is no stop
        with torch.inference_mode():
            rows = lm._model_multimodal_generate(inputs, stop=stop, **kwargs).tolist()
        texts = []
        for prompt, row in zip(batch, rows, strict=True):
            written = row[length:]
            text = self._read_after_thought(prompt, written) if self._thought_tokens else lm.tok_decode(written)
            for mark in filter(None, until):
                text = text.split(mark)[0]
            texts.append(text)
        return texts

    def _read_after_thought(self, prompt: Prompt, tokens: Sequence[int]) -> str:
        """The text after the thought; if no thought ended, the unfinished thought with its mark.

        The marks may be special tokens, so the thought is cut off before special tokens are left out.
        """
        written = self._lm.tok_decode(tokens, skip_special_tokens=False)
        text = cut_thoughts((find_open_thought(prompt.text) or "") + written)
        if isinstance(self._lm.think_end_token, str):  # the user's own mark
            text = text.rpartition(self._lm.think_end_token)[2].lstrip()
        for special in self._lm.tokenizer.all_special_tokens:
            text = text.replace(special, "")
        return text

    def _check(self, batch: Sequence[Continued]) -> None:
        """Compare with whole prompts, once for each kind of batch. The check finds image tokens that see the question
        (PaliGemma's) and positions that cannot be continued."""
        traits = name_traits(one.images for one in batch)
        if self.continued.covers(traits):
            return
        sizes = [len(one.continuation) for one in batch]
        chosen = [batch[index] for index in choose_checked(sizes, [one.images for one in batch])]
        differences = find_differences(
            self._lm.model,
            [one.prefix for one in chosen],
            [one.continuation for one in chosen],
            (self._asker.encoder.encode([one.prompt]) for one in chosen),
            self._lm.tokenizer.pad_token_id,
        )
        self.continued.settle(traits, differences)
