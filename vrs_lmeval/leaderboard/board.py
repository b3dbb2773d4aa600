"""All runs there are -> one leaderboard: per task the models with ranks and pairwise tests, and what was left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vrs_lmeval.leaderboard.comparison import (
    IncomparableRunsError,
    align_vrs,
    check_comparable,
    find_blind_floor,
    make_labels,
)
from vrs_lmeval.leaderboard.groups import GroupContrast, contrast_groups
from vrs_lmeval.leaderboard.metric_intervals import find_metric_intervals, find_partners
from vrs_lmeval.leaderboard.model_cards import ModelCard, find_card
from vrs_lmeval.leaderboard.pairs import PairTest, compare_pairs, fill_matrix, find_apart
from vrs_lmeval.leaderboard.runs import Run, UnreadableResultsError
from vrs_lmeval.leaderboard.shown_text import clean_reason
from vrs_lmeval.leaderboard.text_floors import TextFloor, find_floors, shows_no_image
from vrs_lmeval.leaderboard.verdict import FEWEST_IMAGES, find_unread, find_warm_changes, judge
from vrs_lmeval.leaderboard.vision_necessary import VisionNecessary, find_vision_necessary
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import Place, find_interval
from vrs_lmeval.uncertainty.model_tests import find_mcnemar_p_value, find_rank_intervals

VRS_BOUNDS = (-1.0, 1.0)

FEWEST_QUESTIONS = 10
"""A question type or modality with fewer questions is not shown, because its interval would fill the axis."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One model on one task. The ranks `best_rank` to `worst_rank` are by VRS, and hold jointly for all models at 95 %.

    `metrics` holds all metrics that the run logged, with analytic intervals; `bootstraps` the same metrics with
    bootstrap intervals.
    """

    run: Run
    label: str
    card: ModelCard
    metrics: Mapping[str, Interval]
    bootstraps: Mapping[str, Interval]
    best_rank: int
    worst_rank: int
    slices: Mapping[tuple[str, str], Interval]  # VRS by (field, value), e.g. ("modality", "MRI")
    verdict: str  # what may be concluded, a sentence
    verdict_kind: str  # of `verdict.Kind`, by its value
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class TaskBoard:
    """The models on one task, the highest VRS (of answers read under both images) first; tests of every two.

    `detectable`: the difference of two models' VRS that is found with 80 % power, the median over pairs.
    `needed_images`: how many images like these find PLANNED_DIFFERENCE with that power. Both are NaN without a pair
    that differs. `floors`: models that were asked the same questions without any image. `vision_necessary`: the models
    on the questions that need the image; None if the user did not ask for it.
    """

    task: str
    questions: int
    images: int
    blind_floor: float
    standings: tuple[Standing, ...]
    pairs: tuple[PairTest, ...]
    detectable: float
    needed_images: float
    floors: tuple[TextFloor, ...] = ()
    vision_necessary: VisionNecessary | None = None

    @cached_property
    def p_values(self) -> list[list[float]]:
        """P-values (M, M) of the M models' pairs, adjusted by Holm; NaN on the diagonal."""
        p_values: list[list[float]] = fill_matrix(self.pairs, len(self.standings)).tolist()
        return p_values

    @cached_property
    def variant_names(self) -> list[str]:
        """The variants of the task, in its order."""
        return self.standings[0].run.evidence.variant_names


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run, or a file, that is not on the board, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Everything the page shows."""

    boards: tuple[TaskBoard, ...]
    contrasts: tuple[GroupContrast, ...]
    left_out: tuple[LeftOut, ...]


def make_leaderboard(
    runs: Sequence[Run],
    cards: Mapping[str, ModelCard],
    problems: Sequence[UnreadableResultsError] = (),
    vision_necessary: bool = False,
) -> Leaderboard:
    """Runs of any models and tasks -> the leaderboard.

    For each task it shows the largest set of runs with the same data, variants, prompt, parser and questions. Other
    runs are listed as left out, with name and reason; so are `problems`, the files that could not be read. Runs without
    any image become floors of the boards that ask their questions. `vision_necessary` adds the models' numbers
    on the questions that no other model answers without an image.
    """
    text_runs = _keep_newest([run for run in runs if shows_no_image(run)])
    left_out = [
        LeftOut(f"{run.model} on {run.task}", _WITHOUT_VRS)
        for run in runs
        if not _has_vrs(run) and not shows_no_image(run)
    ]
    left_out += [
        LeftOut(f"{run.model} on {run.task}", "a newer run of this model is shown")
        for run in runs
        if shows_no_image(run) and not any(run is kept_run for kept_run in text_runs)
    ]
    left_out += [LeftOut("unreadable", str(problem)) for problem in problems]
    runs = [run for run in runs if _has_vrs(run)]
    kept: dict[str, list[Run]] = {}
    for task in dict.fromkeys(run.task for run in runs):
        kept[task], refused = _split_comparable([run for run in runs if run.task == task])
        left_out += refused
    models = list(dict.fromkeys(run.model for run in (*runs, *text_runs)))
    card_of = {model: find_card(cards, model) for model in models}
    given = [card_of[model].label for model in models]
    made = make_labels(models)
    used = Counter(name for pair in zip(given, made, strict=True) for name in set(pair) if name)
    labels = {
        model: made_label if label is None or used[label] > 1 else label
        for model, label, made_label in zip(models, given, made, strict=True)
    }
    boards = tuple(_make_board(task, chosen, card_of, labels) for task, chosen in kept.items())
    boards, unused = _add_floors(boards, text_runs, labels, vision_necessary)
    left_out += unused
    contrasts = contrast_groups(kept, card_of, labels)
    left_out = [LeftOut(clean_reason(each.name), clean_reason(each.reason)) for each in left_out]
    return Leaderboard(boards, tuple(contrasts), tuple(left_out))


def _keep_newest(runs: Sequence[Run]) -> list[Run]:
    """The last run of each model on each task."""
    return list({(run.model, run.task): run for run in runs}.values())


def _add_floors(
    boards: Sequence[TaskBoard], text_runs: Sequence[Run], labels: Mapping[str, str], vision_necessary: bool
) -> tuple[tuple[TaskBoard, ...], list[LeftOut]]:
    """The boards with their floors and the questions that need the image; and the text runs that fit no board."""
    used: set[tuple[str, str]] = set()
    reasons: dict[tuple[str, str], str] = {}
    extended = []
    for board in boards:
        runs = [standing.run for standing in board.standings]
        floors, refused = find_floors(board.task, runs, labels, text_runs)
        used |= {(floor.run.model, floor.run.task) for floor in floors}
        reasons |= {(run.model, run.task): reason for run, reason in refused}
        of_floors = [floor.run for floor in floors]
        chosen = find_vision_necessary(runs, labels, of_floors) if vision_necessary else None
        extended.append(replace(board, floors=tuple(floors), vision_necessary=chosen))
    unused = [
        LeftOut(f"{run.model} on {run.task}", reasons.get((run.model, run.task), _WITHOUT_BOARD))
        for run in text_runs
        if (run.model, run.task) not in used
    ]
    return tuple(extended), unused


_WITHOUT_BOARD = "it shows no image, and no model that sees was asked its questions"
_WITHOUT_VRS = "it has no VRS: the task was run without the variants real and shuffled"


def _has_vrs(run: Run) -> bool:
    return all(sample.values.get(name) is not None for sample in run.samples for name in ("vrs", "acc", "acc_shuffled"))


def _split_comparable(runs: Sequence[Run]) -> tuple[list[Run], list[LeftOut]]:
    """The largest set of runs of one task that may be compared, one per model; and the other runs, with reasons."""
    sets: list[list[Run]] = []
    for run in runs:
        for comparable in sets:
            if _why_incomparable(comparable[0], run) is None:
                comparable.append(run)
                break
        else:
            sets.append([run])
    largest = max(sets, key=len)
    newest = {run.model: run for run in largest}
    left_out = []
    for run in runs:
        if run not in largest:
            left_out.append(LeftOut(f"{run.model} on {run.task}", str(_why_incomparable(largest[0], run))))
        elif run is not newest[run.model]:
            left_out.append(LeftOut(f"{run.model} on {run.task}", f"another run of this model is shown ({run.source})"))
    return list(newest.values()), left_out


def _why_incomparable(reference: Run, other: Run) -> str | None:
    try:
        check_comparable(reference, other)
    except IncomparableRunsError as error:
        return str(error)
    return None


def _make_board(task: str, runs: Sequence[Run], cards: Mapping[str, ModelCard], labels: Mapping[str, str]) -> TaskBoard:
    columns, images, partners = align_vrs(runs)
    order = sorted(range(len(runs)), key=lambda index: -float(columns[:, index].mean()))
    runs, columns = [runs[index] for index in order], columns[:, order]
    pairs = compare_pairs(columns, images, f"leaderboard/{task}", partners)
    ranks = find_rank_intervals(columns.mean(axis=0).tolist(), find_apart(pairs, len(runs)))
    floor = find_blind_floor(runs[0].samples)
    found = find_metric_intervals(runs, key=f"leaderboard/{task}/metrics")
    standings = []
    for run, (best, worst), of_run in zip(runs, ranks, found, strict=True):
        card, metrics = cards[run.model], {name: both.analytic for name, both in of_run.items()}
        bootstraps = {name: both.bootstrap for name, both in of_run.items()}
        warnings = tuple(_find_warnings(run, card, metrics, floor))
        label = labels[run.model]
        judged = judge(metrics, run.samples, floor, find_warm_changes(run.setup))
        verdict = f"{label} {judged.sentence}{_describe_discordance(run)}."
        slices = _find_slices(run)
        standings.append(
            Standing(run, label, card, metrics, bootstraps, best, worst, slices, verdict, judged.kind.value, warnings)
        )
    standings = [
        replace(standing, warnings=(*([said] if said else []), *standing.warnings))
        for index, standing in enumerate(standings)
        for said in [_could_be_otherwise(standing, _list_pairs_of(index, pairs, standings))]
    ]
    telling = [pair for pair in pairs if not math.isnan(pair.detectable)]
    return TaskBoard(
        task=task,
        questions=len(runs[0].samples),
        images=len(set(images)),
        blind_floor=floor,
        standings=tuple(standings),
        pairs=tuple(pairs),
        detectable=float(np.median([pair.detectable for pair in telling])) if telling else math.nan,
        needed_images=float(np.median([pair.planned_images for pair in telling])) if telling else math.nan,
    )


def _find_slices(run: Run) -> dict[tuple[str, str], Interval]:
    """VRS within each answer type, question type and modality that has enough questions."""
    grouped: dict[tuple[str, str], list[Place]] = {}
    for sample, partner in zip(run.samples, find_partners(run.samples), strict=True):
        value = sample.values["vrs"]
        for field in ("answer_type", "question_type", "modality"):
            name = getattr(sample, field)
            if name and value is not None:
                grouped.setdefault((field, str(name)), []).append((value, sample.image_id, partner))
    return {
        key: find_interval(MEAN, places, VRS_BOUNDS)
        for key, places in sorted(grouped.items())
        if len(places) >= FEWEST_QUESTIONS
    }


def _describe_discordance(run: Run) -> str:
    """McNemar's test in words; empty unless it holds: answers are right or wrong, and each image has one question."""
    outcomes = [(s.values.get("acc"), s.values.get("acc_shuffled")) for s in run.samples]
    is_binary = all(value in (0, 1) for outcome in outcomes for value in outcome)
    if not is_binary or len({sample.image_id for sample in run.samples}) < len(run.samples):
        return ""
    real_only, shuffled_only = outcomes.count((1, 0)), outcomes.count((0, 1))
    p_value = find_mcnemar_p_value(real_only, shuffled_only)
    counts = f"{real_only} questions right with its image only, {shuffled_only} with another only"
    return f"; {counts}, McNemar p = {p_value:.3f}"


def _list_pairs_of(
    index: int, pairs: Sequence[PairTest], standings: Sequence[Standing]
) -> list[tuple[PairTest, Standing]]:
    """The tests that one model takes part in, and the other model of each."""
    return [(pair, standings[pair.first + pair.second - index]) for pair in pairs if index in (pair.first, pair.second)]


def _could_be_otherwise(standing: Standing, pairs: Sequence[tuple[PairTest, Standing]]) -> str | None:
    """What would change if the unread answers of a model were right, or wrong, all together: a warning, or None.

    Unread answers count as wrong. If they were read, those with the own image could only raise VRS, and those with
    another image could only lower it. In the number that decides ranks, both kinds of questions count 0.
    """
    unread = find_unread(standing.run.samples)
    if not unread.real + unread.shuffled > 0:
        return None
    vrs, changed = standing.metrics["vrs"], []
    is_above = vrs.low > 0
    can_fall, can_rise = vrs.low - unread.shuffled > 0, vrs.low + unread.real > 0
    if vrs.clusters >= FEWEST_IMAGES and (can_fall != is_above or can_rise != is_above):
        changed.append("its verdict")
    reach = unread.real + unread.shuffled
    others = [other.label for pair, other in pairs if pair.word and abs(pair.difference.estimate) <= reach]
    if others:
        changed.append(f"its rank against {', '.join(others)}")
    if not changed:
        return None
    return (
        f"{100 * unread.real:.0f} % of its answers with its own image and {100 * unread.shuffled:.0f} % with another's "
        f"could not be read: enough to change {' and '.join(changed)}"
    )


def _find_warnings(run: Run, card: ModelCard, metrics: Mapping[str, Interval], floor: float) -> list[str]:
    warnings = []
    if metrics["acc"].estimate <= floor:
        warnings.append(f"no more accurate than the most frequent answers without any image ({floor:.3f})")
    if run.evidence.rescored_from:
        warnings.append("its answers were read again by `vrs rescore`; its baselines are those of the log")
    if run.setup.get("limit") is not None:
        warnings.append(f"only a part of the questions was asked (--limit {run.setup['limit']:g})")
    if skipped := run.evidence.skipped_rows:
        warnings.append(f"{skipped[0]:,} of {skipped[1]:,} rows of its data could not be read and were left out")
    if missing := run.setup.get("vrs_missing_weights"):
        warnings.append(f"its checkpoint lacks {len(missing)} weights, which were drawn at random")
    if run.setup.get("vrs_chat_template") == "not applied":
        warnings.append("its prompts did not go through its chat template (--apply_chat_template was not given)")
    if str(run.setup.get("vrs_thoughts")).startswith("the prompt ends in"):
        warnings.append("its thoughts were read as answers: its prompts end in an open thought")
    if "two (double_bos)" in str(run.setup.get("vrs_bos")):
        warnings.append("its prompts may begin with two BOS tokens (double_bos)")
    again = run.setup.get("vrs_cold_warm") or {"changed": 0}
    if again["changed"]:
        share = again["changed"] / again["warm"]
        warnings.append(
            f"{again['changed']} of {again['warm']} texts changed when vLLM was asked the same again from what it had "
            f"kept, so a share of {share:.3f} in its image sensitivity need not be the image's"
        )
    if split := card.find_seen_split(run.task):
        what = "data" if split == "training" else "the test questions"
        warnings.append(f"was trained on {what} of this benchmark, by its model card")
    return warnings
