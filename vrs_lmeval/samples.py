"""Data set rows -> samples: from the hub, from a local folder that mirrors it, or from the embedded benchmark."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import datasets

from vrs_lmeval.images import EncodedImage, ImageStore, encoded_image
from vrs_lmeval.records import AnswerType, Sample

DATA_DIR_VARIABLE = "VRS_DATA_DIR"
EMBEDDED_PREFIX = "embedded:"

ClosedRule = Literal["yes_no", "yes_no_or_choice"]


class MissingDataError(RuntimeError):
    """A benchmark's data is neither on this machine nor reachable; the message says both ways to get it."""


class MalformedDataError(ValueError):
    """A row of the data set does not hold what the task's `columns` say; the message names row and column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which data set column holds what; None where the data set does not have it."""

    image: str = "image"
    question: str = "question"
    answer: str = "answer"
    options: str | None = None
    answer_type: str | None = None
    question_type: str | None = None
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Where a benchmark's rows come from, and how to read them.

    `path` is a hub id, or `embedded:<folder>` below the package's `tasks/`. `closed_rule` tells open from closed
    questions where no `answer_type` column does (see `decide_answer_type`).
    """

    path: str
    split: str
    name: str | None = None
    revision: str | None = None
    data_files: str | None = None
    columns: Columns = field(default_factory=Columns)
    closed_rule: ClosedRule = "yes_no"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """All samples of a split, their images, and the evidence of what was read."""

    samples: tuple[Sample, ...]
    images: ImageStore
    evidence: Mapping[str, Any]


def load_benchmark(source: DatasetSource) -> Benchmark:
    """Read every row of the split; give samples in row order.

    Raises MissingDataError, MalformedDataError or UnreadableImageError: all before any inference.
    """
    folder = locate_folder(source.path)
    rows = _load_rows(source, folder)
    images = ImageStore()
    occurrences: Counter[str] = Counter()
    samples = []
    for index in range(len(rows)):
        where = f"{source.path}, split {source.split}, row {index}"
        read = partial(_read_image, rows, index, source.columns.image, folder)
        samples.append(_make_sample(rows[index], images.add(read, where), source, where, occurrences))
    if not samples:
        raise MalformedDataError(f"{source.path}, split {source.split}: no rows")
    return Benchmark(tuple(samples), images, _describe(source, folder, samples, images))


def locate_folder(path: str) -> Path | None:
    """The local folder of a data set: inside the package, or below $VRS_DATA_DIR by its hub id; else None."""
    if path.startswith(EMBEDDED_PREFIX):
        tasks = Path(str(importlib.resources.files("vrs_lmeval") / "tasks"))
        return tasks / path.removeprefix(EMBEDDED_PREFIX)
    data_dir = os.environ.get(DATA_DIR_VARIABLE)
    folder = Path(data_dir, path) if data_dir else None
    return folder if folder is not None and folder.is_dir() else None


def decide_answer_type(question: str, golds: tuple[str, ...], rule: ClosedRule) -> AnswerType:
    """Closed where every gold is yes or no; by `yes_no_or_choice` also where the question offers "a or b".

    The second rule recovers the official labels of VQA-RAD and SLAKE exactly (facts: 272 closed and 179 open in
    VQA-RAD's test split, checked in the tests). PathVQA takes the first: it has open questions with " or ".
    """
    if all(gold.strip().lower() in {"yes", "no"} for gold in golds):
        return "closed"
    return "closed" if rule == "yes_no_or_choice" and " or " in question.lower() else "open"


def _load_rows(source: DatasetSource, folder: Path | None) -> datasets.Dataset:
    options: dict[str, Any] = {"split": source.split}
    if source.data_files is not None:
        options["data_files"] = {source.split: source.data_files}
    if source.name is not None:
        options["name"] = source.name
    try:
        if folder is not None:
            rows = datasets.load_dataset(str(folder), **options)
        else:
            rows = datasets.load_dataset(source.path, revision=source.revision, **options)
    except (OSError, ValueError, RuntimeError) as error:  # `datasets` has no common base for "cannot get it"
        raise MissingDataError(_explain_missing(source, folder, error)) from error
    image = source.columns.image
    if image not in rows.column_names:
        raise MalformedDataError(
            f"{source.path}, split {source.split}: no column {image!r}; it has {', '.join(rows.column_names)}"
        )
    if isinstance(rows.features[image], datasets.Image):
        rows = rows.cast_column(image, datasets.Image(decode=False))
    return rows


def _explain_missing(source: DatasetSource, folder: Path | None, error: Exception) -> str:
    if folder is not None:
        return f"{source.path}, split {source.split}: cannot read the copy in {folder}: {error}"
    data_dir = os.environ.get(DATA_DIR_VARIABLE)
    state = (
        f"{DATA_DIR_VARIABLE}={data_dir} holds no folder {source.path}"
        if data_dir
        else (f"{DATA_DIR_VARIABLE} is not set")
    )
    return (
        f"The data set {source.path} could not be loaded from the Hugging Face hub ({error}), and {state}.\n"
        "Two ways to get it:\n"
        "  1. run where the hub can be reached (after `hf auth login` if the data set asks for it), or\n"
        f"  2. on a machine that reaches it, run\n"
        f"       hf download {source.path} --repo-type dataset --local-dir DIR/{source.path}\n"
        f"     copy DIR here, and set {DATA_DIR_VARIABLE}=DIR."
    )


def _read_image(rows: datasets.Dataset, index: int, column: str, folder: Path | None) -> EncodedImage:
    return encoded_image(rows[index][column], folder)


def _make_sample(
    row: Mapping[str, Any], image_id: str, source: DatasetSource, where: str, occurrences: Counter[str]
) -> Sample:
    columns = source.columns
    question = _text(row, columns.question, where)
    golds = _texts(row, columns.answer, where)
    answer_type = _optional_text(row, columns.answer_type)
    identity = "\n".join((image_id, question, *golds))
    base_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    occurrences[base_id] += 1
    repeat = occurrences[base_id]
    return Sample(
        sample_id=base_id if repeat == 1 else f"{base_id}-{repeat}",
        image_id=image_id,
        question=question,
        golds=golds,
        answer_type=_check_answer_type(answer_type, where)
        if answer_type
        else decide_answer_type(question, golds, source.closed_rule),
        options=_texts(row, columns.options, where, required=False) if columns.options else (),
        question_type=_optional_text(row, columns.question_type),
        modality=_optional_text(row, columns.modality),
    )


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise MalformedDataError(f"{where}: column {column!r} should hold text, it holds {value!r}")
    return value.strip()


def _texts(row: Mapping[str, Any], column: str, where: str, required: bool = True) -> tuple[str, ...]:
    value = row.get(column)
    texts = tuple(str(item).strip() for item in (value if isinstance(value, list) else [value]) if item is not None)
    if required and (not texts or not all(texts)):
        raise MalformedDataError(f"{where}: column {column!r} should hold an answer, it holds {value!r}")
    return texts


def _optional_text(row: Mapping[str, Any], column: str | None) -> str | None:
    value = row.get(column) if column else None
    return str(value).strip() if value is not None else None


def _check_answer_type(value: str, where: str) -> AnswerType:
    lowered = value.strip().lower()
    if lowered == "closed":
        return "closed"
    if lowered == "open":
        return "open"
    raise MalformedDataError(f"{where}: the answer type should be open or closed, it is {value!r}")


def _describe(source: DatasetSource, folder: Path | None, samples: list[Sample], images: ImageStore) -> dict[str, Any]:
    return {
        "path": source.path,
        "split": source.split,
        "revision": source.revision,
        "read_from": "hub" if folder is None else "local folder",
        "questions": len(samples),
        "images": len(images),
        "content_sha256": _hash_lines(sorted(sample.sample_id for sample in samples)),
        "images_sha256": _hash_lines(images),
        "columns": asdict(source.columns),
        "closed_rule": source.closed_rule,
    }


def _hash_lines(lines: Any) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
