"""Old logs under today's parser, without a model: takes results folders, writes them anew with every answer read again.

A log holds the models' texts, the questions with their golds, and what each variant showed. What is not in it stays as
it was logged: the baselines of each question (`vrs_ceiling`, `acc_majority`, `acc_question_only`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vrs_lmeval.leaderboard.runs import UnreadableResultsError, name_samples_file, read_evidence
from vrs_lmeval.metrics.metric import Metric
from vrs_lmeval.metrics.question import CEILING, CLAIM, LIKELIHOODS, MAJORITY, QUESTION_ONLY, majority_by
from vrs_lmeval.metrics.scored_question import score_question
from vrs_lmeval.metrics.selection import BREAKDOWNS, choose_metrics, columns_of, name_part
from vrs_lmeval.reading.answers import PARSER_VERSION
from vrs_lmeval.reading.prompt_styles import STYLES
from vrs_lmeval.reading.visual_claims import CLAIMS_VERSION
from vrs_lmeval.records import Sample
from vrs_lmeval.run_record import DOCUMENT_KEY, RECORD_VERSION, RunEvidence, read_document

METRIC_OF_KNOWN = {CEILING: "vrs_ceiling", MAJORITY: "acc_majority", QUESTION_ONLY: "acc_question_only"}
"""What a task knows of a question -> the metric under which it was logged."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """One task of one run: how many answers are read otherwise than they were, of how many."""

    source: Path
    target: Path
    task: str
    parser_version: Any  # of the log
    answers: int
    changed: int


def rescore(folders: Sequence[Path], output: Path) -> list[Rescored]:
    """Every VRS run below `folders`, written below `output` as the harness would; group rows are left out.

    The newest results of a model's folder keep their file names. Raises UnreadableResultsError, naming the file, before
    anything is written, and where `output` is one of the folders.
    """
    for folder in folders:
        if output.resolve() == folder.resolve():
            raise UnreadableResultsError(f"{output}: give --output another folder, the old results stay as they are")
    written: list[tuple[Path, str]] = []
    done: list[Rescored] = []
    for folder in folders:
        files = sorted(folder.rglob("results_*.json"))
        if not files:
            raise UnreadableResultsError(f"{folder}: no results_*.json below it")
        for path in files:
            target = output / (folder.name if len(folders) > 1 else "") / path.parent.relative_to(folder)
            files_of_run, rescored = _rescore_file(path, target)
            written += files_of_run
            done += rescored
    for path, content in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return done


def _rescore_file(path: Path, target: Path) -> tuple[list[tuple[Path, str]], list[Rescored]]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        tasks = [task for task, config in results["configs"].items() if "vrs" in config]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableResultsError(f"{path}: not the results of an lm_eval run ({error!r})") from error
    files, done = [], []
    new = {**results, "results": {}, "configs": {}, "groups": {}, "group_subtasks": {}}
    for task in tasks:
        evidence = read_evidence(path, results, task)
        samples = name_samples_file(path, task)
        if not samples.is_file():
            raise UnreadableResultsError(f"{samples.name} is missing beside {path}; it was run without --log_samples")
        lines, changed, answers, metrics, values = _rescore_samples(samples, evidence)
        files.append((target / samples.name, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)))
        new["configs"][task] = {**results["configs"][task], "vrs": _describe(evidence, metrics)}
        shown = {f"{name},none": number for name, number in values.items()}
        new["results"][task] = {"alias": task, **shown}
        done.append(Rescored(path, target / path.name, task, evidence.parser_version, answers, changed))
    files.append((target / path.name, json.dumps(new, indent=2, ensure_ascii=False)))
    return (files if tasks else []), done


def _describe(evidence: RunEvidence, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """With the versions that read the answers now, and the one that did before."""
    before = evidence.rescored_from or {"parser_version": evidence.parser_version}
    return replace(
        evidence,
        parser_version=PARSER_VERSION,
        claims_version=CLAIMS_VERSION,
        record_version=RECORD_VERSION,
        metrics={name: metric.describe() for name, metric in metrics.items()},
        rescored_from=before,
    ).write()


def _rescore_samples(
    path: Path, evidence: RunEvidence
) -> tuple[list[dict[str, Any]], int, int, dict[str, Metric], dict[str, float]]:
    """The lines anew, how many answers are read otherwise, of how many, the metrics, and what the table shows."""
    logged = _read_lines(path)
    style = STYLES.get(evidence.prompt_style or "short")
    if style is None:
        raise UnreadableResultsError(f"{path}: no prompt style {evidence.prompt_style!r} is known here")
    names = {name for line in logged for name in line["metrics"]}
    samples = [_read_question(path, number, line) for number, line in enumerate(logged, start=1)]
    by = [field for field in BREAKDOWNS if any(name.startswith(f"acc_{field}_") for name in names)]
    known = {CLAIM if style.asks_for_text else LIKELIHOODS}
    known |= {what for what, metric in METRIC_OF_KNOWN.items() if metric in names}
    known |= {majority_by(field) for field in by if any(n.startswith(f"acc_majority_{field}_") for n in names)}
    metrics = choose_metrics(evidence.variant_names, known, by, samples)
    columns = columns_of(metrics)
    lines, changed, answers = [], 0, 0
    for number, (line, sample) in enumerate(zip(logged, samples, strict=True), start=1):
        _, records = read_document(line["doc"])
        shown = {name: record.image_id for name, record in records.items()}
        try:
            scored = score_question(
                style, sample, line["filtered_resps"], shown, _find_known(line, sample, known, by), columns
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableResultsError(f"{path}, line {number}: its answers cannot be read ({error!r})") from error
        answers += len(records)
        changed += sum(scored.records[name].value != record.value for name, record in records.items())
        document = {**line["doc"], DOCUMENT_KEY: {name: new.write() for name, new in scored.records.items()}}
        rest = {key: value for key, value in line.items() if key not in line["metrics"]}
        lines.append({**rest, "doc": document, "metrics": list(columns), **scored.values})
    values = {name: column.aggregate([line[name] for line in lines]) for name, column in columns.items()}
    return lines, changed, answers, metrics, values


def _find_known(line: Mapping[str, Any], sample: Sample, known: Iterable[str], by: Sequence[str]) -> dict[str, Any]:
    """What the task knew of the question, from the metrics that logged it."""
    found = {what: line.get(metric) for what, metric in METRIC_OF_KNOWN.items() if what in known}
    for field in by:
        found[majority_by(field)] = line.get(f"acc_majority_{field}_{name_part(sample, field)}")
    return found


def _read_lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise UnreadableResultsError(f"{path}: not the samples of an lm_eval run ({error})") from error


def _read_question(path: Path, number: int, line: Mapping[str, Any]) -> Sample:
    try:
        return read_document(line["doc"])[0]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableResultsError(f"{path}, line {number}: not a logged VRS sample ({error!r})") from error
