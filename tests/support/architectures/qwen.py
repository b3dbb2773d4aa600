"""Qwen's vision-language models and GLM's, which share an image processor: any number of patches, positions in 3-D."""

from __future__ import annotations

from typing import Any

import transformers as hf
from support.architectures.parts import Architecture, Parts, build, describe_text, image_processor, make_tokenizer
from support.architectures.templates import QWEN_SYSTEM, chat, chatml, open_thought

PIXELS = {"shortest_edge": 256, "longest_edge": 2048}
PATCHES = {"patch_size": 4, "merge_size": 2, "temporal_patch_size": 2, "size": PIXELS}
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
SPECIAL = [
    "<|vision_start|>",
    "<|image_pad|>",
    "<|vision_end|>",
    "<|video_pad|>",
    "<|im_start|>",
    "<think>",
    "</think>",
]
VISION = {"depth": 2, "hidden_size": 32, "num_heads": 2, "patch_size": 4, "intermediate_size": 64}
POSITIONS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}


def _qwen(
    family: str,
    processor_kind: Any,
    video_kind: Any,
    vision: dict[str, Any],
    template: str,
    scales: dict[str, float] | None = None,
    **text: Any,
) -> Parts:
    tokenizer = make_tokenizer(SPECIAL, eos="<|im_end|>")
    processor = processor_kind(
        image_processor=image_processor("Qwen2VLImageProcessor", **PATCHES),
        tokenizer=tokenizer,
        video_processor=video_kind(**PATCHES),
        chat_template=template,
    )
    start, image, end, video = tokenizer.convert_tokens_to_ids(SPECIAL[:4])
    config = getattr(hf, f"{family}Config")(
        vision_config=vision,
        text_config=describe_text(tokenizer, **{"rope_parameters": POSITIONS, **text}),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    return build(getattr(hf, f"{family}ForConditionalGeneration"), config, processor, **(scales or {}))


def qwen2_vl() -> Parts:
    """Qwen2-VL: positions in three dimensions, counted on after each image."""
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}
    return _qwen("Qwen2VL", hf.Qwen2VLProcessor, hf.Qwen2VLVideoProcessor, vision, chatml(IMAGE, QWEN_SYSTEM))


def qwen2_5_vl() -> Parts:
    """Qwen2.5-VL: the same, with windows in its vision tower."""
    vision = {**VISION, "out_hidden_size": 32, "window_size": 16, "fullatt_block_indexes": [1]}
    kinds = hf.Qwen2_5_VLProcessor, hf.Qwen2VLVideoProcessor
    return _qwen("Qwen2_5_VL", *kinds, vision, chatml(IMAGE, QWEN_SYSTEM))


DEEP = {**VISION, "out_hidden_size": 32, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}


def qwen3_vl() -> Parts:
    """Qwen3-VL: features of several layers of the tower, added behind several layers of the language model."""
    kinds = hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor
    return _qwen("Qwen3VL", *kinds, DEEP, chatml(IMAGE), head_dim=16)


def qwen3_vl_moe() -> Parts:
    """Qwen3-VL with experts."""
    kinds = hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    return _qwen("Qwen3VLMoe", *kinds, DEEP, chatml(IMAGE), head_dim=16, **experts)


def qwen3_5() -> Parts:
    """Qwen3.5: linear attention between full layers; its template opens a thought."""
    vision = {**VISION, "out_hidden_size": 32, "num_position_embeddings": 64}
    linear = {"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2}
    linear |= {"linear_num_value_heads": 2, "layer_types": ["linear_attention", "full_attention"], "head_dim": 16}
    positions = {**POSITIONS, "mrope_interleaved": True, "partial_rotary_factor": 1.0}
    template = chatml(IMAGE, thought=open_thought("<think>\\n", "<think>\\n\\n</think>\\n\\n"))
    kinds = hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor
    scales = {"embedding": 0.05, "weight": 0.12}
    return _qwen("Qwen3_5", *kinds, vision, template, scales, rope_parameters=positions, **linear)


GLM_IMAGE = "<|begin_of_image|><|image|><|end_of_image|>"
GLM_SPECIAL = [
    *("<|image|>", "<|video|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"),
    *("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<think>", "</think>"),
]


def glm4v() -> Parts:
    """GLM-4.1V: Qwen's patches in a tower with interpolated positions; its template opens a thought."""
    tokenizer = make_tokenizer(GLM_SPECIAL, eos="<|endoftext|>")
    image, video, begin, end, begin_video, end_video = tokenizer.convert_tokens_to_ids(GLM_SPECIAL[:6])
    pixels = {"shortest_edge": 256 * 2, "longest_edge": 2048 * 2}  # counted over both frames
    processor = hf.Glm4vProcessor(
        image_processor=image_processor("Glm4vImageProcessor", **{**PATCHES, "size": pixels}),
        tokenizer=tokenizer,
        video_processor=hf.Glm4vVideoProcessor(**{**PATCHES, "size": pixels}),
        chat_template=chat(
            GLM_IMAGE,
            "<|user|>\\n",
            "<|assistant|>\\n",
            begin="{{ '[gMASK]<sop>' }}",
            thought=open_thought("<think>", "<think></think>\\n"),
        ),
    )
    config = hf.Glm4vConfig(
        vision_config={**VISION, "out_hidden_size": 32, "image_size": 32},
        text_config=describe_text(tokenizer, rope_parameters={**POSITIONS, "partial_rotary_factor": 1.0}),
        image_token_id=image,
        video_token_id=video,
        image_start_token_id=begin,
        image_end_token_id=end,
        video_start_token_id=begin_video,
        video_end_token_id=end_video,
    )
    return build(hf.Glm4vForConditionalGeneration, config, processor)


_QWEN: dict[str, Any] = {"mark": IMAGE, "token": "<|image_pad|>", "needs": ("torchvision",)}

QWEN_FAMILY = {
    "qwen2_vl": Architecture("Qwen2-VL", qwen2_vl, **_QWEN),
    "qwen2_5_vl": Architecture("Qwen2.5-VL", qwen2_5_vl, **_QWEN),
    "qwen3_vl": Architecture("Qwen3-VL", qwen3_vl, **_QWEN),
    "qwen3_vl_moe": Architecture("Qwen3-VL MoE", qwen3_vl_moe, **_QWEN),
    "qwen3_5": Architecture("Qwen3.5", qwen3_5, **_QWEN, opens_thought=True, why_plain="linear attention"),
    "glm4v": Architecture("GLM-4.1V", glm4v, GLM_IMAGE, "<|image|>", needs=("torchvision",), opens_thought=True),
}
