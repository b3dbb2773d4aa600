"""A LLaVA of a few thousand random weights, saved as transformers saves one: for tests of plumbing, not of skill."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

IMAGE = "<image>"
SIDE, PATCH = 32, 8


def save_tiny_llava(folder: Path, hidden_size: int = 32) -> Path:
    """Write model and processor; one token a character, so that random weights still give text."""
    tokenizer = _make_tokenizer()
    _make_processor(tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    # Large weights make the answer depend on the image, where the usual 0.02 gives one token for everything.
    _make_model(tokenizer, initializer_range=0.4, hidden_size=hidden_size).save_pretrained(folder)
    return folder


def tiny_llava() -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """The same model and processor, in memory."""
    tokenizer = _make_tokenizer()
    torch.manual_seed(0)
    return _make_model(tokenizer, initializer_range=0.4), _make_processor(tokenizer)


def _make_tokenizer() -> PreTrainedTokenizerFast:
    characters = sorted(set(string.printable) - set("\x0b\x0c\r"))
    vocabulary = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", IMAGE, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def _make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def _make_model(
    tokenizer: PreTrainedTokenizerFast, initializer_range: float, hidden_size: int = 32
) -> LlavaForConditionalGeneration:
    sizes = {"hidden_size": hidden_size, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            image_size=SIDE, patch_size=PATCH, projection_dim=32, initializer_range=initializer_range, **sizes
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=2048,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            initializer_range=initializer_range,
            **sizes,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        initializer_range=initializer_range,
    )
    return LlavaForConditionalGeneration(config)
