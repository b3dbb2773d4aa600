"""Results folders -> plain tables for programs and notebooks: a row an answer, a row a metric."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from vrs_lmeval.leaderboard.metric_intervals import find_metric_intervals
from vrs_lmeval.leaderboard.runs import Run, read_folders


class Tables(NamedTuple):
    """Lists of rows by column name, as `pandas.DataFrame` takes them.

    - `answers`, a row a question and variant: model, task, sample_id, image_id (the question's own), question, golds,
      answer_type, question_type, modality, variant, shown_id (the image shown; None without one), text, is_read,
      correct.
    - `metrics`, a row a metric: model, task, metric, estimate, low, high (95 %, clustered by image; NaN with a reason),
      questions, images, reason.
    """

    answers: list[dict[str, Any]]
    metrics: list[dict[str, Any]]


def load_runs(*folders: str | PathLike[str]) -> Tables:
    """The newest run of each model and task below folders that `lm_eval --output_path --log_samples` wrote, each once.

    Raises UnreadableResultsError, which names the file, for one that cannot be read or for a folder without runs.
    """
    runs, problems = read_folders([Path(folder) for folder in folders])
    if problems:
        raise problems[0]
    return Tables(
        [row for run in runs for row in _list_answers(run)], [row for run in runs for row in _list_metrics(run)]
    )


def _list_answers(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "model": run.model,
            "task": run.task,
            "sample_id": sample.sample_id,
            "image_id": sample.image_id,
            "question": sample.question,
            "golds": list(sample.golds),
            "answer_type": sample.answer_type,
            "question_type": sample.question_type,
            "modality": sample.modality,
            "variant": variant,
            "shown_id": answer.image_id,
            "text": answer.text,
            "is_read": answer.is_parsed,
            "correct": answer.correct,
        }
        for sample in run.samples
        for variant, answer in sample.answers.items()
    ]


def _list_metrics(run: Run) -> list[dict[str, Any]]:
    (found,) = find_metric_intervals([run], key=f"tables/{run.task}", resamples=1)  # the analytic ones are shown
    return [
        {
            "model": run.model,
            "task": run.task,
            "metric": name,
            "estimate": both.analytic.estimate,
            "low": both.analytic.low,
            "high": both.analytic.high,
            "questions": both.analytic.n,
            "images": both.analytic.clusters,
            "reason": both.analytic.reason,
        }
        for name, both in found.items()
    ]
