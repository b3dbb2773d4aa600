"""LLaVA and what came of it: CLIP or SigLIP towers before a language model, one image token a patch."""

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

PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
CROPPED = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
SYSTEM = "{{ 'A chat between a curious human and an artificial intelligence assistant. ' }}"


def _clip(**changes: Any) -> hf.CLIPVisionConfig:
    return hf.CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, projection_dim=32, **{**SIZES, **changes})


def _llava(config_kind: Any, model_kind: Any, template: str, vision_feature_layer: Any, **vision: Any) -> Parts:
    tokenizer = make_tokenizer(["<image>"], bos="<s>", image_token="<image>")
    processor = hf.LlavaProcessor(
        image_processor=image_processor("CLIPImageProcessor", **CROPPED),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    config = config_kind(
        vision_config=_clip(**vision),
        text_config=hf.LlamaConfig(**describe_text(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=vision_feature_layer,
    )
    return build(model_kind, config, processor)


def llava() -> Parts:
    """LLaVA-1.5."""
    template = chat("<image>\\n", "USER: ", "ASSISTANT:", text="content['text'] + ' '", images_first=True)
    return _llava(hf.LlavaConfig, hf.LlavaForConditionalGeneration, template, -1)


def vipllava() -> Parts:
    """VipLLaVA: features of several layers of the tower."""
    template = chat("<image>\\n", "###Human: ", "###Assistant:", begin=SYSTEM, images_first=True)
    kinds = hf.VipLlavaConfig, hf.VipLlavaForConditionalGeneration
    return _llava(*kinds, template, (-1, -2, 1), num_hidden_layers=3)


def llava_next() -> Parts:
    """LLaVA-NeXT: tiles after the image's shape, so prefixes of many lengths."""
    tokenizer = make_tokenizer(["<image>"], bos="<s>", image_token="<image>")
    processor = hf.LlavaNextProcessor(
        image_processor=image_processor("LlavaNextImageProcessor", image_grid_pinpoints=PINPOINTS, **CROPPED),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat("<image>\\n", "[INST] ", "", user_end=" [/INST]", images_first=True),
    )
    config = hf.LlavaNextConfig(
        vision_config=_clip(),
        text_config=hf.MistralConfig(**describe_text(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=PINPOINTS,
        vision_feature_layer=-1,
    )
    return build(hf.LlavaNextForConditionalGeneration, config, processor)


def llava_onevision() -> Parts:
    """LLaVA-OneVision: one tile an image where a prompt has several."""
    special = ["<image>", "<video>", "<|im_start|>", "<|im_end|>"]
    tokenizer = make_tokenizer(special, image_token="<image>", video_token="<video>")
    size = {"height": SIDE, "width": SIDE}
    processor = hf.LlavaOnevisionProcessor(
        image_processor=image_processor("LlavaOnevisionImageProcessor", size=size, image_grid_pinpoints=PINPOINTS),
        tokenizer=tokenizer,
        video_processor=hf.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=(SIDE // PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=chat(
            "<image>",
            "<|im_start|>user ",
            "<|im_start|>assistant\\n",
            user_end="<|im_end|>",
            text="'\\n' + content['text']",
            images_first=True,
        ),
    )
    config = hf.LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            **SIZES,
            "image_size": SIDE,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        text_config={"model_type": "qwen2", **describe_text(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=PINPOINTS,
    )
    return build(hf.LlavaOnevisionForConditionalGeneration, config, processor)


LLAVA_FAMILY = {
    "llava": Architecture("LLaVA-1.5", llava, "<image>"),
    "vipllava": Architecture("VipLLaVA", vipllava, "<image>"),
    "llava_next": Architecture("LLaVA-NeXT", llava_next, "<image>"),
    "llava_onevision": Architecture("LLaVA-OneVision", llava_onevision, "<image>", needs=("torchvision",)),
}
