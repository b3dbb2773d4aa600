"""A LLaVA checkpoint in the original code's layout -> a folder of transformers' LlavaForConditionalGeneration.

Names and shapes are planned and checked before anything is written. Then the weights are copied file by file, into a
folder that gets its final name when it is complete.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from vrs_lmeval.conversion.llava_layouts import CONVERSATIONS, ConversionError, find_layout, pads_to_square
from vrs_lmeval.conversion.llava_plan import WEIGHTS, Plan, find_folder, find_tower, make_plan, make_text_config
from vrs_lmeval.conversion.llava_processing import (
    check_prompts,
    make_tokenizer,
    read_image_settings,
    read_tokenizer,
    save_processor,
)
from vrs_lmeval.conversion.llava_weights import read_json, write_weights

OTHER_FILES_BYTES = 64 * 2**20  # configuration and tokenizer; the largest in use take some 10 MB
SOURCE_FILES = (*WEIGHTS, "tokenizer*", "vocab*", "merges*", "*.model", "vit/*")


@dataclass(frozen=True)
class Converted:
    """What was written, for a person to read; `size` in bytes."""

    folder: Path
    tensors: int
    size: int
    conversation: str
    tower_source: str
    added_rows: int


def convert_llava(
    source: str,
    target: Path,
    tower: str | None = None,
    conversation: str | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Converted:
    """Convert `source`, a folder or a hub id, into the new folder `target`.

    `tower` is a folder or hub id of the CLIP vision tower, for checkpoints without its weights or settings.
    `conversation` is one of CONVERSATIONS, by default that of the best known checkpoint of the type. `report` is called
    with a line about each file. Raises ConversionError, which says what is wrong with the source; then no file is left.
    """
    if os.path.lexists(target):
        raise ConversionError(f"{target} exists; name a folder that does not, or remove it")
    folder = find_folder(source, SOURCE_FILES)
    settings = read_json(folder / "config.json")
    layout = find_layout(settings)
    name = conversation or layout.conversation
    if name not in CONVERSATIONS:
        raise ConversionError(f"conversation {name!r} is none of {', '.join(CONVERSATIONS)}")
    chosen = CONVERSATIONS[name]
    text = make_text_config(settings, layout.text_model)
    original = read_tokenizer(folder, text)
    tokenizer = make_tokenizer(original, chosen)
    found_tower = find_tower(folder, settings["mm_vision_tower"], tower)
    plan = make_plan(folder, settings, text, found_tower, tokenizer)
    image_settings = read_image_settings(found_tower.folder, found_tower.config.image_size)
    with _make_whole_or_not_at_all(target, plan.size + OTHER_FILES_BYTES) as unfinished:
        pads = pads_to_square(settings, chosen)
        save_processor(unfinished, tokenizer, chosen, image_settings, pads, plan.config)
        _save_settings(unfinished, plan, folder, original)
        check_prompts(unfinished, original, chosen)
        _write_all_weights(unfinished, plan, report)
        made = Converted(
            target, sum(map(len, plan.moves.values())), plan.size, name, plan.tower_source, plan.added_rows
        )
        _write_origin(unfinished, source, settings, made)
    return made


@contextmanager
def _make_whole_or_not_at_all(target: Path, size: int) -> Iterator[Path]:
    """A folder beside `target` for `size` bytes: it takes that name if the block succeeds, and else is removed."""
    folder = target.with_name(target.name + ".unfinished")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if free < size:
            raise ConversionError(
                f"{target.parent} has {free / 1e9:.1f} GB left and the conversion takes {size / 1e9:.1f} GB; make room "
                "or name another folder"
            )
        folder.mkdir()
    except FileExistsError as error:
        raise ConversionError(
            f"{folder} exists: another conversion is running, or one was killed; remove it if none is running"
        ) from error
    except OSError as error:
        raise ConversionError(f"{folder} cannot be made: {error}") from error
    try:
        yield folder
        os.rename(folder, target)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            what = f" (it takes {size / 1e9:.1f} GB)" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise ConversionError(f"the conversion stopped{what}, and nothing of it is kept: {error}") from error
        raise


def _write_all_weights(folder: Path, plan: Plan, report: Callable[[str], None]) -> None:
    """Write one file for each file of the source, and the index that names the file of each tensor."""
    files: dict[str, str] = {}
    for number, (source, moves) in enumerate(plan.moves.items(), 1):
        name = f"model-{number:05}-of-{len(plan.moves):05}.safetensors"
        report(f"{source.name} -> {name}")
        write_weights(source, folder / name, moves)
        files |= {move.new: name for move in moves}
    index = {"metadata": {"total_size": plan.size}, "weight_map": dict(sorted(files.items()))}
    _write_json(folder / "model.safetensors.index.json", index)


def _save_settings(folder: Path, plan: Plan, source: Path, original: Any) -> None:
    """Write config.json and generation_config.json; the second has only the marks: the caller chooses how to sample."""
    path = source / "generation_config.json"
    ends = (read_json(path) if path.exists() else {}).get("eos_token_id", plan.config.text_config.eos_token_id)
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    if original.eos_token_id is not None and original.eos_token_id not in ends:
        ends = [*ends, original.eos_token_id]  # [Huatuo] cli.py ends answers at the tokenizer's
    GenerationConfig(
        bos_token_id=plan.config.text_config.bos_token_id,
        eos_token_id=ends[0] if len(ends) == 1 else ends or None,
        pad_token_id=plan.config.text_config.pad_token_id,
    ).save_pretrained(folder)
    plan.config.save_pretrained(folder)


def _write_origin(folder: Path, source: str, settings: Mapping[str, Any], made: Converted) -> None:
    origin = {
        "source": source,
        "model_type": settings["model_type"],
        "mm_vision_tower": settings["mm_vision_tower"],
        "vision_tower_weights": made.tower_source,
        "conversation": made.conversation,
        "added_rows": made.added_rows,
        "versions": {name: version(name) for name in ("vrs_lmeval", "transformers", "torch")},
    }
    _write_json(folder / "converted_from.json", origin)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
