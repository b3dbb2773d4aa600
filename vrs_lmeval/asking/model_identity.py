"""A model in memory -> 64 hex digits of everything its answers depend on besides the request."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PLAIN = (str, int, float, type(None), list, tuple, dict)
"""A processor's own settings (how many tokens an image takes ...), beside its image processor and tokenizer."""

TOKEN_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")

TOKENIZER_SETTINGS = (
    *("padding_side", "truncation_side", "add_bos_token", "add_eos_token"),
    *("clean_up_tokenization_spaces", "split_special_tokens"),
)
"""What a tokenizer does beside its vocabulary when it encodes and decodes."""

PLACES = ("_name_or_path", "base_model_name_or_path")
"""Where weights came from: the same weights in another folder are the same model."""

KNOWN_BY_VERSION = ("transformers", "torch", "torchvision", "vrs_lmeval")
"""Packages whose code the key names by their versions. Any other class of a model is named by its source."""

REMOTE_CODE = "transformers_modules"
"""Where transformers puts the code of a repository (`trust_remote_code`): a folder of its own for each revision."""


def identify_model(model: Any, processor: Any, tokenizer: Any, settings: Mapping[str, Any]) -> str:
    """What answers depend on besides the request, as 64 hex digits.

    The weights as they are in memory (hashing takes some seconds for several billion parameters), adapters,
    quantisation, the configuration, code that came with the checkpoint, the processor, the tokenizer with the roles of
    its special tokens, `settings`, and the versions of what computes.
    """
    parts = {
        "weights": hash_weights(model),
        "config": {name: value for name, value in model.config.to_dict().items() if name not in PLACES},
        "attention": getattr(model.config, "_attn_implementation", None),
        "generation": model.generation_config.to_dict(),
        "adapters": _describe_adapters(model),
        "quantisation": _describe_quantisation(model),
        "code": hash_code(model, processor, processor.image_processor, tokenizer),
        "processor": {name: value for name, value in vars(processor).items() if isinstance(value, PLAIN)},
        "image_processor": processor.image_processor.to_dict(),
        "tokenizer": _identify_tokenizer(tokenizer),
        "settings": dict(settings),
        "versions": {name: version(name) for name in ("vrs_lmeval", "lm_eval", "transformers", "torch", "pillow")},
    }
    return hashlib.sha256(_write(parts).encode()).hexdigest()


def hash_weights(model: Any) -> str:
    """64 hex digits of all parameters and buffers: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor!r}".encode())
            continue
        if tensor.is_meta:
            raise ValueError(f"cache_dir: the weights of {name} are not in memory (offloaded), so the model has no key")
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_code(model: Any, *parts: Any) -> list[tuple[str, str]]:
    """64 hex digits of each source file of the model's layers and the processor's `parts`, with its module's last name.

    A repository's code imports other files of its folder, so all of these count.
    """
    classes = {type(layer) for layer in model.modules()} | {type(part) for part in parts}
    modules = {each.__module__ for kind in classes for each in kind.__mro__ if each is not object}
    hashes = []
    for module in sorted(modules):
        if module.partition(".")[0] not in (*KNOWN_BY_VERSION, *sys.stdlib_module_names):
            digest = hashlib.sha256()
            for path in _source_files(module):
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
            hashes.append((module.rpartition(".")[2], digest.hexdigest()))
    return sorted(hashes)


def _source_files(module: str) -> Iterator[Path]:
    name = getattr(sys.modules.get(module), "__file__", None)
    if name is None or not Path(name).is_file():
        return
    is_remote = module.partition(".")[0] == REMOTE_CODE
    yield from sorted(Path(name).parent.glob("*.py")) if is_remote else [Path(name)]


def _describe_adapters(model: Any) -> dict[str, Any]:
    """Settings of PEFT adapters, and what each layer does with them now: which are active, merged, and how strong."""
    configs = getattr(model, "peft_config", None) or {}
    layers = {
        name: [repr(getattr(layer, state, None)) for state in ("active_adapters", "merged_adapters", "scaling")]
        + [bool(getattr(layer, "disable_adapters", False))]
        for name, layer in model.named_modules()
        if hasattr(layer, "merged_adapters")
    }
    plain = {
        name: {key: value for key, value in config.to_dict().items() if key not in PLACES}
        for name, config in configs.items()
    }
    return {"configs": plain, "layers": layers}


def _describe_quantisation(model: Any) -> Any:
    config: Any = getattr(getattr(model, "hf_quantizer", None), "quantization_config", None)
    return config.to_dict() if hasattr(config, "to_dict") else config


def _identify_tokenizer(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = {
        "content": backend.to_str() if backend is not None else tokenizer.get_vocab(),
        "roles": {role: str(getattr(tokenizer, f"{role}_token", None)) for role in TOKEN_ROLES},
        "further": list(map(str, getattr(tokenizer, "all_special_tokens", ()))),
        "settings": {name: getattr(tokenizer, name, None) for name in TOKENIZER_SETTINGS},
    }
    return hashlib.sha256(_write(content).encode()).hexdigest()


def _write(parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, default=_show)


def _show(value: Any) -> Any:
    """What JSON does not hold. A set has no order of its own: the same one would be another in the next process."""
    return sorted(map(repr, value)) if isinstance(value, set | frozenset) else repr(value)
