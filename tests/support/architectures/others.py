"""Pixtral and Mistral 3, DeepSeek-VL and Janus, Molmo2, LFM2-VL."""

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
from support.architectures.templates import BOS, chat, chatml

SQUARE = {"height": SIDE, "width": SIDE}
MISTRAL_CHAT = chat("[IMG]", "[INST]", "", user_end="[/INST]", begin=BOS)


def _mistral(merge: int) -> tuple[Any, dict[str, Any]]:
    special = ["[IMG]", "[IMG_BREAK]", "[IMG_END]", "[INST]", "[/INST]"]
    tokenizer = make_tokenizer(special, bos="<s>")
    processor = hf.PixtralProcessor(
        image_processor=image_processor(
            "PixtralImageProcessor",
            size={"longest_edge": 2 * SIDE},
            patch_size={"height": PATCH * merge, "width": PATCH * merge},
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        spatial_merge_size=merge,
        chat_template=MISTRAL_CHAT,
    )
    config = {
        "vision_config": {
            "model_type": "pixtral",
            **SIZES,
            "head_dim": 16,
            "image_size": 2 * SIDE,
            "patch_size": PATCH,
        },
        "text_config": {"model_type": "mistral", **describe_text(tokenizer, head_dim=16)},
        "image_token_index": tokenizer.convert_tokens_to_ids("[IMG]"),
        "vision_feature_layer": -1,
    }
    return processor, config


def pixtral() -> Parts:
    """Pixtral 12B, which transformers runs as a LLaVA with Pixtral's tower."""
    processor, config = _mistral(1)
    config["vision_feature_select_strategy"] = "full"
    return build(hf.LlavaForConditionalGeneration, hf.LlavaConfig(**config), processor)


def mistral3() -> Parts:
    """Mistral 3: Pixtral's tower, two by two patches merged."""
    processor, config = _mistral(2)
    return build(hf.Mistral3ForConditionalGeneration, hf.Mistral3Config(**config, spatial_merge_size=2), processor)


def deepseek_vl() -> Parts:
    """DeepSeek-VL: SigLIP before a Llama."""
    tokenizer = make_tokenizer(["<image_placeholder>"], bos="<bos>", image_token="<image_placeholder>")
    processor = hf.DeepseekVLProcessor(
        image_processor=image_processor("DeepseekVLImageProcessor", size=SQUARE),
        tokenizer=tokenizer,
        num_image_tokens=(SIDE // PATCH) ** 2,
        chat_template=chat("<image_placeholder>", "User: ", "Assistant:", user_end="\\n\\n"),
    )
    config = hf.DeepseekVLConfig(
        vision_config={**SIZES, "image_size": SIDE, "patch_size": PATCH, "vision_use_head": False},
        text_config={"model_type": "llama", **describe_text(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image_placeholder>"),
    )
    return build(hf.DeepseekVLForConditionalGeneration, config, processor)


def janus() -> Parts:
    """Janus: the same beside a second, discrete image code that answers in text do not use."""
    names = {"image_token": "<image_placeholder>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = make_tokenizer(list(names.values()), bos="<bos>", **names)
    processor = hf.JanusProcessor(
        image_processor=image_processor("JanusImageProcessor", size=SQUARE),
        tokenizer=tokenizer,
        num_image_tokens=(SIDE // PATCH) ** 2,
        chat_template=chat("<image_placeholder>\\n", "<|User|>: ", "<|Assistant|>:", user_end="\\n\\n"),
    )
    vision = {**SIZES, "image_size": SIDE, "patch_size": PATCH, "projection_dim": 32, "mlp_ratio": 2.0}
    code = {"embed_dim": 8, "num_embeddings": 16, "latent_channels": 32, "base_channels": 32, "num_patches": 4}
    code |= {"channel_multiplier": [1, 1], "num_res_blocks": 1, "projection_dim": 32, "image_token_embed_dim": 32}
    config = hf.JanusConfig(
        vision_config={**vision, "num_image_tokens": (SIDE // PATCH) ** 2},
        text_config={"model_type": "llama", **describe_text(tokenizer)},
        vq_config={**code, "hidden_size": 32},
        image_token_id=tokenizer.convert_tokens_to_ids("<image_placeholder>"),
    )
    return build(hf.JanusForConditionalGeneration, config, processor)


def molmo2() -> Parts:
    """Molmo2: overlapping crops, whose patches are pooled by indices that count through a whole batch."""
    own = ["<im_patch>", "<im_col>", "<im_start>", "<im_end>", "<low_res_im_start>", "<frame_start>", "<frame_end>"]
    tokenizer = make_tokenizer([*own, "<im_low>", "<|image|>", "<|video|>", "<|im_start|>"], eos="<|im_end|>")
    processor = hf.Molmo2Processor(
        image_processor=hf.Molmo2ImageProcessor(
            size=SQUARE, patch_size=4, max_crops=4, overlap_margins=[1, 1], pooling_size=[2, 2]
        ),
        video_processor=hf.Molmo2VideoProcessor(size=SQUARE, patch_size=4),
        tokenizer=tokenizer,
        chat_template=chatml("<|image|>"),
    )
    patch, _, start, end, low, frame_start, frame_end = tokenizer.convert_tokens_to_ids(own)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    text = describe_text(tokenizer, head_dim=16, additional_vocab_size=8)
    config = hf.Molmo2Config(
        vision_config={**SIZES, **heads, "image_size": [SIDE, SIDE], "patch_size": 4},
        adapter_config={
            **heads,
            "vision_feature_layer": [-1, -2],
            "hidden_size": 32,
            "intermediate_size": 64,
            "text_hidden_size": 32,
        },
        text_config=text,
        image_start_token_id=start,
        low_res_image_start_token_id=low,
        image_end_token_id=end,
        image_patch_id=patch,
        frame_start_token_id=frame_start,
        frame_end_token_id=frame_end,
    )
    return build(hf.Molmo2ForConditionalGeneration, config, processor)


def lfm2_vl() -> Parts:
    """LFM2-VL: short convolutions between layers of attention; a tower for images of any shape."""
    own = ["<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", "<|im_start|>"]
    own += [f"<|img_row_{row}_col_{column}|>" for row in range(1, 5) for column in range(1, 5)]
    tokenizer = make_tokenizer(own, bos="<|startoftext|>", eos="<|im_end|>", image_token="<image>")
    processor = hf.Lfm2VlProcessor(
        image_processor=hf.Lfm2VlImageProcessor(
            size=SQUARE,
            tile_size=SIDE,
            encoder_patch_size=PATCH // 2,
            min_image_tokens=4,
            max_image_tokens=16,
            min_tiles=2,
            max_tiles=4,
        ),
        tokenizer=tokenizer,
        chat_template=chatml("<image>", begin=BOS),
    )
    layers = {"layer_types": ["conv", "full_attention"], "block_multiple_of": 32, "conv_L_cache": 3}
    config = hf.Lfm2VlConfig(
        vision_config={**SIZES, "patch_size": PATCH // 2, "num_patches": 64, "vision_use_head": False},
        text_config={"model_type": "lfm2", **describe_text(tokenizer), **layers},
        projector_hidden_size=32,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return build(hf.Lfm2VlForConditionalGeneration, config, processor, embedding=0.05, weight=0.18)


OTHERS = {
    "pixtral": Architecture("Pixtral", pixtral, "[IMG]"),
    "mistral3": Architecture("Mistral 3", mistral3, "[IMG]"),
    "deepseek_vl": Architecture("DeepSeek-VL", deepseek_vl, "<image_placeholder>"),
    "janus": Architecture("Janus", janus, "<image_placeholder>"),
    "molmo2": Architecture(
        "Molmo2", molmo2, "<|image|>", needs=("torchvision",), why_plain="indices count through a batch"
    ),
    "lfm2_vl": Architecture("LFM2-VL", lfm2_vl, "<image>", needs=("torchvision",), why_plain="convolutions"),
}
