"""A LLaVA checkpoint's settings and the names in its weight files -> which tensor goes where, the configuration.

Everything that can be wrong with a checkpoint is found here, before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoConfig, AutoModelForCausalLM, CLIPVisionConfig, CLIPVisionModel, LlavaConfig

from vrs_lmeval.conversion.llava_layouts import (
    IMAGE,
    KNOWN_TOWERS,
    PROJECTOR,
    TOWER,
    ConversionError,
    is_computed,
    rename,
)
from vrs_lmeval.conversion.llava_weights import Held, Move, find_weight_files, open_weights, read_json

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
NOT_SETTINGS = {"architectures", "dtype", "model_type", "torch_dtype", "transformers_version", "_name_or_path"}
WEIGHTS = ("*.json", "*.safetensors")
CLIP_VISION = ("embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.")  # transformers' own spelling


@dataclass(frozen=True)
class Tower:
    """The vision tower: its folder where there is one, and its configuration."""

    folder: Path | None
    config: Any


@dataclass(frozen=True)
class Plan:
    """What a conversion will write: for each weight file of the source its tensors, and the configuration."""

    moves: Mapping[Path, list[Move]]
    config: LlavaConfig
    tower_source: str
    added_rows: int

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(move.held.size for moves in self.moves.values() for move in moves)


def find_folder(place: str, patterns: Sequence[str]) -> Path:
    """The folder, or a copy of what the hub has under this id; .bin files only if there are no safetensors."""
    folder = Path(place).expanduser()
    if folder.is_dir():
        return folder
    if place.count("/") != 1 or place.startswith((".", "/", "~")):
        raise ConversionError(f"{place} is no folder")
    try:
        folder = Path(snapshot_download(place, allow_patterns=list(patterns)))
        if not list(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(place, allow_patterns=[*patterns, "pytorch_model*.bin"]))
    except Exception as error:  # the hub's errors have no common class
        raise ConversionError(f"{place} is no folder here, and cannot be read from the hub: {error}") from error
    return folder


def make_text_config(settings: Mapping[str, Any], model_type: str) -> Any:
    """The language model's configuration, from those keys of the original that transformers' class knows."""
    known = set(AutoConfig.for_model(model_type).to_dict()) | {"rope_theta", "rope_scaling"}
    kept = {key: value for key, value in settings.items() if key in known - NOT_SETTINGS}
    if "rope_parameters" not in kept:
        kept.setdefault("rope_theta", 10000.0)  # the default of all three classes when these checkpoints were written
    return AutoConfig.for_model(model_type, **kept)


def find_tower(folder: Path, name: str, given: str | None) -> Tower:
    """The vision tower that is `given`, else the one that the checkpoint names. Raises ConversionError if unknown."""
    if given is not None:
        place: Path | None = find_folder(given, WEIGHTS)
    else:
        inside = (folder / name, folder / "vit" / Path(name).name)  # HuatuoGPT-Vision-7B brings such a folder
        place = next((path for path in inside if (path / "config.json").is_file()), None)
    if place is None:
        known = KNOWN_TOWERS.get(Path(name).name.lower().replace("_", "-"))
        if known is None:
            raise ConversionError(
                f"config.json: the settings of mm_vision_tower {name!r} are not known here; name its folder or hub id "
                "by --vision-tower (CLIP towers only)"
            )
        return Tower(None, CLIPVisionConfig(**known))
    settings = read_json(place / "config.json")
    kind = settings.get("model_type")
    if kind not in ("clip", "clip_vision_model"):
        raise ConversionError(f"{place / 'config.json'}: the vision tower is {kind!r}; only CLIP is converted")
    return Tower(place, CLIPVisionConfig.from_pretrained(place))


def make_plan(folder: Path, settings: Mapping[str, Any], text: Any, tower: Tower, tokenizer: Any) -> Plan:
    """Which tensor goes where. Raises ConversionError if one is unknown, missing, of another shape, or there twice."""
    expected = list_expected(settings, text, tower.config)
    found: dict[str, tuple[Path, str, Held]] = {}
    for path in find_weight_files(folder):
        _collect(path, "", found)
    tower_source = "the checkpoint"
    if not any(name.startswith(TOWER) for name in found):
        if tower.folder is None:
            raise ConversionError(
                f"{folder} does not hold the weights of its vision tower {settings['mm_vision_tower']!r}; name their "
                "folder or hub id by --vision-tower"
            )
        tower_source = str(tower.folder)
        for path in find_weight_files(tower.folder):
            _collect(path, TOWER, found)
    if text.tie_word_embeddings:
        found.pop(HEAD, None)  # the original's class ties it to the embedding, whatever the file holds
    _compare(found, expected)
    image_id = tokenizer.convert_tokens_to_ids(IMAGE)
    # Rows beyond the tokenizer's last token are spare (Qwen2-7B has some 400): the mark takes the first of them.
    added = max(0, image_id + 1 - expected[EMBEDDING][0])
    moves: dict[Path, list[Move]] = {}
    for name, (path, old, held) in found.items():
        rows = added if name in (EMBEDDING, HEAD) else 0
        held = replace(held, shape=(held.shape[0] + rows, *held.shape[1:])) if rows else held
        moves.setdefault(path, []).append(Move(old, rename(name), held, rows))
    text.vocab_size += added
    dtype = found[EMBEDDING][2].dtype
    return Plan(moves, make_config(settings, text, tower.config, tokenizer, dtype), tower_source, added)


def _collect(path: Path, prefix: str, found: dict[str, tuple[Path, str, Held]]) -> None:
    """Add a file's tensors to `found`, by the original's names; of a vision tower's own file only the vision model."""
    with open_weights(path) as weights:
        for old, held in weights.held.items():
            inside = f"vision_model.{old}" if prefix and old.startswith(CLIP_VISION) else old
            if is_computed(f".{old}") or (prefix and not inside.startswith("vision_model.")):
                continue
            name = prefix + inside
            if name in found:
                raise ConversionError(
                    f"tensor {name} is in {found[name][0]} and in {path}; remove the file that is not meant"
                )
            found[name] = (path, old, held)


def list_expected(settings: Mapping[str, Any], text: Any, vision: Any) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that these settings call for, by its name in the original."""
    with torch.device("meta"):
        language = AutoModelForCausalLM.from_config(text)
        tower = CLIPVisionModel(vision)
    shapes = {name: tuple(tensor.shape) for name, tensor in language.state_dict().items()}
    if text.tie_word_embeddings:
        shapes.pop(HEAD)
    for name, tensor in tower.state_dict().items():
        if not is_computed(f".{name}"):
            shapes[f"{TOWER}vision_model.{name.removeprefix('vision_model.')}"] = tuple(tensor.shape)
    width, hidden = settings.get("mm_hidden_size", vision.hidden_size), text.hidden_size
    shapes |= {f"{PROJECTOR}0.weight": (hidden, width), f"{PROJECTOR}0.bias": (hidden,)}
    shapes |= {f"{PROJECTOR}2.weight": (hidden, hidden), f"{PROJECTOR}2.bias": (hidden,)}
    return shapes


def _compare(found: Mapping[str, tuple[Path, str, Held]], expected: Mapping[str, tuple[int, ...]]) -> None:
    for name, (path, old, held) in found.items():
        if name not in expected:
            raise ConversionError(
                f"{path}: tensor {old} is not part of LLaVA-1.5 with these settings ({len(expected)} others are); "
                "this is another architecture, and is not converted"
            )
        if held.shape != expected[name]:
            raise ConversionError(
                f"{path}: tensor {old} has shape {list(held.shape)}, and config.json calls for {list(expected[name])}"
            )
    missing = [name for name in expected if name not in found]
    if missing:
        raise ConversionError(
            f"tensor {missing[0]} is in none of the weight files ({len(missing)} are missing); copy the checkpoint "
            "again, or merge an adapter into its base first"
        )


def make_config(settings: Mapping[str, Any], text: Any, vision: Any, tokenizer: Any, dtype: torch.dtype) -> LlavaConfig:
    """The LlavaConfig. What it reads from the tower follows [LLaVA] llava/model/multimodal_encoder/clip_encoder.py."""
    with_class_token = settings.get("mm_vision_select_feature", "patch") == "cls_patch"
    text.pad_token_id = tokenizer.pad_token_id
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(vision.image_size // vision.patch_size) ** 2 + with_class_token,
        projector_hidden_act="gelu",  # nn.GELU(), exact
        vision_feature_layer=settings.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy="full" if with_class_token else "default",
        tie_word_embeddings=text.tie_word_embeddings,
        architectures=["LlavaForConditionalGeneration"],
    )
    config.dtype = dtype
    return config
