"""What a run writes about a VRS task and the leaderboard reads: the same classes write it as JSON and read it back.

A run writes one `RunEvidence` (in the results file, `configs.<task>.vrs`), and one document for each question. The
document holds the sample, and under `variants` a `VariantRecord` for each variant. `RECORD_VERSION` is raised when a
field is added or changes its meaning; `read` then says what an older record lacks. Version 1 is what vrs_lmeval 0.1
wrote: it names neither its version nor the metrics. Version 2 knows only variants of the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from vrs_lmeval.records import Answer, Sample, Score

RECORD_VERSION = 3

DOCUMENT_KEY = "variants"
"""The key under which a logged document holds what each variant showed and how its answer was read."""


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """How to read a metric's logged values: the name of its form, and its unit with its range (None: no limit).

    `needs` are the variants that it compares.
    """

    form: str
    unit: str
    low: float | None
    high: float | None
    needs: tuple[str, ...] = ()

    @staticmethod
    def read(logged: Any) -> MetricRecord:
        """The record from its logged form. Raises ValueError if it is no such record."""
        _expect(isinstance(logged, Mapping) and isinstance(logged.get("form"), str), f"{logged!r} is no metric")
        low, high = (_read_limit(logged.get(name)) for name in ("low", "high"))
        _expect(low is None or high is None or low < high, f"a range from {low} to {high}")
        needs = logged.get("needs") or []
        _expect(isinstance(needs, list) and all(isinstance(name, str) for name in needs), f"needs is {needs!r}")
        return MetricRecord(logged["form"], str(logged.get("unit", "")), low, high, tuple(needs))


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One question under one variant: the image shown, the answer as it was understood, and its score.

    `image_id` is None if no image was shown. `named` is None in a record of version 1, which does not know it.
    `question` and `options` are what was asked, if that differs from the data. `remark` is what the text says about the
    image (`image_remarks`); None if it says nothing, and in a record of version 1 or 2.
    """

    image_id: str | None
    value: str | None
    reason: str | None
    correct: float
    token_f1: float
    token_recall: float
    named: float | None = None
    question: str | None = None
    options: tuple[str, ...] | None = None
    remark: str | None = None

    @staticmethod
    def make(
        image_id: str | None,
        answer: Answer,
        score: Score,
        question: str | None = None,
        options: tuple[str, ...] | None = None,
        remark: str | None = None,
    ) -> VariantRecord:
        """The record of what was shown, how the answer was read, and how it was scored."""
        return VariantRecord(
            image_id, **asdict(answer), **asdict(score), question=question, options=options, remark=remark
        )

    def write(self) -> dict[str, Any]:
        """The record as the log holds it; optional fields without a value are left out."""
        written = {name: value for name, value in asdict(self).items() if value is not None or name not in _RARE}
        return written | ({"options": list(self.options)} if self.options is not None else {})

    def asked(self, sample: Sample) -> Sample:
        """The question as it was put; `sample` is the question as the data has it."""
        question = sample.question if self.question is None else self.question
        return replace(sample, question=question, options=sample.options if self.options is None else self.options)

    @staticmethod
    def read(logged: Any) -> VariantRecord:
        """The record from its logged form; raises ValueError if it is no such record."""
        _expect(isinstance(logged, Mapping), f"{logged!r} is no answer to a variant")
        may_lack = {"named", *_RARE}
        missing = [each.name for each in fields(VariantRecord) if each.name not in logged and each.name not in may_lack]
        _expect(not missing, f"an answer lacks {', '.join(missing)}")
        value, reason = logged["value"], logged["reason"]
        _expect(value is None or isinstance(value, str), f"value is {value!r}")
        _expect(reason is None or isinstance(reason, str), f"reason is {reason!r}")
        scores = {name: _read_number(logged[name]) for name in ("correct", "token_f1", "token_recall")}
        named, image_id, question, options, remark = (
            logged.get(name) for name in ("named", "image_id", "question", "options", "remark")
        )
        _expect(question is None or isinstance(question, str), f"question is {question!r}")
        _expect(remark is None or isinstance(remark, str), f"remark is {remark!r}")
        is_list = isinstance(options, list) and all(isinstance(option, str) for option in options)
        _expect(options is None or is_list, f"options is {options!r}")
        return VariantRecord(
            None if image_id is None else str(image_id),
            value,
            reason,
            **scores,
            named=None if named is None else _read_number(named),
            question=question,
            options=None if options is None else tuple(options),
            remark=remark,
        )


_RARE = ("question", "options", "remark")
"""Fields that are empty in most records; an empty one is left out."""


def write_document(sample: Sample) -> dict[str, Any]:
    """The harness's document of a question; `variants` is added to it when it has been answered.

    It leaves out the regions of the image: no reader of a log needs them, and requests say which box they covered.
    """
    document = asdict(sample)
    del document["regions"]
    document |= {"golds": list(sample.golds), "options": list(sample.options), "image_ids": list(sample.images)}
    document["answer"] = sample.golds[0]
    return document


_OPTIONAL_TEXTS = ("question_type", "modality", "set_id", "paraphrase_group")


def read_document(document: Mapping[str, Any]) -> tuple[Sample, dict[str, VariantRecord]]:
    """A logged document -> its question, and the record of every variant. Raises KeyError and ValueError."""
    texts = {name: document[name] for name in ("sample_id", "image_id", "question", "answer_type")}
    texts |= {name: document.get(name) for name in _OPTIONAL_TEXTS if document.get(name) is not None}
    for name, text in texts.items():
        _expect(isinstance(text, str), f"{name} is {text!r}")
    lists = {"golds": document["golds"], "options": document["options"], "image_ids": document.get("image_ids") or []}
    for name, value in lists.items():
        _expect(isinstance(value, list) and all(isinstance(text, str) for text in value), f"{name} is {value!r}")
    size = document.get("set_size", 1)
    _expect(isinstance(size, int), f"set_size is {size!r}")
    given: dict[str, Any] = {**texts, **{name: tuple(value) for name, value in lists.items()}, "set_size": size}
    sample = Sample(**given)
    logged = document.get(DOCUMENT_KEY) or {}
    _expect(isinstance(logged, Mapping), f"{DOCUMENT_KEY} is {logged!r}")
    return sample, {name: VariantRecord.read(record) for name, record in logged.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvidence:
    """What was run, with everything that two runs must share to be compared.

    `dataset` is the data's evidence; `variants` holds the variants with their parameters, in order. `metrics` says how
    to read each logged metric; None in a record of version 1. If `vrs rescore` read the answers again,
    `rescored_from` names the parser that read them first.
    """

    dataset: Mapping[str, Any]
    variants: tuple[Mapping[str, Any], ...]
    parser_version: Any
    variants_version: Any = None
    partners: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Any] = field(default_factory=dict)
    claims_version: Any = None
    remarks_version: Any = None
    codec: str | None = None
    prompt_style: str | None = None
    extension: Any = None
    packages: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, MetricRecord] | None = None
    record_version: int = RECORD_VERSION
    rescored_from: Mapping[str, Any] | None = None

    def write(self) -> dict[str, Any]:
        """The evidence as the results file holds it."""
        return asdict(self) | {"variants": [dict(variant) for variant in self.variants]}

    @staticmethod
    def read(logged: Any) -> RunEvidence:
        """The evidence of any version. Raises ValueError, which names the field, if no version wrote this."""
        _expect(isinstance(logged, Mapping), "it is no mapping")
        version = logged.get("record_version", 1)
        _expect(isinstance(version, int), f"record_version is {version!r}")
        _expect(
            version <= RECORD_VERSION,
            f"it is of version {version}, and this vrs_lmeval reads up to {RECORD_VERSION}: upgrade vrs_lmeval",
        )
        _expect("parser_version" in logged, "parser_version is missing")
        for name in ("dataset", "partners", "baselines", "packages", "rescored_from"):
            _expect(isinstance(logged.get(name) or {}, Mapping), f"{name} is {logged.get(name)!r}")
        _expect(isinstance(logged.get("dataset"), Mapping), "dataset is missing")
        variants = logged.get("variants")
        _expect(isinstance(variants, list) and all(map(_has_name, variants)), f"variants is {variants!r}")
        given = {each.name: logged[each.name] for each in fields(RunEvidence) if logged.get(each.name) is not None}
        return RunEvidence(
            **given
            | {
                "variants": tuple(variants),
                "parser_version": logged["parser_version"],
                "metrics": _read_metrics(logged.get("metrics"), version),
                "record_version": version,
            }
        )

    @property
    def skipped_rows(self) -> tuple[int, int] | None:
        """(rows of the data that could not be read and were left out, of how many); None where all were asked."""
        logged = self.dataset.get("skipped_rows")
        count, of = (logged.get("count"), logged.get("of")) if isinstance(logged, Mapping) else (None, None)
        return (count, of) if isinstance(count, int) and isinstance(of, int) else None

    @property
    def variant_names(self) -> list[str]:
        """The names of the variants, in the order in which every question was asked."""
        return [variant["name"] for variant in self.variants]


def _read_metrics(logged: Any, version: int) -> dict[str, MetricRecord] | None:
    if version == 1:
        return None
    _expect(isinstance(logged, Mapping), f"metrics is {logged!r}")
    return {name: MetricRecord.read(record) for name, record in logged.items()}


def _has_name(variant: Any) -> bool:
    return isinstance(variant, Mapping) and isinstance(variant.get("name"), str)


def _read_limit(value: Any) -> float | None:
    return None if value is None else _read_number(value)


def _read_number(value: Any) -> float:
    _expect(isinstance(value, int | float), f"{value!r} is no number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("a number beyond all floats") from error
    _expect(math.isfinite(number), f"{number!r} is no number")
    return number


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(what)
