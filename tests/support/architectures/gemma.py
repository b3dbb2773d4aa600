"""Google's: PaliGemma, Gemma 3 and both shapes of Gemma 4; SigLIP towers, sliding windows, layers that share states."""

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
from support.architectures.templates import BOS, chat

SIGLIP = {"model_type": "siglip_vision_model", **SIZES, "image_size": SIDE, "patch_size": PATCH}
SQUARE = {"height": SIDE, "width": SIDE}


def paligemma() -> Parts:
    """PaliGemma: image and question see each other in both directions, so no prefix can be shared."""
    tokenizer = make_tokenizer(["<image>"], bos="<bos>", eos="<eos>", writes_bos=False, image_token="<image>")
    resize = image_processor("SiglipImageProcessor", size=SQUARE)
    resize.image_seq_length = (SIDE // PATCH) ** 2
    processor = hf.PaliGemmaProcessor(image_processor=resize, tokenizer=tokenizer)
    config = hf.PaliGemmaConfig(
        vision_config=SIGLIP,
        text_config={"model_type": "gemma", **describe_text(tokenizer, head_dim=16)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    return build(hf.PaliGemmaForConditionalGeneration, config, processor)


GEMMA3 = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}


def gemma3(sliding_window: int = 512) -> Parts:
    """Gemma 3: layers with sliding windows between full ones, image tokens that see each other."""
    special = [*GEMMA3.values(), "<start_of_turn>", "<end_of_turn>"]
    tokenizer = make_tokenizer(special, bos="<bos>", eos="<eos>", **GEMMA3)
    processor = hf.Gemma3Processor(
        image_processor=image_processor("Gemma3ImageProcessor", size=SQUARE),
        tokenizer=tokenizer,
        image_seq_length=4,
        chat_template=chat(
            "<start_of_image>",
            "<start_of_turn>user\\n",
            "<start_of_turn>model\\n",
            user_end="<end_of_turn>\\n",
            begin=BOS,
            text="content['text'] | trim",
        ),
    )
    begin, end, image = tokenizer.convert_tokens_to_ids(special[:3])
    layers = {"sliding_window": sliding_window, "layer_types": ["sliding_attention", "full_attention"]}
    config = hf.Gemma3Config(
        vision_config=SIGLIP,
        text_config=describe_text(tokenizer, head_dim=16, **layers),
        mm_tokens_per_image=4,
        boi_token_index=begin,
        eoi_token_index=end,
        image_token_index=image,
    )
    return build(hf.Gemma3ForConditionalGeneration, config, processor, embedding=0.05, weight=0.35)


GEMMA4 = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}


def _gemma4(**text: Any) -> Parts:
    tokenizer = make_tokenizer([*GEMMA4.values(), "<|turn>", "<turn|>"], bos="<bos>", eos="<eos>", **GEMMA4)
    patches = {"patch_size": 4, "pooling_kernel_size": 2, "max_soft_tokens": 70}
    processor = hf.Gemma4Processor(
        feature_extractor=hf.Gemma4AudioFeatureExtractor(),
        image_processor=image_processor("Gemma4ImageProcessor", **patches),
        tokenizer=tokenizer,
        video_processor=hf.Gemma4VideoProcessor(**patches),
        image_seq_length=70,
        chat_template=chat(
            "<|image|>",
            "<|turn>user\\n",
            "<|turn>model\\n",
            user_end="<turn|>\\n",
            begin=BOS,
            text="content['text'] | trim",
        ),
    )
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in GEMMA4.items()}
    vision = {**SIZES, "num_key_value_heads": 2, "head_dim": 16, "patch_size": 4, "pooling_kernel_size": 2}
    config = hf.Gemma4Config(
        vision_config={**vision, "position_embedding_size": 64},
        text_config=describe_text(
            tokenizer,
            head_dim=8,
            global_head_dim=16,
            sliding_window=512,
            vocab_size_per_layer_input=len(tokenizer),
            **text,
        ),
        audio_config=None,
        boi_token_id=ids["boi_token"],
        eoi_token_id=ids["eoi_token"],
        image_token_id=ids["image_token"],
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        boa_token_id=ids["boa_token"],
        eoa_token_index=ids["eoa_token"],
        audio_token_id=ids["audio_token"],
    )
    return build(hf.Gemma4ForConditionalGeneration, config, processor, embedding=0.05)


def gemma4() -> Parts:
    """Gemma 4, dense: heads of one size in its sliding layers and of another in its full ones."""
    layers = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    return _gemma4(**layers, hidden_size_per_layer_input=0)


def gemma4_e() -> Parts:
    """Gemma 4 E2B and E4B: the last layers use the keys and values of earlier ones; an embedding a layer."""
    layers = {"num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2}
    return _gemma4(**layers, num_kv_shared_layers=2, hidden_size_per_layer_input=8)


GEMMA_FAMILY = {
    "paligemma": Architecture(
        "PaliGemma", paligemma, "<image>", has_template=False, why_plain="image tokens see the question"
    ),
    "gemma3": Architecture("Gemma 3", gemma3, "<start_of_image>"),
    "gemma4": Architecture("Gemma 4 (dense)", gemma4, "<|image|>", needs=("torchvision",)),
    "gemma4_e": Architecture(
        "Gemma 4 (E2B, E4B)", gemma4_e, "<|image|>", needs=("torchvision",), why_plain="layers share states"
    ),
}
