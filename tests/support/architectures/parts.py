"""What all architectures are built from: a tokenizer of one token a character, small sizes, large random weights."""

from __future__ import annotations

import importlib.util
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SIDE, PATCH = 32, 8
"""Pixels of a square image and of a patch, where the architecture lets us choose."""

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
Parts = tuple[Any, Any]
"""Model and processor."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """How to make one, and what its prompts look like.

    `title`: its name in documents. `mark`: what its own prompts write where an image stands, as its chat template does.
    `token`: what its processor replaces by image tokens, and what stands for an image in a bare prompt; the mark
    itself where not said. `needs`: packages that its processor imports. `has_template`: whether it was tuned on chats.
    `opens_thought`: its template ends in an open thought unless told enable_thinking=False. `why_plain`: why its
    prompts cannot share a prefix, where they cannot. `sees_batch`: the stock class's own answers depend on whether
    another prompt of the batch has more images. `fails_in`: releases of transformers whose own model fails.
    """

    title: str
    make: Callable[[], Parts]
    mark: str
    token: str = ""
    needs: tuple[str, ...] = ()
    has_template: bool = True
    opens_thought: bool = False
    why_plain: str = ""
    sees_batch: bool = False
    fails_in: tuple[str, ...] = ()

    @property
    def placeholder(self) -> str:
        """The text that the processor replaces."""
        return self.token or self.mark

    def reason_to_skip(self) -> str:
        """Which package is missing, or that this release of transformers cannot run it; or nothing."""
        if transformers.__version__ in self.fails_in:
            return f"{self.title} fails in transformers {transformers.__version__} itself"
        missing = [name for name in self.needs if importlib.util.find_spec(name) is None]
        return f"{self.title} needs {' and '.join(missing)}" if missing else ""

    def save(self, folder: Path) -> Path:
        """Write model and processor as transformers does, for `pretrained=folder`."""
        model, processor = self.make()
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        return folder


def make_tokenizer(
    special: Sequence[str],
    bos: str | None = None,
    eos: str = "</s>",
    writes_bos: bool | None = None,
    **names: str,
) -> PreTrainedTokenizerFast:
    """One token a character; `names` are what processors call the special tokens.

    `bos`: a token of its own, which the tokenizer writes before every text unless `writes_bos` is false.
    """
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    characters = sorted(
        letters.pre_tokenize_str(character)[0][0] for character in set(string.printable) - set("\x0b\x0c\r")
    )
    marks = dict.fromkeys(["<pad>", eos, "<unk>", *([bos] if bos else []), *special])
    vocabulary = {token: index for index, token in enumerate([*marks, *characters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = letters, decoders.ByteLevel()
    tokenizer.add_special_tokens([mark for mark in marks if mark not in ("<pad>", "<unk>")])
    if bos and writes_bos is not False:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, vocabulary[bos])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token=eos,
        bos_token=bos,
        unk_token="<unk>",
        extra_special_tokens=names,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def image_processor(name: str, **settings: Any) -> Any:
    """The class that AutoProcessor would take: torchvision's where that is installed, else Pillow's."""
    backend = "" if importlib.util.find_spec("torchvision") else "Pil"
    return getattr(transformers, f"{name}{backend}")(**settings)


def describe_text(tokenizer: PreTrainedTokenizerFast, **changes: Any) -> dict[str, Any]:
    """A language model's configuration."""
    return {
        **SIZES,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 2048,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "num_key_value_heads": 1,
        **changes,
    }


def build(kind: Any, config: Any, processor: Any, embedding: float = 0.3, weight: float = 0.25) -> Parts:
    """The model with larger weights than usual, so that its answers depend on image and question.

    `embedding` and `weight`: standard deviations. Gates that a training would have opened are open.
    """
    torch.manual_seed(0)
    for each in (config, config.get_text_config()):
        each.tie_word_embeddings = False  # random embeddings that are tied make a model repeat the last token
    model = kind(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, weight if "embed" not in name else embedding)
            elif "gate" in name and parameter.numel() == 1:
                parameter.fill_(1)
            elif name.endswith("A_log"):  # of linear attention, which else forgets an image within some tokens
                parameter.fill_(-3)
    return model, processor
