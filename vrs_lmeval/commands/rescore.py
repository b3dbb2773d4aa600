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

from vrs_lmeval.leaderboard.logged_json import DAMAGE
from vrs_lmeval.leaderboard.runs import UnreadableResultsError, name_samples_file, read_results, read_run
from vrs_lmeval.metrics.metric import Metric
from vrs_lmeval.metrics.question import CEILING, CLAIM, LIKELIHOODS, MAJORITY, QUESTION_ONLY, majority_by
from vrs_lmeval.metrics.scored_question import Shown, score_question
from vrs_lmeval.metrics.selection import BREAKDOWNS, choose_metrics, columns_of, find_breakdown, name_part
from vrs_lmeval.reading.answers import PARSER_VERSION
from vrs_lmeval.reading.image_remarks import REMARKS_VERSION
from vrs_lmeval.reading.prompt_styles import STYLES, was_asked
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

    File names stay. Raises UnreadableResultsError, naming the file, before anything is written: for a log that the
    leaderboard would not read, and for an `output` that is not empty, or lies in a folder of results or around one.
    """
    places = [folder.resolve() for folder in folders]
    _check_output(output.resolve(), places)
    written: dict[Path, bytes] = {}
    done: list[Rescored] = []
    for number, place in enumerate(places):
        files = sorted(path for path in place.rglob("results_*.json") if path.is_file())
        if not files:
            raise UnreadableResultsError(f"{place}: no results_*.json below it")
        name = (
            "" if len(places) == 1 else place.name if _count_named(place, places) == 1 else f"{place.name}-{number + 1}"
        )
        for path in files:
            files_of_run, rescored = _rescore_file(path, output / name / path.parent.relative_to(place))
            written |= {target: content.encode() for target, content in files_of_run}
            done += rescored
    for path, content in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return done


def _count_named(place: Path, places: Sequence[Path]) -> int:
    """How many of the folders have the name of this one."""
    return sum(other.name == place.name for other in places)


def _check_output(output: Path, places: Sequence[Path]) -> None:
    for place in places:
        if output == place or output in place.parents or place in output.parents:
            raise UnreadableResultsError(
                f"{output}: give --output another folder, apart from {place}: old results stay"
            )
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UnreadableResultsError(f"{output}: give --output a folder that is empty or not there yet")


def _rescore_file(path: Path, target: Path) -> tuple[list[tuple[Path, str]], list[Rescored]]:
    results, tasks = read_results(path)
    files, done = [], []
    new = {**results, "results": {}, "configs": {}, "groups": {}, "group_subtasks": {}}
    for task in tasks:
        evidence = read_run(path, results, task).evidence  # with all the checks of the leaderboard
        samples = name_samples_file(path, task)
        try:
            lines, changed, answers, metrics, values = _rescore_samples(samples, evidence)
        except UnreadableResultsError:
            raise
        except DAMAGE as error:
            raise UnreadableResultsError(f"{samples}: its answers cannot be read again ({error!r})") from error
        files.append((target / samples.name, "".join(f"{json.dumps(line)}\n" for line in lines)))
        new["configs"][task] = {**results["configs"][task], "vrs": _describe(evidence, metrics)}
        shown = {f"{name},none": number for name, number in values.items()}
        new["results"][task] = {"alias": task, **shown}
        done.append(Rescored(path, target / path.name, task, evidence.parser_version, answers, changed))
    files.append((target / path.name, json.dumps(new, indent=2)))
    return (files if tasks else []), done


def _describe(evidence: RunEvidence, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """With the versions that read the answers now, and the one that did before."""
    before = evidence.rescored_from or {"parser_version": evidence.parser_version}
    return replace(
        evidence,
        parser_version=PARSER_VERSION,
        claims_version=CLAIMS_VERSION,
        remarks_version=REMARKS_VERSION,
        record_version=RECORD_VERSION,
        metrics={name: metric.describe() for name, metric in metrics.items()},
        rescored_from=before,
    ).write()


def _rescore_samples(
    path: Path, evidence: RunEvidence
) -> tuple[list[dict[str, Any]], int, int, dict[str, Metric], dict[str, float]]:
    """The lines anew, how many answers are read otherwise, of how many, the metrics, and what the table shows."""
    logged = [json.loads(line) for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    style = STYLES.get(str(evidence.prompt_style or "short"))
    if style is None:
        raise UnreadableResultsError(f"{path}: no prompt style {evidence.prompt_style!r} is known here")
    names = {name for line in logged for name in line["metrics"]}
    samples = [read_document(line["doc"])[0] for line in logged]
    wholes = ("acc", "acc_absent", "acc_majority")
    by = [f for f in BREAKDOWNS if any(name.startswith(tuple(f"{whole}_{f}_" for whole in wholes)) for name in names)]
    known = {CLAIM if style.asks_for_text else LIKELIHOODS}
    known |= {what for what, metric in METRIC_OF_KNOWN.items() if metric in names}
    known |= {majority_by(field) for field in by if any(n.startswith(f"acc_majority_{field}_") for n in names)}
    metrics = _keep_logged(choose_metrics(evidence.variant_names, known, by, samples), evidence)
    columns = columns_of(metrics)
    lines, changed, answers = [], 0, 0
    for number, (line, sample) in enumerate(zip(logged, samples, strict=True), start=1):
        _, records = read_document(line["doc"])
        shown = {name: Shown(record.image_id, record.asked(sample)) for name, record in records.items()}
        results = list(filter(was_asked, line["filtered_resps"]))
        try:
            scored = score_question(style, sample, results, shown, _find_known(line, sample, known, by), columns)
        except DAMAGE as error:
            raise UnreadableResultsError(f"{path}, line {number}: its answers cannot be read ({error!r})") from error
        answers += len(records)
        changed += sum(scored.records[name].value != record.value for name, record in records.items())
        document = {**line["doc"], DOCUMENT_KEY: {name: new.write() for name, new in scored.records.items()}}
        rest = {key: value for key, value in line.items() if key not in line["metrics"]}
        lines.append({**rest, "doc": document, "metrics": list(columns), **scored.values})
    values = {name: column.aggregate([line[name] for line in lines]) for name, column in columns.items()}
    return lines, changed, answers, metrics, values


def _keep_logged(chosen: Mapping[str, Metric], evidence: RunEvidence) -> dict[str, Metric]:
    """The log's metrics in its order, breakdowns by values that a limit left out among them, then what is new."""
    logged = {name: chosen.get(name) or find_breakdown(name) for name in evidence.metrics or {}}
    kept = {name: metric for name, metric in logged.items() if metric is not None}
    return {**kept, **chosen}


def _find_known(line: Mapping[str, Any], sample: Sample, known: Iterable[str], by: Sequence[str]) -> dict[str, Any]:
    """What the task knew of the question, from the metrics that logged it."""
    found = {what: line.get(metric) for what, metric in METRIC_OF_KNOWN.items() if what in known}
    for field in by:
        found[majority_by(field)] = line.get(f"acc_majority_{field}_{name_part(sample, field)}")
    return found
