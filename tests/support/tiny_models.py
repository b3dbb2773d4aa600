"""Vision-language architectures as models of some thousand random weights, each with its own processor.

Made from configurations alone. Two pieces of processors need packages that tests do not have, so `video_processor` is
None (torchvision), and SmolVLM's prompts are written by its ancestor Idefics3's processor (num2words), whose image
tokens are the same.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

import torch
from support.tiny_llava import tiny_llava
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

SIDE, PATCH = 32, 8
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
Parts = tuple[Any, Any]


def make_tokenizer(special: Sequence[str], **names: str) -> PreTrainedTokenizerFast:
    """One token a character; `names` are what processors call the special tokens."""
    characters = sorted(set(string.printable) - set("\x0b\x0c\r"))
    vocabulary = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", *special, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    tokenizer.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=names,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


class WithoutVideo:
    """Lets a processor do without its video processor, which needs torchvision."""

    def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
        """Passes None."""
        return None if argument is None else super().check_argument_for_proper_class(name, argument)  # type: ignore


def _text(tokenizer: PreTrainedTokenizerFast, **changes: Any) -> dict[str, Any]:
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


def _build(kind: Any, config: Any, processor: Any, embedding: float = 1.0) -> Parts:
    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():  # larger weights than usual, so that the answer depends on image and question
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.25 if "embed" not in name else embedding)
    return model, processor


def llava_next() -> Parts:
    """LLaVA-NeXT: tiles after the image's shape, so prefixes of many lengths."""
    tokenizer = make_tokenizer(["<image>"], image_token="<image>")
    pinpoints = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=pinpoints
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, projection_dim=32, **SIZES),
        text_config=LlamaConfig(**_text(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    return _build(LlavaNextForConditionalGeneration, config, processor)


def _qwen(config_kind: Any, model_kind: Any, processor_kind: Any, vision: dict[str, Any]) -> Parts:
    special = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"]
    tokenizer = make_tokenizer(special)
    kind = type(processor_kind.__name__, (WithoutVideo, processor_kind), {})
    processor = kind(
        image_processor=Qwen2VLImageProcessorPil(
            patch_size=4, merge_size=2, min_pixels=256, max_pixels=2048, temporal_patch_size=2
        ),
        tokenizer=tokenizer,
        video_processor=None,
    )
    start, image, end, video = tokenizer.convert_tokens_to_ids(special)
    config = config_kind(
        vision_config=vision,
        text_config=_text(tokenizer, rope_parameters={"rope_type": "default", "mrope_section": [2, 3, 3]}),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    return _build(model_kind, config, processor)


def qwen2_vl() -> Parts:
    """Qwen2-VL: positions in three dimensions, counted on after each image."""
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}
    return _qwen(Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor, vision)


def qwen2_5_vl() -> Parts:
    """Qwen2.5-VL: the same, with windows in its vision tower."""
    vision = {"depth": 2, "hidden_size": 32, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 64}
    vision |= {"patch_size": 4, "window_size": 16, "fullatt_block_indexes": [1]}
    return _qwen(Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor, vision)


def _idefics(config_kind: Any, model_kind: Any, image_processor_kind: Any) -> Parts:
    special = ["<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>"]
    special += [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    tokenizer = make_tokenizer(special)
    processor = Idefics3Processor(
        image_processor=image_processor_kind(
            size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}, return_row_col_info=True
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
    )
    config = config_kind(
        vision_config={**SIZES, "image_size": SIDE, "patch_size": PATCH},
        text_config=LlamaConfig(**_text(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    return _build(model_kind, config, processor)


def idefics3() -> Parts:
    """Idefics3: tiles with row and column marks around them."""
    return _idefics(Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil)


def smolvlm() -> Parts:
    """SmolVLM: Idefics3's successor."""
    return _idefics(SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessorPil)


def paligemma() -> Parts:
    """PaliGemma: image and question see each other in both directions, so no prefix can be shared."""
    tokenizer = make_tokenizer(["<image>"], image_token="<image>")
    image_processor = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    image_processor.image_seq_length = (SIDE // PATCH) ** 2
    processor = PaliGemmaProcessor(image_processor=image_processor, tokenizer=tokenizer)
    config = PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", **SIZES, "image_size": SIDE, "patch_size": PATCH},
        text_config={"model_type": "gemma", **_text(tokenizer, head_dim=16)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    return _build(PaliGemmaForConditionalGeneration, config, processor, embedding=0.05)


def gemma3(sliding_window: int = 512) -> Parts:
    """Gemma 3: layers with sliding windows between full ones, image tokens that see each other."""
    tokenizer = make_tokenizer(["<boi>", "<eoi>", "<soft>"], boi_token="<boi>", eoi_token="<eoi>", image_token="<soft>")
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        tokenizer=tokenizer,
        image_seq_length=4,
    )
    config = Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", **SIZES, "image_size": SIDE, "patch_size": PATCH},
        text_config=_text(
            tokenizer, head_dim=16, sliding_window=sliding_window, layer_types=["sliding_attention", "full_attention"]
        ),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids("<boi>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<eoi>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<soft>"),
    )
    return _build(Gemma3ForConditionalGeneration, config, processor, embedding=0.05)


def internvl() -> Parts:
    """InternVL: tiles after the image's shape, pixels shuffled into fewer tokens."""
    tokenizer = make_tokenizer(
        ["<img>", "</img>", "<IMG_CONTEXT>", "<video>"],
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    kind = type("InternVLProcessor", (WithoutVideo, InternVLProcessor), {})
    processor = kind(
        image_processor=GotOcr2ImageProcessorPil(
            size={"height": SIDE, "width": SIDE}, crop_to_patches=True, min_patches=1, max_patches=4
        ),
        tokenizer=tokenizer,
        image_seq_length=4,
        video_processor=None,
    )
    config = InternVLConfig(
        vision_config={**SIZES, "image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]},
        text_config={"model_type": "qwen2", **_text(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return _build(InternVLForConditionalGeneration, config, processor)


ARCHITECTURES: dict[str, tuple[Callable[[], Parts], str]] = {
    # name: (how to make it, the text that stands for an image without a chat template)
    "llava": (tiny_llava, "<image>"),
    "llava_next": (llava_next, "<image>"),
    "qwen2_vl": (qwen2_vl, "<|vision_start|><|image_pad|><|vision_end|>"),
    "qwen2_5_vl": (qwen2_5_vl, "<|vision_start|><|image_pad|><|vision_end|>"),
    "idefics3": (idefics3, "<image>"),
    "smolvlm": (smolvlm, "<image>"),
    "paligemma": (paligemma, "<image>"),
    "gemma3": (gemma3, "<boi>"),
    "internvl": (internvl, "<IMG_CONTEXT>"),
}
