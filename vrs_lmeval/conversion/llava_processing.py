"""Tokenizer and image settings of a LLaVA checkpoint -> a LlavaProcessor with the original's prompts and pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import (
    AutoProcessor,
    AutoTokenizer,
    LlamaTokenizer,
    LlavaConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from vrs_lmeval.conversion.llava_layouts import IMAGE, Conversation, ConversionError
from vrs_lmeval.conversion.llava_weights import read_json

IMAGE_SETTINGS = (
    "crop_size",
    "do_center_crop",
    "do_convert_rgb",
    "do_normalize",
    "do_rescale",
    "do_resize",
    "image_mean",
    "image_std",
    "resample",
    "rescale_factor",
    "size",
)

PROBES = (
    "Is the heart enlarged? Answer yes or no.",
    "What is the modality?\nA. CT\nB. MRI\n\nAnswer with the letter.",
    "- first\n  second: 1.5 cm (left), 2/3",
    "Ist das Ödem größer?",
)
"""Questions whose tokens are compared with the original's before a conversion counts as complete."""


def read_tokenizer(folder: Path, text_config: Any) -> Any:
    """The checkpoint's own tokenizer. Raises ConversionError if it cannot be read as the original reads it."""
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.exists() else {}
    pieces = folder / "tokenizer.model"
    try:
        if pieces.exists() and not (folder / "tokenizer.json").exists():
            tokenizer = _read_pieces(folder, settings)
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder, config=text_config, trust_remote_code=False)
        tokenizer.backend_tokenizer.to_str()
    except Exception as error:  # any reader's error: the files are wrong, or a package is missing
        is_missing = isinstance(error, ModuleNotFoundError)
        advice = "pip install sentencepiece protobuf" if is_missing else "copy its files again"
        raise ConversionError(f"{folder}: its tokenizer cannot be read; {advice}: {error}") from error
    return tokenizer


def _read_pieces(folder: Path, settings: Mapping[str, Any]) -> Any:
    """Llama's tokenizer from a tokenizer.model alone, compared with SentencePiece, which the original used.

    The defaults are those of LlamaTokenizer in transformers 4, by which these checkpoints were written.
    """
    import_module("google.protobuf")  # without it transformers reads the file as if it were another
    pieces = import_module("sentencepiece").SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    with_begin = settings.get("add_bos_token", True)
    tokenizer = LlamaTokenizer.from_pretrained(
        folder,
        add_bos_token=with_begin,
        add_eos_token=settings.get("add_eos_token", False),
        legacy=settings.get("legacy", True),
    )
    for probe in PROBES:
        expected, found = pieces.encode(probe), tokenizer(probe).input_ids
        if found != ([tokenizer.bos_token_id] if with_begin else []) + expected:
            raise ValueError(f"transformers reads {probe!r} as {found}, and SentencePiece as {expected}")
    return tokenizer


def make_tokenizer(original: Any, conversation: Conversation) -> PreTrainedTokenizerFast:
    """The original's tokenizer with one more token, the image mark; text between marks gives the original's tokens.

    The original tokenises the text before and after the mark separately ([LLaVA] llava/mm_utils.py,
    tokenizer_image_token). So each part begins like a new text: a SentencePiece tokenizer puts its prefix space before
    each. If the checkpoint names no padding token, padding uses `<unk>` ([LLaVA] llava/train/train.py) or the end mark
    ([Huatuo] cli.py); no token attends to it.
    """
    data = json.loads(original.backend_tokenizer.to_str())
    _prefix_each_part(data["pre_tokenizer"])
    if not conversation.has_special_tokens:
        data["post_processor"] = None
    backend = Tokenizer.from_str(json.dumps(data))
    backend.add_special_tokens([AddedToken(IMAGE, special=True, normalized=False)])
    backend.no_padding()
    backend.no_truncation()
    special = {
        name: getattr(original, name)
        for name in ("bos_token", "eos_token", "unk_token", "pad_token")
        if getattr(original, name, None) is not None
    }
    pad = special.get("pad_token") or special.get("unk_token") or special.get("eos_token")
    if pad is None:
        raise ConversionError(
            "tokenizer_config.json names neither an end mark nor a padding token; add eos_token there"
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{**special, "pad_token": pad},
        padding_side="left",  # prompts of one batch end together, where their answers begin
        model_max_length=original.model_max_length,
        clean_up_tokenization_spaces=False,
    )


def _prefix_each_part(pre_tokenizer: dict[str, Any] | None) -> None:
    if pre_tokenizer is None:
        return
    for part in pre_tokenizer.get("pretokenizers", [pre_tokenizer]):
        if part["type"] == "Metaspace" and part.get("prepend_scheme") == "first":
            part["prepend_scheme"] = "always"


def read_image_settings(tower: Path | None, image_size: int) -> dict[str, Any]:
    """The settings of the tower's image processor; those of OpenAI's CLIP at this size if the tower has no folder."""
    if tower is None:
        return {"size": {"shortest_edge": image_size}, "crop_size": {"height": image_size, "width": image_size}}
    path = tower / "preprocessor_config.json"
    if not path.exists():
        raise ConversionError(f"{path} is missing: copy it there from the vision tower's page on the hub")
    settings = read_json(path)
    return {name: settings[name] for name in IMAGE_SETTINGS if name in settings}


def save_processor(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    conversation: Conversation,
    image_settings: Mapping[str, Any],
    pads: bool,
    config: LlavaConfig,
) -> None:
    """Write the LlavaProcessor; if `pads`, the mean colour makes images square (transformers' do_pad)."""
    kind = LlavaImageProcessorPil if pads else CLIPImageProcessorPil
    image_processor = kind(**image_settings, **({"do_pad": True} if pads else {}))
    LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        chat_template=conversation.template,
        image_token=IMAGE,
        num_additional_image_tokens=1,  # CLIP's class token
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
    ).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = read_json(path) | {
        "tokenizer_class": "PreTrainedTokenizerFast"
    }  # releases before 5 know no TokenizersBackend
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False), encoding="utf-8")


def tokenize_in_parts(prompt: str, tokenizer: Any, image_id: int, has_special_tokens: bool) -> list[int]:
    """What the original gives its model for a prompt, with `image_id` for each mark ([LLaVA] llava/mm_utils.py)."""
    parts = [tokenizer(part, add_special_tokens=has_special_tokens).input_ids for part in prompt.split(IMAGE)]
    begins = bool(parts[0]) and parts[0][0] == tokenizer.bos_token_id
    tokens = list(parts[0])
    for part in parts[1:]:
        tokens += [image_id, *part[begins:]]
    return tokens


def check_prompts(folder: Path, original: Any, conversation: Conversation) -> None:
    """Raises ConversionError if the written processor's prompts are not the original's, token for token."""
    processor = AutoProcessor.from_pretrained(folder)
    image_id = processor.tokenizer.convert_tokens_to_ids(IMAGE)
    for probe in PROBES:
        content = [{"type": "image"}, {"type": "text", "text": probe}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        expected = tokenize_in_parts(prompt, original, image_id, conversation.has_special_tokens)
        found = processor.tokenizer(prompt).input_ids
        if found != expected:
            raise ConversionError(
                f"the converted tokenizer reads {prompt!r} as {found}, the original as {expected}: "
                "this tokenizer is not known here; please report it"
            )
