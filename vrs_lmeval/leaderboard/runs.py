"""A folder that `lm_eval --output_path --log_samples` wrote -> one Run per model and task: what each sample scored."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vrs_lmeval.leaderboard.logged_json import DAMAGE, parse_json, read_text
from vrs_lmeval.leaderboard.logged_metrics import LoggedMetric, derive_values, find_derived_metrics, find_logged_metrics
from vrs_lmeval.leaderboard.shown_text import clean_name, clean_reason
from vrs_lmeval.reading.prompt_styles import was_asked
from vrs_lmeval.records import REAL, SHUFFLED
from vrs_lmeval.run_record import RunEvidence, VariantRecord, read_document

OUR_TASKS = "vrs_"
"""How the names of our tasks begin."""


class UnreadableResultsError(ValueError):
    """A results folder does not hold what a comparison needs; the message names the file and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(clean_reason(message))


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What a model answered under one variant: its text, and whether that was right and could be read."""

    text: str
    correct: float
    is_parsed: bool
    image_id: str | None  # of the image shown; None: no image
    asked: str | None = None  # the question as it was put and its options, where that is not what the data says
    prompt: str | None = None  # the whole of the text that the harness sent; None where the log does not say


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """What one sample scored: metric values by name, None where a metric does not apply."""

    sample_id: str
    image_id: str
    question: str
    golds: tuple[str, ...]
    answer_type: str
    options: tuple[str, ...]
    values: Mapping[str, float | None]
    question_type: str | None = None
    modality: str | None = None
    answers: Mapping[str, GivenAnswer] = field(default_factory=dict)  # by variant
    images: tuple[str, ...] = ()  # each of several shown together; `image_id` is of all of them


@dataclass(frozen=True, slots=True)
class Run:
    """One model on one task; `evidence` is what the task wrote of itself, `config` the whole of its configuration."""

    model: str
    task: str
    samples: tuple[ScoredSample, ...]
    config: Mapping[str, Any]
    evidence: RunEvidence
    metrics: Mapping[str, LoggedMetric]
    system_instruction: str | None
    source: Path | None = None  # the results file
    setup: Mapping[str, Any] = field(default_factory=dict)  # the harness's `config`: arguments, dtype ...
    has_chat_template: bool = False  # whether prompts went through the model's own template


def read_runs(folder: Path) -> list[Run]:
    """All VRS runs below `folder`: of each model's folder and each task the newest. Raises UnreadableResultsError."""
    runs, problems = read_readable_runs(folder)
    if problems:
        raise problems[0]
    return runs


def read_folders(folders: Sequence[Path]) -> tuple[list[Run], list[UnreadableResultsError]]:
    """All readable runs of several folders, and what cannot be read; a file below two of them counts once."""
    runs: dict[tuple[Path | None, str], Run] = {}
    problems = []
    for folder in folders:
        readable, unreadable = read_readable_runs(folder)
        runs |= {(run.source and run.source.resolve(), run.task): run for run in readable}
        problems += unreadable
    return list(runs.values()), problems


def read_readable_runs(folder: Path) -> tuple[list[Run], list[UnreadableResultsError]]:
    """As `read_runs`, but what cannot be read is returned beside the rest instead of raised."""
    files = sorted(folder.rglob("results_*.json"), key=_timestamp)
    if not files:
        return [], [
            UnreadableResultsError(f"{folder}: no results_*.json below it; give lm_eval --output_path {folder}")
        ]
    problems: list[UnreadableResultsError] = []
    newest: dict[tuple[Path, str], tuple[Path, Any]] = {}
    for path in files:
        try:
            results, tasks = read_results(path)
        except UnreadableResultsError as problem:
            problems.append(problem)
        else:
            newest |= {(path.parent, task): (path, results) for task in tasks}
    if not newest and not problems:
        problems.append(UnreadableResultsError(f"{folder}: its results hold no vrs_* task"))
    runs = []
    for (_, task), (path, results) in sorted(newest.items(), key=_by_folder):
        try:
            runs.append(read_run(path, results, task))
        except UnreadableResultsError as problem:
            problems.append(problem)
    return runs, problems


def read_results(path: Path) -> tuple[Any, list[str]]:
    """A results file, and the VRS tasks that it is of. Raises UnreadableResultsError."""
    results = _read_json(path)
    try:
        return results, [task for task, config in results["configs"].items() if _is_ours(task, config)]
    except DAMAGE as error:
        raise UnreadableResultsError(f"{path}: not the results of an lm_eval run (no `configs`)") from error


def _is_ours(task: str, config: Any) -> bool:
    """By its evidence, or by its name: one of ours that lost its evidence is damaged, not another's."""
    _expect(isinstance(config, Mapping), f"the configuration of {task}")
    return "vrs" in config or task.startswith(OUR_TASKS)


def _by_folder(item: tuple[tuple[Path, str], Any]) -> tuple[Path, str]:
    return item[0]


def _timestamp(path: Path) -> str:
    return path.stem.removeprefix("results_")


def name_samples_file(path: Path, task: str) -> Path:
    """Where the harness writes the samples of a task, beside a results file."""
    return path.parent / f"samples_{task.replace('/', '_')}_{_timestamp(path)}.jsonl"


def read_run(path: Path, results: Mapping[str, Any], task: str) -> Run:
    """One task of a results file, with its samples. Raises UnreadableResultsError."""
    samples = name_samples_file(path, task)
    if not os.path.isfile(samples):  # Path.is_file raises for a name that is too long
        raise UnreadableResultsError(f"{samples.name} is missing beside {path}; run lm_eval with --log_samples")
    evidence = read_evidence(path, results, task)
    read, metrics = _read_samples(samples, evidence)
    counted = (results.get("n-samples") or {}).get(task)
    asked = counted.get("effective") if isinstance(counted, Mapping) else None
    if asked is not None and asked != len(read):
        raise UnreadableResultsError(f"{samples}: holds {len(read)} of the {asked} questions asked; was it cut?")
    return Run(
        model=clean_name(results.get("model_name", "unknown")),
        task=clean_name(task),
        samples=tuple(read),
        config=results["configs"][task],
        evidence=evidence,
        metrics=metrics,
        system_instruction=results.get("system_instruction"),
        source=path,
        setup=results.get("config") or {},
        has_chat_template=bool(results.get("chat_template")),
    )


def _read_samples(path: Path, evidence: RunEvidence) -> tuple[list[ScoredSample], dict[str, LoggedMetric]]:
    samples: list[ScoredSample] = []
    metrics: dict[str, LoggedMetric] = {}
    columns: set[str] = set()
    # Not splitlines(): an answer may hold other line separators, which the harness writes as they are.
    try:
        lines = read_text(path).rstrip("\n").split("\n")
    except DAMAGE as error:
        raise UnreadableResultsError(f"{path}: not UTF-8 text ({error})") from error
    for number, line in enumerate(lines, start=1):
        try:
            logged = parse_json(line)
            if samples and set(logged["metrics"]) != columns:
                raise ValueError(f"its metrics are not those of line 1: {sorted(columns ^ set(logged['metrics']))[:5]}")
            columns = set(logged["metrics"])
            unseen = [name for name in logged["metrics"] if name not in metrics]
            metrics |= find_logged_metrics(unseen, evidence)
            samples.append(_read_sample(logged, metrics))
            metrics |= find_derived_metrics(samples[-1].values.keys() - metrics.keys())
        except DAMAGE as error:
            raise UnreadableResultsError(f"{path}, line {number}: not a logged VRS sample ({error!r})") from error
    twice = [name for name, times in Counter(sample.sample_id for sample in samples).items() if times > 1]
    if twice:
        raise UnreadableResultsError(f"{path}: holds {len(twice)} questions more than once, e.g. {twice[0]}")
    return samples, metrics


def _read_sample(logged: Mapping[str, Any], metrics: Mapping[str, LoggedMetric]) -> ScoredSample:
    values = {name: logged[name] for name in logged["metrics"] if name in metrics}
    for name, value in values.items():
        try:
            metrics[name].check(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    sample, records = read_document(logged["doc"])
    shown = [records[name] for name in (REAL, SHUFFLED) if name in records]
    values |= derive_values(values, is_read=all(record.value is not None for record in shown))
    return ScoredSample(
        sample.sample_id,
        sample.image_id,
        sample.question,
        sample.golds,
        sample.answer_type,
        sample.options,
        values,
        sample.question_type,
        sample.modality,
        _read_answers(records, logged.get("filtered_resps") or [], _read_prompts(logged.get("arguments"))),
        sample.images,
    )


def read_evidence(path: Path, results: Mapping[str, Any], task: str) -> RunEvidence:
    """What a task wrote of itself, with a check of what else is read of the results. Raises UnreadableResultsError."""
    config = results["configs"][task]
    try:
        setup = results.get("config") or {}
        for name, part in {
            "metadata": config.get("metadata"),
            "n-samples": results.get("n-samples"),
            "config": setup,
        }.items():
            _expect(part is None or isinstance(part, Mapping), name)
        limit = setup.get("limit")
        _expect(limit is None or (isinstance(limit, int | float) and 0 <= limit < 1e9), "config.limit")
        missing = setup.get("vrs_missing_weights")
        _expect(missing is None or isinstance(missing, list), "config.vrs_missing_weights")
        again = setup.get("vrs_cold_warm")
        _expect(again is None or _is_cold_warm(again), "config.vrs_cold_warm")
        return RunEvidence.read(config["vrs"])
    except DAMAGE as error:
        raise UnreadableResultsError(
            f"{path}: the evidence of {task} is not as a VRS task writes it ({error!r})"
        ) from error


def _is_cold_warm(again: Any) -> bool:
    """Whether it says how many questions were asked again warm, and how many texts changed."""
    if not isinstance(again, Mapping):
        return False
    warm, changed = again.get("warm"), again.get("changed")
    return isinstance(warm, int) and isinstance(changed, int) and 0 <= changed <= warm < 1e9


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(what)


def _read_answers(
    records: Mapping[str, VariantRecord], texts: Sequence[Any], prompts: Sequence[str | None]
) -> dict[str, GivenAnswer]:
    """The harness logs the texts in the order of the variants; by likelihood, a pair for each option of each.

    A variant that the model could not be asked under has no record.
    """
    was = [was_asked(text) for text in texts]
    texts = [text for text, asked in zip(texts, was, strict=True) if asked]
    prompts = [p for p, asked in zip(prompts, was, strict=True) if asked] if len(prompts) == len(was) else ()
    prompts = prompts or [None] * len(texts)
    if texts and isinstance(texts[0], list):
        count = len(texts) // len(records)
        texts = [_show_likelihoods(texts[start : start + count]) for start in range(0, len(texts), count)]
        prompts = prompts[::count]
    return {
        name: GivenAnswer(
            str(text), record.correct, record.value is not None, record.image_id, _show_asked(record), prompt
        )
        for (name, record), text, prompt in zip(records.items(), texts, prompts, strict=True)
    }


def _read_prompts(arguments: Any) -> list[str | None]:
    """The text of each request: the harness logs its arguments by number. Equal texts are one object: they are many."""
    if not isinstance(arguments, Mapping):
        return []
    kept: dict[str, str] = {}
    found = [each.get("arg_0") if isinstance(each, Mapping) else None for each in arguments.values()]
    return [kept.setdefault(text, text) if isinstance(text, str) else None for text in found]


def _show_asked(record: VariantRecord) -> str | None:
    """What was asked in place of the question as the data has it: other words, or options in another order."""
    options = ", ".join(
        f"{letter}. {text}" for letter, text in zip(ascii_uppercase, record.options or (), strict=False)
    )
    return " ".join(filter(None, (record.question, options))) or None


def _show_likelihoods(pairs: Sequence[Sequence[Any]]) -> str:
    """The harness logs the numbers of a pair as text."""
    return ", ".join(
        f"{letter}: {float(value):.2f}" for letter, (value, _) in zip(ascii_uppercase, pairs, strict=False)
    )


def _read_json(path: Path) -> Any:
    try:
        return parse_json(read_text(path))
    except DAMAGE as error:
        raise UnreadableResultsError(f"{path}: not valid JSON ({error}); was the run interrupted?") from error
