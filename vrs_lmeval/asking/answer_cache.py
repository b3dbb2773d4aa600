"""Answers kept on disk by everything they depend on: one SQLite file, written a batch at a time.

A run that was killed goes on where its last batch ended. The key names the weights, the processor, the prompt, the
settings and the content of the images, so that another model, prompt, variant or data set never gets an old answer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

FILE_NAME = "answers.sqlite3"

WAIT_SECONDS = 60
"""How long a process waits while another one (data parallel, another run) writes its batch."""


PLAIN = (str, int, float, type(None), list, tuple, dict)
"""A processor's own settings (how many tokens an image takes ...), beside its image processor and tokenizer."""


class AnswerCache:
    """`identity` names the model; keys made from other identities share nothing with it."""

    def __init__(self, folder: Path, identity: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._identity = identity
        try:
            self._connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS)
            with self._connection:
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
                )
        except sqlite3.DatabaseError as error:
            raise ValueError(f"cache_dir: {self._path} cannot be used: {error}; delete it or name another") from error

    def key(self, *parts: Any) -> str:
        """64 hex digits of the model and `parts` (what JSON can hold; anything else as its repr)."""
        text = json.dumps([self._identity, *parts], sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def find(self, key: str) -> Any | None:
        """The answer kept under `key`; None where there is none."""
        row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def keep(self, answers: Mapping[str, Any]) -> None:
        """Write a batch; it is on the disk when this returns, whole or not at all."""
        rows = [(key, json.dumps(answer)) for key, answer in answers.items()]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)


def identify_model(model: Any, processor: Any, tokenizer: Any, settings: Mapping[str, Any]) -> str:
    """What answers depend on besides the request, as 64 hex digits.

    The weights as they are in memory, with adapters and quantisation (hashing takes some seconds for several billion
    parameters), the configuration, the processor, the tokenizer, `settings`, and the versions of what computes.
    """
    config = model.config.to_dict()
    config.pop("_name_or_path", None)  # the same weights in another folder are the same model
    parts = {
        "weights": hash_weights(model),
        "config": config,
        "attention": getattr(model.config, "_attn_implementation", None),
        "generation": model.generation_config.to_dict(),
        "processor": {name: value for name, value in vars(processor).items() if isinstance(value, PLAIN)},
        "image_processor": processor.image_processor.to_dict(),
        "tokenizer": _identify_tokenizer(tokenizer),
        "settings": dict(settings),
        "versions": {name: version(name) for name in ("vrs_lmeval", "transformers", "torch", "pillow")},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


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


def _identify_tokenizer(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
