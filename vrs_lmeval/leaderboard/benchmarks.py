"""Which tasks count as benchmarks of their own in a mean over benchmarks: those that share no image."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vrs_lmeval.leaderboard.runs import Run


@dataclass(frozen=True, slots=True)
class AskedTask:
    """A task as some models ran it: the ids of its images, and how many models and questions there are."""

    name: str
    images: Collection[str]
    models: int
    questions: int


def describe_task(runs: Sequence[Run]) -> AskedTask:
    """The task of these comparable runs, one a model."""
    samples = runs[0].samples
    images = {image for sample in samples for image in sample.images or (sample.image_id,)}
    return AskedTask(runs[0].task, images, len(runs), len(samples))


def choose_benchmarks(tasks: Sequence[AskedTask]) -> tuple[str, ...]:
    """Of tasks that share images one, since results on the same images are alike: their names, in the order given.

    The one that most models ran; of equals the one with most questions, then the first. SLAKE in Chinese has the images
    of SLAKE, and a `_mc` task a part of the questions of the task that asks by text; images are known by their content.
    """
    groups: list[tuple[set[str], list[AskedTask]]] = []
    for task in tasks:
        alike = [group for group in groups if not group[0].isdisjoint(task.images)]
        images = set(task.images).union(*(group[0] for group in alike))
        members = [each for group in alike for each in group[1]] + [task]
        groups = [group for group in groups if group not in alike] + [(images, members)]
    order = [task.name for task in tasks]
    best = [max(sorted(group, key=lambda each: order.index(each.name)), key=_rank).name for _, group in groups]
    return tuple(sorted(best, key=order.index))


def _rank(task: AskedTask) -> tuple[int, int]:
    return task.models, task.questions
