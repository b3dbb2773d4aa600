"""Data set rows -> samples: from the hub, from a local folder that mirrors it, or from the embedded benchmark."""

from __future__ import annotations

import hashlib
import importlib.resources
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import datasets

from vrs_lmeval.images import EncodedImage, ImageStore, encoded_image
from vrs_lmeval.records import AnswerType, Sample
from vrs_lmeval.row_text import MISSING_OPTION, collapse_spaces, drop_option_letters, find_gold_option

logger = logging.getLogger(__name__)

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
    questions where no `answer_type` column does (see `decide_answer_type`). `data_files` is a pattern below the data
    set's folder, the same on the hub and in a mirror of it; nothing else is downloaded. With
    `accept_golds_of_duplicates`, each row accepts the golds of all rows with its image and question.
    """

    path: str
    split: str
    name: str | None = None
    revision: str | None = None
    data_files: str | None = None
    columns: Columns = field(default_factory=Columns)
    closed_rule: ClosedRule = "yes_no"
    accept_golds_of_duplicates: bool = False


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
    evidence = _describe(source, folder, images) | _describe_rows(samples)
    if source.accept_golds_of_duplicates:
        own, samples = samples, accept_golds_of_duplicates(samples)
        grown = sum(one.golds != other.golds for one, other in zip(own, samples, strict=True))
        evidence |= {"questions_with_golds_of_duplicates": grown}
    if outside := evidence["golds_outside_options"]:
        logger.warning("%s: %d questions have a gold that is none of their options: always wrong", source.path, outside)
    return Benchmark(tuple(samples), images, evidence)


def locate_folder(path: str) -> Path | None:
    """The local folder of a data set: inside the package, or below $VRS_DATA_DIR by its hub id; else None."""
    if path.startswith(EMBEDDED_PREFIX):
        tasks = Path(str(importlib.resources.files("vrs_lmeval") / "tasks"))
        return tasks / path.removeprefix(EMBEDDED_PREFIX)
    data_dir = os.environ.get(DATA_DIR_VARIABLE)
    folder = Path(data_dir, path) if data_dir else None
    return folder if folder is not None and folder.is_dir() else None


def accept_golds_of_duplicates(samples: Sequence[Sample]) -> list[Sample]:
    """The same samples; each accepts, after its own golds, those of all samples with its image, question and options.

    PathVQA asks "what is present?" up to four times of one image, each time with another gold: no answer could be
    right in all of them. Ids and answer types stay those of the row itself.
    """
    golds: dict[tuple[Any, ...], set[str]] = {}
    for sample in samples:
        golds.setdefault(_shown(sample), set()).update(sample.golds)
    return [
        replace(sample, golds=(*sample.golds, *sorted(golds[_shown(sample)] - set(sample.golds)))) for sample in samples
    ]


def _shown(sample: Sample) -> tuple[Any, ...]:
    """What a model is shown of a sample: equal for duplicates."""
    return sample.image_id, sample.question, sample.options


def decide_answer_type(
    question: str, golds: tuple[str, ...], rule: ClosedRule, options: tuple[str, ...] = ()
) -> AnswerType:
    """Closed where there are options, or every gold is yes or no; by `yes_no_or_choice` also where the question
    offers "a or b".

    The second rule recovers the official labels of VQA-RAD and SLAKE exactly (facts: 272 closed and 179 open in
    VQA-RAD's test split, checked in the tests). PathVQA takes the first: it has open questions with " or ".
    """
    if options or all(gold.strip().lower() in {"yes", "no"} for gold in golds):
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
    only = f' --include "{source.data_files}"' if source.data_files else ""  # OctoMed/PMC-VQA has 16.5 GB besides
    return (
        f"The data set {source.path} could not be loaded from the Hugging Face hub ({error}), and {state}.\n"
        "Two ways to get it:\n"
        "  1. run where the hub can be reached (after `hf auth login` if the data set asks for it), or\n"
        f"  2. on a machine that reaches it, run\n"
        f"       hf download {source.path} --repo-type dataset{only} --local-dir DIR/{source.path}\n"
        f"     copy DIR here, and set {DATA_DIR_VARIABLE}=DIR."
    )


def _read_image(rows: datasets.Dataset, index: int, column: str, folder: Path | None) -> EncodedImage:
    return encoded_image(rows[index][column], folder)


def _make_sample(
    row: Mapping[str, Any], image_id: str, source: DatasetSource, where: str, occurrences: Counter[str]
) -> Sample:
    columns = source.columns
    question = _text(row, columns.question, where)
    options = _options(row, columns.options)
    golds = tuple(find_gold_option(gold, options) or gold for gold in _golds(row, columns.answer, where))
    answer_type = _optional_text(row, columns.answer_type)
    identity = "\n".join((image_id, question, *golds, *options))
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
        else decide_answer_type(question, golds, source.closed_rule, options),
        options=options,
        question_type=_optional_text(row, columns.question_type),
        modality=_optional_text(row, columns.modality),
    )


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise MalformedDataError(f"{where}: column {column!r} should hold text, it holds {value!r}")
    return collapse_spaces(value)


def _golds(row: Mapping[str, Any], column: str, where: str) -> tuple[str, ...]:
    value = row.get(column)
    items = value if isinstance(value, list) else [value]
    golds = tuple(collapse_spaces(str(item)) for item in items if item is not None)
    if not golds or not all(golds):
        raise MalformedDataError(f"{where}: column {column!r} should hold an answer, it holds {value!r}")
    return golds


def _options(row: Mapping[str, Any], column: str | None) -> tuple[str, ...]:
    value = (row.get(column) if column else None) or []
    texts = (collapse_spaces(str(item)) if item is not None else "" for item in value)
    return tuple(option or MISSING_OPTION for option in drop_option_letters(tuple(texts)))


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


def _describe(source: DatasetSource, folder: Path | None, images: ImageStore) -> dict[str, Any]:
    return {
        "path": source.path,
        "split": source.split,
        "revision": source.revision,
        "data_files": source.data_files,
        "read_from": "hub" if folder is None else "local folder",
        "images": len(images),
        "images_sha256": _hash_lines(images),
        "columns": asdict(source.columns),
        "closed_rule": source.closed_rule,
        "accept_golds_of_duplicates": source.accept_golds_of_duplicates,
    }


def _describe_rows(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "questions": len(samples),
        "content_sha256": _hash_lines(sorted(sample.sample_id for sample in samples)),
        "repeated_questions": len(samples) - len({_shown(sample) for sample in samples}),
        "golds_outside_options": sum(
            bool(sample.options) and not set(sample.golds) & set(sample.options) for sample in samples
        ),
    }


def _hash_lines(lines: Any) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
