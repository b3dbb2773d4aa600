"""Samples: takes a data set's published rows (`sources.py`), gives its questions with stable ids, and their images."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from vrs_lmeval.benchmark.bad_rows import BadRows
from vrs_lmeval.benchmark.decoding import EncodedImage
from vrs_lmeval.benchmark.images import ImageStore, UnreadableImageError, hash_image_set
from vrs_lmeval.benchmark.region_files import RegionFiles, describe_regions
from vrs_lmeval.benchmark.row_checks import (
    check_encodable,
    check_question,
    count_unanswerable,
    is_outside_options,
    name_row,
    read_gold_text,
)
from vrs_lmeval.benchmark.row_shapes import ROW_SHAPES
from vrs_lmeval.benchmark.row_text import MISSING_OPTION, collapse_spaces, drop_option_letters, find_gold_option
from vrs_lmeval.benchmark.sources import (
    LOCAL_FOLDER,
    ClosedRule,
    Columns,
    DatasetSource,
    MalformedDataError,
    open_table,
)
from vrs_lmeval.benchmark.table import Table
from vrs_lmeval.reading import chinese
from vrs_lmeval.reading.chinese_characters import has_han
from vrs_lmeval.reading.option_names import count_collisions
from vrs_lmeval.records import AnswerType, Sample

logger = logging.getLogger(__name__)

PLAIN_COLUMNS = Columns(
    options="options",
    answer_type="answer_type",
    question_type="question_type",
    modality="modality",
    paraphrase_group="paraphrase_group",
)
"""The columns of the rows that `row_shapes` gives, beside "set"."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """All samples of a split, their images, and the evidence of what was read."""

    samples: tuple[Sample, ...]
    images: ImageStore
    evidence: Mapping[str, Any]


def load_benchmark(source: DatasetSource) -> Benchmark:
    """Read every row of the split; give samples in row order.

    Raises MissingDataError, MalformedDataError or UnreadableImageError: all before any inference, and of all bad rows
    at once. With `on_error: skip` those are left out, and the evidence names them.
    """
    if source.shape is not None and source.shape not in ROW_SHAPES:
        raise ValueError(f"{source.path}: no row shape {source.shape!r}; there are {', '.join(ROW_SHAPES)}")
    table = open_table(source)
    images = ImageStore()
    rows: dict[str, str] = {}
    bad = BadRows()
    samples = list(_read_samples(source, table, images, rows, bad))
    skipped = bad.settle(source.on_error, len(table.rows), f"{source.path}, split {source.split}")
    if source.image_share is not None:
        samples = [sample for sample in samples if _is_in_share(sample.image_id, source.image_share)]
    images.keep({image_id for sample in samples for image_id in sample.images})
    if not samples:
        raise MalformedDataError(f"{source.path}, split {source.split}: no rows")
    samples = _count_sets(samples)
    evidence = _describe(source, table, images) | _describe_rows(samples) | skipped
    if source.regions is not None:
        evidence |= describe_regions(samples)
    if source.accept_golds_of_duplicates:
        own, samples = samples, accept_golds_of_duplicates(samples)
        grown = sum(one.golds != other.golds for one, other in zip(own, samples, strict=True))
        evidence |= {"questions_with_golds_of_duplicates": grown}
        logger.warning(  # the harness shows no lesser message of a plugin's
            "%s: %d of %d questions repeat an image and question; %d accept the golds of their repetitions as well",
            source.path,
            evidence["repeated_questions"],
            len(samples),
            grown,
        )
    evidence |= {"unanswerable_golds": count_unanswerable(samples, rows, source.path)}
    for remark, count in sorted(images.remarks.items()):
        logger.warning("%s: %d image files: %s", source.path, count, remark)
    return Benchmark(tuple(samples), images, evidence)


def _read_samples(
    source: DatasetSource, table: Table, images: ImageStore, rows: dict[str, str], bad: BadRows
) -> Iterator[Sample]:
    """The sample or samples of each row; `rows` learns the row of each sample id, `bad` the rows that have none."""
    columns = PLAIN_COLUMNS if source.shape else source.columns
    _check_columns(source, table, columns)
    region_files = RegionFiles(source.regions, table)
    occurrences: Counter[str] = Counter()
    for index in range(len(table.rows)):
        name = name_row(table.rows[index].get(columns.row, index) if columns.row else index)
        where = f"{source.path}, split {source.split}, row {name}"
        try:
            samples = _read_row(source, table, index, images, region_files, where)
        except (MalformedDataError, UnreadableImageError) as error:
            bad.add(name, error)
            continue
        for sample in samples:
            occurrences[sample.sample_id] += 1
            repeat = occurrences[sample.sample_id]
            sample = sample if repeat == 1 else replace(sample, sample_id=f"{sample.sample_id}-{repeat}")
            rows[sample.sample_id] = name
            yield sample


def _read_row(
    source: DatasetSource, table: Table, index: int, images: ImageStore, region_files: RegionFiles, where: str
) -> list[Sample]:
    """The samples of a published row; ids of equal ones are equal. Raises MalformedDataError, UnreadableImageError."""
    columns = PLAIN_COLUMNS if source.shape else source.columns
    samples = []
    for part, row in enumerate(_shape_row(source, table, index, where)):
        shown = row.get(columns.image)
        image_ids = [
            images.add(partial(_read_image, source, table, index, part, place), where)
            for place in range(len(shown) if isinstance(shown, list) else 1)
        ]
        if not image_ids:
            raise MalformedDataError(f"{where}: column {columns.image!r} holds no image")
        try:
            sample = _make_sample(row, tuple(image_ids), source, columns, where)
        except MalformedDataError:
            raise
        except (ValueError, TypeError, ArithmeticError) as error:  # a number of 5,000 digits as an option ...
            raise MalformedDataError(f"{where}: cannot be read: {error}") from error
        samples.append(replace(sample, regions=region_files.find(shown, where)))
    return samples


def _check_columns(source: DatasetSource, table: Table, columns: Columns) -> None:
    """Raises MalformedDataError where a whole split lacks a column that each of its rows is read by."""
    there = getattr(table.rows, "column_names", None)
    for column in (columns.row, None if source.shape else columns.image):
        if column is not None and there is not None and column not in there:
            raise MalformedDataError(
                f"{source.path}, split {source.split}: no column {column!r}; it has {', '.join(there)}"
            )


def _shape_row(source: DatasetSource, table: Table, index: int, where: str) -> list[Mapping[str, Any]]:
    """The plain rows of one published row: itself, where the task names no shape."""
    if source.shape is None:
        return [table.rows[index]]
    shape: Callable[..., Any] = ROW_SHAPES[source.shape]
    try:
        return list(shape(table.rows[index]))
    except KeyError as error:
        raise MalformedDataError(
            f"{where}: no {error.args[0]!r} in it, which {source.shape!r} rows have; "
            f"it has {', '.join(map(str, table.rows[index]))}"
        ) from error
    except (ValueError, TypeError, SyntaxError, AttributeError, IndexError, RecursionError, MemoryError) as error:
        # The last two: `ast.literal_eval` of a text that is nested too deep, by Python's version.
        raise MalformedDataError(f"{where}: not a row of shape {source.shape!r}: {error}") from error


def _read_image(source: DatasetSource, table: Table, index: int, part: int, place: int) -> EncodedImage:
    """Read from the row again each time: a request then holds where its image is, and not its bytes."""
    if source.shape is None:
        shown = table.rows[index][source.columns.image]
    else:
        shown = ROW_SHAPES[source.shape](table.rows[index])[part][PLAIN_COLUMNS.image]
    return table.read_image(shown[place] if isinstance(shown, list) else shown)


def _is_in_share(image_id: str, share: float) -> bool:
    """Whether the image is of the share that a task keeps: by its content, so the same in any order and version."""
    drawn = int.from_bytes(hashlib.sha256(f"share:{image_id}".encode()).digest()[:8], "big")
    return drawn < share * 2**64


def _count_sets(samples: Sequence[Sample]) -> list[Sample]:
    """The same samples; each knows how many its set has, so that a run with a limit can tell whole sets from parts."""
    sizes = Counter(sample.set_id for sample in samples)
    return [sample if sample.set_id is None else replace(sample, set_size=sizes[sample.set_id]) for sample in samples]


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

    Chinese questions: "A还是B" offers, and yes or no is what "...吗" and "是否 ..." are answered by (`chinese.py`).
    The second rule recovers the official labels of VQA-RAD and SLAKE exactly (facts: 272 closed and 179 open in
    VQA-RAD's test split, checked in the tests). PathVQA takes the first: it has open questions with " or ".
    """
    if has_han(question):
        polar = all(chinese.read_yes_no(gold, question).is_parsed for gold in golds)
        offers = rule == "yes_no_or_choice" and bool(chinese.find_alternatives(question))
        return "closed" if options or offers or (polar and chinese.asks_yes_no(question)) else "open"
    if options or all(gold.strip().lower() in {"yes", "no"} for gold in golds):
        return "closed"
    return "closed" if rule == "yes_no_or_choice" and " or " in question.lower() else "open"


def _make_sample(
    row: Mapping[str, Any],
    image_ids: tuple[str, ...],
    source: DatasetSource,
    columns: Columns,
    where: str,
) -> Sample:
    """The sample of a plain row; its id is that of its content, which another row may have as well."""
    question = _text(row, columns.question, where)
    options = _options(row, columns.options, where)
    check_question(question, options, where)
    golds = tuple(find_gold_option(gold, options) or gold for gold in _golds(row, columns.answer, where))
    answer_type = _optional_text(row, columns.answer_type)
    image_id = hash_image_set(image_ids)
    named = (columns.question_type, columns.modality, columns.paraphrase_group, "set" if source.shape else None)
    question_type, modality, paraphrase_group, set_id = (_optional_text(row, column) for column in named)
    check_encodable((question, *golds, *options, question_type, modality, paraphrase_group, set_id), where)
    identity = "\n".join((image_id, question, *golds, *options))
    return Sample(
        sample_id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        image_id=image_id,
        question=question,
        golds=golds,
        answer_type=_check_answer_type(answer_type, where)
        if answer_type
        else decide_answer_type(question, golds, source.closed_rule, options),
        options=options,
        image_ids=image_ids if len(image_ids) > 1 else (),
        question_type=question_type,
        modality=modality,
        set_id=set_id,
        paraphrase_group=paraphrase_group,
    )


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise MalformedDataError(f"{where}: column {column!r} should hold text, it holds {value!r}")
    return collapse_spaces(value)


def _golds(row: Mapping[str, Any], column: str, where: str) -> tuple[str, ...]:
    value = row.get(column)
    items = value if isinstance(value, list) else [value]
    golds = tuple(collapse_spaces(read_gold_text(item, column, where)) for item in items if item is not None)
    if not golds or not all(golds):
        raise MalformedDataError(f"{where}: column {column!r} should hold an answer, it holds {value!r}")
    return golds


def _options(row: Mapping[str, Any], column: str | None, where: str) -> tuple[str, ...]:
    value = (row.get(column) if column else None) or []
    if not isinstance(value, list):  # the letters of a text would otherwise become options
        raise MalformedDataError(f"{where}: column {column!r} should hold a list of options, it holds {value!r}")
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


def _describe(source: DatasetSource, table: Table, images: ImageStore) -> dict[str, Any]:
    return {
        "path": LOCAL_FOLDER if source.takes_absolute else source.path,
        "split": source.split,
        "revision": table.revision,
        "revision_asked_for": source.revision,
        "data_files": source.data_files,
        "archive": source.archive,
        "shape": source.shape,
        "image_share": source.image_share,
        "read_from": table.read_from,
        "images": len(images),
        "images_sha256": _hash_lines(images),
        "columns": asdict(source.columns),
        "closed_rule": source.closed_rule,
        "accept_golds_of_duplicates": source.accept_golds_of_duplicates,
        **({"image_remarks": dict(sorted(images.remarks.items()))} if images.remarks else {}),
    }


def _describe_rows(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "questions": len(samples),
        "questions_with_several_images": sum(len(sample.images) > 1 for sample in samples),
        "sets": len({sample.set_id for sample in samples if sample.set_id is not None}),
        "content_sha256": _hash_lines(sorted(sample.sample_id for sample in samples)),
        "repeated_questions": len(samples) - len({_shown(sample) for sample in samples}),
        "golds_outside_options": sum(is_outside_options(sample) for sample in samples),
        "questions_with_options_of_equal_words": sum(count_collisions(sample.options) > 0 for sample in samples),
    }


def _hash_lines(lines: Any) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
