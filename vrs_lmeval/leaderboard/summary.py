"""A leaderboard -> what a reader wants first: every model on every benchmark, its mean VRS, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vrs_lmeval.leaderboard.benchmarks import choose_benchmarks, describe_task
from vrs_lmeval.leaderboard.board import Standing, TaskBoard
from vrs_lmeval.leaderboard.verdict import Kind
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.independent_means import find_mean_interval

WORDS = {
    Kind.LOOKS: "looks at the image",
    Kind.ANSWERS_CHANGE: "answers differently when the image changes, but is not shown to be right more often,",
    Kind.HARDLY: "hardly looks at the image",
    Kind.PREFERS_OTHER: "is right more often with another image",
    Kind.CANNOT_TELL: "cannot be told to look or not",
}
"""What is said of a model on some tasks: the verdicts, without their numbers."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model on all tasks that it ran. `mean` is over the summary's benchmarks; None if the model lacks one."""

    label: str
    training: str | None
    standings: Mapping[str, Standing]  # by task
    mean: Interval | None
    sentence: str


@dataclass(frozen=True, slots=True)
class BoardSummary:
    """Models in the order of their mean VRS, those without one last. `benchmarks` are the tasks that the mean is over:

    of tasks that share images one alone (see `benchmarks`).
    """

    tasks: tuple[str, ...]
    benchmarks: tuple[str, ...]
    models: tuple[ModelSummary, ...]


def summarise(boards: Sequence[TaskBoard]) -> BoardSummary:
    """The summary of all boards; without boards it is empty."""
    by_model: dict[str, dict[str, Standing]] = {}
    for board in boards:
        for standing in board.standings:
            by_model.setdefault(standing.run.model, {})[board.task] = standing
    benchmarks = choose_benchmarks([describe_task([each.run for each in board.standings]) for board in boards])
    models = [_summarise_model(standings, benchmarks, len(boards)) for standings in by_model.values()]
    models.sort(key=lambda each: (each.mean is None, -each.mean.estimate if each.mean else 0.0))
    return BoardSummary(tuple(board.task for board in boards), benchmarks, tuple(models))


def _summarise_model(standings: Mapping[str, Standing], benchmarks: Sequence[str], boards: int) -> ModelSummary:
    first = next(iter(standings.values()))
    has_all = all(task in standings for task in benchmarks)
    mean = find_mean_interval([standings[task].metrics["vrs"] for task in benchmarks]) if has_all else None
    return ModelSummary(first.label, first.card.training, standings, mean, _say(first, standings, boards))


def _say(first: Standing, standings: Mapping[str, Standing], boards: int) -> str:
    """The verdict with its numbers where there is one task to speak of; else what is said, and on which tasks."""
    if boards == 1:
        return first.verdict
    parts = []
    for kind, words in WORDS.items():
        tasks = [task for task, standing in standings.items() if standing.verdict_kind == kind.value]
        if tasks:
            everywhere = "both tasks" if len(tasks) == 2 else f"all {len(tasks)} tasks"
            where = everywhere if 1 < len(tasks) == len(standings) else ", ".join(tasks)
            parts.append(f"{words} on {where}")
    return f"{first.label} {'; '.join(parts)}."
