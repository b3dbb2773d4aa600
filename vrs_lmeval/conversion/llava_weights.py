"""The weight files of a checkpoint, safetensors or .bin -> the same tensors under other names, as safetensors.

One file is open at a time, and one of its tensors is copied at a time; values and dtypes do not change.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from vrs_lmeval.conversion.llava_layouts import ConversionError

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLE = ("model.safetensors", "pytorch_model.bin")
DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
"""The format's names of dtypes (github.com/huggingface/safetensors, README: Format). Integers would be quantised
weights."""

ROWS_AT_ONCE = 4096  # a float64 copy of that many rows of a 7B model takes 128 MiB


@dataclass(frozen=True)
class Held:
    """A tensor as its file describes it."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Bytes of the tensor."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


@dataclass(frozen=True)
class Move:
    """How one tensor is copied: `old` in the source becomes `new`, with `added_rows` more rows; `held` is written."""

    old: str
    new: str
    held: Held
    added_rows: int = 0


def find_weight_files(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights, safetensors before .bin. Raises ConversionError if one is missing."""
    for index_name, whole_name in zip(INDEXES, WHOLE, strict=True):
        index, whole = folder / index_name, folder / whole_name
        if index.exists():
            names = sorted(set(read_json(index)["weight_map"].values()))
            for name in names:
                if Path(name).name != name or not (folder / name).is_file():
                    raise ConversionError(f"{folder / name} is missing, which {index} names; copy it there")
            return [folder / name for name in names]
        if whole.exists():
            return [whole]
    raise ConversionError(
        f"{folder} holds no weights: none of {', '.join((*INDEXES, *WHOLE))}"
        + (
            "; an adapter (LoRA) has to be merged into its base first"
            if list(folder.glob("adapter_config.json"))
            else ""
        )
    )


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises ConversionError if it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path} cannot be read: {error}") from error


class OpenFile:
    """A weight file while it is open: what it holds, and each tensor by name."""

    def __init__(self, held: Mapping[str, Held], read: Callable[[str], torch.Tensor]) -> None:
        self.held = held
        self.read = read


@contextmanager
def open_weights(path: Path) -> Iterator[OpenFile]:
    """The open file, which reads tensors when asked. Raises ConversionError if it is cut off or holds other objects."""
    if path.suffix == ".safetensors":
        try:
            file: Any = safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, error) from error
        with file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 # it is no mapping
            names = {code: dtype for dtype, code in DTYPES.items()}
            held = {
                name: Held(tuple(part.get_shape()), _known(path, name, names.get(part.get_dtype()), part.get_dtype()))
                for name, part in slices.items()
            }
            yield OpenFile(held, file.get_tensor)
    else:
        tensors = _load_bin(path)
        held = {
            name: Held(
                tuple(tensor.shape), _known(path, name, tensor.dtype if tensor.dtype in DTYPES else None, tensor.dtype)
            )
            for name, tensor in tensors.items()
        }
        yield OpenFile(held, tensors.__getitem__)


def _load_bin(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .bin file, mapped if its form allows that (since torch 1.6), else read. Never runs its code."""
    try:
        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConversionError(
            f"{path} holds Python objects beside tensors and is not read, since reading them could run code: {error}"
        ) from error
    except (RuntimeError, OSError, EOFError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ConversionError(f"{path} is not a mapping of names to tensors")
    return tensors


def _unreadable(path: Path, error: Exception) -> ConversionError:
    return ConversionError(
        f"{path} cannot be read ({error}); copy it again: is it whole, and the file itself, not a git-lfs pointer?"
    )


def _known(path: Path, name: str, dtype: torch.dtype | None, found: Any) -> torch.dtype:
    """The dtype. Raises ConversionError for integers, except in position tables, which are never copied."""
    if dtype is None and not name.endswith(".position_ids"):
        raise ConversionError(
            f"{path}: tensor {name} is of type {found}, as in quantised checkpoints; convert the one that was quantised"
        )
    return dtype or torch.int64


def write_weights(source: Path, target: Path, moves: Sequence[Move]) -> None:
    """Write `target`, a safetensors file, from tensors of the weight file `source`, one at a time."""
    ordered = sorted(moves, key=lambda move: (-move.held.dtype.itemsize, move.new))  # wide values first stay aligned
    with open_weights(source) as weights, target.open("wb") as file:
        file.write(_make_header(ordered))
        for move in ordered:
            _write_tensor(file, weights.read(move.old), move.added_rows)


def _make_header(moves: Sequence[Move]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for move in moves:
        begin, end = end, end + move.held.size
        header[move.new] = {
            "dtype": DTYPES[move.held.dtype],
            "shape": list(move.held.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write_tensor(file: Any, tensor: torch.Tensor, added_rows: int) -> None:
    _write_bytes(file, tensor)
    if added_rows:
        _write_bytes(file, mean_row(tensor).expand(added_rows, -1))


def _write_bytes(file: Any, tensor: torch.Tensor) -> None:
    file.write(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def mean_row(matrix: torch.Tensor) -> torch.Tensor:
    """The mean of a matrix's rows, (1, columns), summed in float64 and rounded to its dtype."""
    total = torch.zeros(matrix.shape[1], dtype=torch.float64)
    for begin in range(0, len(matrix), ROWS_AT_ONCE):
        total += matrix[begin : begin + ROWS_AT_ONCE].double().sum(dim=0)
    return (total / len(matrix)).to(matrix.dtype)[None]
