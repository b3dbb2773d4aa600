"""Idefics2, Idefics3 and SmolVLM: images padded with a mask, or cut into tiles with marks around them."""

from __future__ import annotations

from typing import Any

import transformers as hf
from support.architectures.parts import (
    PATCH,
    SIDE,
    SIZES,
    Architecture,
    Parts,
    build,
    describe_text,
    image_processor,
    make_tokenizer,
)
from support.architectures.templates import chat

MARKS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]


def idefics2() -> Parts:
    """Idefics2: images of a batch padded to the largest, with a mask of pixels; a resampler behind the tower."""
    tokenizer = make_tokenizer(MARKS, bos="<s>")
    processor = hf.Idefics2Processor(
        image_processor=image_processor(
            "Idefics2ImageProcessor", size={"shortest_edge": SIDE // 2, "longest_edge": SIDE}, do_image_splitting=False
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=chat("<image>", "User:", "Assistant:", user_end="<end_of_utterance>\\n"),
    )
    config = hf.Idefics2Config(
        vision_config={**SIZES, "image_size": SIDE, "patch_size": PATCH},
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "num_key_value_heads": 1,
        },
        text_config={"model_type": "mistral", **describe_text(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return build(hf.Idefics2ForConditionalGeneration, config, processor)


TILES = {"size": {"longest_edge": 2 * SIDE}, "max_image_size": {"longest_edge": SIDE}}


def _tokenize(bos: str, writes_bos: bool, eos: str) -> Any:
    rows = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    return make_tokenizer([*MARKS, "<global-img>", "<video>", *rows], bos=bos, eos=eos, writes_bos=writes_bos)


def _idefics3(config_kind: Any, model_kind: Any, processor: Any) -> Parts:
    tokenizer = processor.tokenizer
    config = config_kind(
        vision_config={**SIZES, "image_size": SIDE, "patch_size": PATCH},
        text_config=hf.LlamaConfig(**describe_text(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    return build(model_kind, config, processor)


def idefics3() -> Parts:
    """Idefics3: tiles with row and column marks around them."""
    processor = hf.Idefics3Processor(
        image_processor=image_processor("Idefics3ImageProcessor", **TILES),
        tokenizer=_tokenize("<|begin_of_text|>", True, "<|end_of_text|>"),
        image_seq_len=4,
        chat_template=chat(
            "<image>", "User:", "Assistant:", user_end="<end_of_utterance>\\n", begin="{{ '<|begin_of_text|>' }}"
        ),
    )
    return _idefics3(hf.Idefics3Config, hf.Idefics3ForConditionalGeneration, processor)


def smolvlm() -> Parts:
    """SmolVLM: Idefics3's successor."""
    processor = hf.SmolVLMProcessor(
        image_processor=image_processor("SmolVLMImageProcessor", **TILES),
        tokenizer=_tokenize("<|im_start|>", False, "<end_of_utterance>"),
        video_processor=hf.SmolVLMVideoProcessor(**TILES),
        image_seq_len=4,
        chat_template=chat(
            "<image>", "User:", "Assistant:", user_end="<end_of_utterance>\\n", begin="{{ '<|im_start|>' }}"
        ),
    )
    return _idefics3(hf.SmolVLMConfig, hf.SmolVLMForConditionalGeneration, processor)


IDEFICS_FAMILY = {
    "idefics2": Architecture("Idefics2", idefics2, "<image>"),
    "idefics3": Architecture("Idefics3", idefics3, "<image>"),
    "smolvlm": Architecture("SmolVLM", smolvlm, "<image>", needs=("torchvision", "num2words")),
}
