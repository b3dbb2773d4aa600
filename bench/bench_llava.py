"""A LLaVA with realistic proportions and random weights: CLIP ViT-B/16 at 224 pixels, a Llama of 50 M parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable
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

SIDE, PATCH = 224, 16
PIECES = r"\w+|[^\w\s]|\n"


def save_bench_llava(folder: Path, texts: Iterable[str]) -> Path:
    """Write model and processor. Each word of `texts` is one token, so a question takes about as many as with a real
    tokenizer."""
    words = sorted({piece for text in texts for piece in re.findall(PIECES, text.replace("<image>", ""))})
    vocabulary = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", "<image>", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECES), "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    backend.add_special_tokens(["<image>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    _make_model(tokenizer).save_pretrained(folder)
    return folder


def _make_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, initializer_range=0.04),  # else ViT-B's
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=640,
            intermediate_size=1728,
            num_hidden_layers=10,
            num_attention_heads=10,
            max_position_embeddings=2048,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            initializer_range=0.06,  # so that the answer depends on the image
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        initializer_range=0.06,
    )
    return LlavaForConditionalGeneration(config)
