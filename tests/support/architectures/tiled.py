"""Models that cut an image into tiles after its shape: InternVL, Aya Vision, Command A Vision, Ovis2."""

from __future__ import annotations

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
from support.architectures.templates import BOS, QWEN_SYSTEM, chat, chatml

SQUARE = {"height": SIDE, "width": SIDE}
TILES = {"size": SQUARE, "crop_to_patches": True, "min_patches": 1, "max_patches": 4}
SIGLIP = {"model_type": "siglip_vision_model", **SIZES, "image_size": SIDE, "vision_use_head": False}


def internvl() -> Parts:
    """InternVL: pixels of a tile shuffled into fewer tokens."""
    names = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    names["video_token"] = "<video>"
    tokenizer = make_tokenizer([*names.values(), "<|im_start|>"], eos="<|im_end|>", **names)
    processor = hf.InternVLProcessor(
        image_processor=image_processor("GotOcr2ImageProcessor", **TILES),
        tokenizer=tokenizer,
        image_seq_length=4,
        video_processor=hf.InternVLVideoProcessor(size=SQUARE),
        chat_template=chatml("<IMG_CONTEXT>\\n"),
    )
    config = hf.InternVLConfig(
        vision_config={**SIZES, "image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]},
        text_config={"model_type": "qwen2", **describe_text(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return build(hf.InternVLForConditionalGeneration, config, processor)


COHERE = ["<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"]
COHERE_CHAT = {
    "user": COHERE[0] + COHERE[2],
    "assistant": COHERE[0] + COHERE[3],
    "user_end": COHERE[1],
    "begin": BOS,
}


def aya_vision() -> Parts:
    """Aya Vision: tiles named by number, its image token is not the mark that stands in prompts."""
    own = ["<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>"]
    own += ["TILE_GLOBAL", *(f"TILE_{number}" for number in range(1, 5))]
    tokenizer = make_tokenizer([*own, *COHERE], bos="<BOS_TOKEN>", eos="<EOS_TOKEN>")
    processor = hf.AyaVisionProcessor(
        image_processor=image_processor("GotOcr2ImageProcessor", **TILES),
        tokenizer=tokenizer,
        patch_size=PATCH * 2,  # after two by two patches became one token
        img_size=SIDE,
        downsample_factor=1,
        chat_template=chat("<image>", **COHERE_CHAT),
    )
    config = hf.AyaVisionConfig(
        vision_config={**SIGLIP, "patch_size": PATCH},
        text_config={"model_type": "cohere2", **describe_text(tokenizer, logit_scale=1.0, sliding_window=512)},
        vision_feature_layer=-1,
        downsample_factor=2,
        image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
    )
    return build(hf.AyaVisionForConditionalGeneration, config, processor)


def cohere2_vision() -> Parts:
    """Command A Vision: Aya's successor."""
    names = {"boi_token": "<|START_OF_IMG|>", "eoi_token": "<|END_OF_IMG|>", "image_token": "<|IMG_PATCH|>"}
    names["img_line_break_token"] = "<|IMG_LINE_BREAK|>"
    tokenizer = make_tokenizer([*names.values(), *COHERE], bos="<BOS_TOKEN>", eos="<EOS_TOKEN>", **names)
    tiles = {"size": SQUARE, "min_patches": 1, "max_patches": 4}
    processor = hf.Cohere2VisionProcessor(
        image_processor=image_processor("Cohere2VisionImageProcessor", patch_size=2, **tiles),
        tokenizer=tokenizer,
        chat_template=chat("<|IMG_PATCH|>", **COHERE_CHAT),
    )
    config = hf.Cohere2VisionConfig(
        vision_config={**SIGLIP, "patch_size": PATCH},
        text_config={"model_type": "cohere2", **describe_text(tokenizer, logit_scale=1.0, sliding_window=512)},
        downsample_factor=2,
        alignment_intermediate_size=64,
        image_token_id=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
    )
    return build(hf.Cohere2VisionForConditionalGeneration, config, processor, embedding=0.05, weight=0.35)


def ovis2() -> Parts:
    """Ovis2: an image token is a mixture of a visual vocabulary; marks between the tiles are learned."""
    marks = ["<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"]
    tokenizer = make_tokenizer(["<image>", "<IMG_ATOM>", *marks, "<|im_start|>"], eos="<|im_end|>")
    processor = hf.Ovis2Processor(
        image_processor=image_processor("Ovis2ImageProcessor", **TILES),
        tokenizer=tokenizer,
        image_seq_length=4,
        chat_template=chatml("<image>\\n", QWEN_SYSTEM),
    )
    config = hf.Ovis2Config(
        vision_config={
            **SIZES,
            "image_size": SIDE,
            "patch_size": PATCH,
            "vocab_size": 32 + 5,
            "hidden_stride": 2,
            "num_visual_indicator_tokens": 5,
        },
        text_config={"model_type": "qwen2", **describe_text(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=tokenizer.convert_tokens_to_ids(marks),
        vocab_size=len(tokenizer),
        hidden_size=32,
    )
    return build(hf.Ovis2ForConditionalGeneration, config, processor)


TILED_FAMILY = {
    "internvl": Architecture("InternVL", internvl, "<IMG_CONTEXT>", needs=("torchvision",)),
    "aya_vision": Architecture("Aya Vision", aya_vision, "<image>"),
    "cohere2_vision": Architecture("Command A Vision", cohere2_vision, "<|IMG_PATCH|>", needs=("torchvision",)),
    "ovis2": Architecture("Ovis2", ovis2, "<image>"),
}
