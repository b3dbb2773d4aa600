"""Pairs and their images -> a model's own inputs, with labels on the answer alone.

The prompt is the very text that `vrs-hf` asks in the evaluation: the model's chat template around the image and the
task's words. The answer is what the template writes for it, up to the mark that ends a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from studies.miniature.arms import BLANK, Arm
from studies.miniature.batches import IGNORED
from studies.miniature.pairs import Pair
from studies.miniature.tower import GREY
from vrs_lmeval.benchmark.images import ImageStore


class UnusableTemplateError(ValueError):
    """A model's chat template or tokenizer does not say where the answer begins; the message shows what it wrote."""


@dataclass(frozen=True, slots=True)
class Example:
    """`prompt` as the evaluation asks; `whole` goes on with the answer and the mark that ends it."""

    prompt: str
    whole: str


def write_example(processor: Any, question: str, answer: str) -> Example:
    """Both texts. Raises UnusableTemplateError where the template writes an answer elsewhere than it asks for one."""
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"\n{question}"}]}
    said = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    prompt: str = processor.apply_chat_template([asked], add_generation_prompt=True)
    turns: str = processor.apply_chat_template([asked, said])
    if not turns.startswith(prompt) or answer not in turns[len(prompt) :]:
        raise UnusableTemplateError(f"the answer does not go on from the prompt:\n{prompt!r}\n{turns!r}")
    before, behind = turns[len(prompt) :].split(answer, 1)
    end = behind.strip()
    return Example(prompt, prompt + before + answer + (end or processor.tokenizer.eos_token))


def find_image(arm: Arm, images: ImageStore, pair: Pair) -> Image.Image:
    """What an arm shows beside a pair. Blank is grey of the image's own size, as the task's variant `blank`."""
    shown = arm.shown[pair.image_id]
    if shown != BLANK:
        return images.open(shown).convert("RGB")
    return Image.new("RGB", images.open(pair.image_id).size, GREY)


def encode(processor: Any, examples: Sequence[Example], shown: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
    """The inputs of a batch, padded at their end, and `labels`: token ids of the answers, IGNORED elsewhere.

    Raises UnusableTemplateError where the tokens of a prompt are not those that its whole text begins with.
    """
    whole = _process(processor, [example.whole for example in examples], shown)
    labels = torch.full_like(whole["input_ids"], IGNORED)
    for row, (example, image) in enumerate(zip(examples, shown, strict=True)):
        prompt = _process(processor, [example.prompt], [image])["input_ids"][0]
        ids, end = whole["input_ids"][row], int(whole["attention_mask"][row].sum())
        if not torch.equal(ids[: len(prompt)], prompt):
            raise UnusableTemplateError(f"the tokens of this prompt change when an answer follows: {example.prompt!r}")
        labels[row, len(prompt) : end] = ids[len(prompt) : end]
    return {**whole, "labels": labels}


def _process(processor: Any, texts: Sequence[str], shown: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
    """The processor's own inputs; of a text that begins with BOS the tokenizer writes no second one."""
    bos = processor.tokenizer.bos_token
    writes_bos = bos is None or not texts[0].startswith(bos)
    encoded = processor(
        text=list(texts),
        images=[[image] for image in shown],
        padding=True,
        padding_side="right",
        add_special_tokens=writes_bos,
        return_tensors="pt",
    )
    return dict(encoded)
