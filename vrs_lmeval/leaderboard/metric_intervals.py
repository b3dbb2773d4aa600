"""Runs of one task on the same questions -> every metric that they logged, with its analytic and bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence

from vrs_lmeval.leaderboard.runs import Run, ScoredSample
from vrs_lmeval.records import SHUFFLED
from vrs_lmeval.uncertainty.estimates import Quantity
from vrs_lmeval.uncertainty.forms import gather
from vrs_lmeval.uncertainty.intervals import RESAMPLES, Intervals, find_both_intervals


def find_metric_intervals(runs: Sequence[Run], *, key: str, resamples: int = RESAMPLES) -> list[dict[str, Intervals]]:
    """For each run the intervals by metric, in the order logged; all runs have the same questions, paired by sample id.

    All bootstraps share their draws of images, which depend on `key`. A metric whose unit is a set of questions has
    draws of its own: it draws groups of images that sets link.
    """
    order = [sample.sample_id for sample in runs[0].samples]
    images = [sample.image_id for sample in runs[0].samples]
    partners = find_partners(runs[0].samples)
    of_questions: list[Quantity] = []
    places: list[tuple[int, str]] = []
    found: list[dict[str, Intervals]] = [{} for _ in runs]
    for index, run in enumerate(runs):
        by_id = {sample.sample_id: sample.values for sample in run.samples}
        for name, metric in run.metrics.items():
            values = [by_id[sample_id].get(name) for sample_id in order]
            units = gather(metric.form, values, images, partners if metric.has_partners else None)
            quantity = Quantity(metric.form, units, (metric.low, metric.high))
            if metric.form.regroup is None:
                of_questions.append(quantity)
                places.append((index, name))
            else:
                (found[index][name],) = find_both_intervals(
                    [quantity], units.clusters, key=f"{key}/sets", resamples=resamples
                )
    both = find_both_intervals(of_questions, images, key=key, resamples=resamples)
    for (index, name), intervals in zip(places, both, strict=True):
        found[index][name] = intervals
    return [{name: of_run[name] for name in run.metrics} for run, of_run in zip(runs, found, strict=True)]


def find_partners(samples: Sequence[ScoredSample]) -> list[str | None]:
    """The id of the image that each question was shown under shuffled."""
    return [sample.answers[SHUFFLED].image_id if SHUFFLED in sample.answers else None for sample in samples]
