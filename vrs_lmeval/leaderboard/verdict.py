"""Concludes from one model's metrics whether it looks at the image: every report uses the same rule and words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vrs_lmeval.leaderboard.runs import ScoredSample
from vrs_lmeval.records import REAL, SHUFFLED, Interval
from vrs_lmeval.uncertainty.intervals import find_t_interval

FEWEST_IMAGES = 20
"""With fewer images nothing is concluded: with 10 images of unequal size, tests that should be wrong in 5 % of null
data sets are wrong in up to 14 % (measured by simulation)."""

MANY_UNREAD = 0.25
"""If at least this share of the answers under one variant could not be read, a VRS near 0 says nothing."""

MARGIN = 0.05
"""A VRS that is surely below this is called small. An image sensitivity of this size says nothing, if no floor was
measured by asking again."""

HARDLY_CHANGE = 0.10
"""Answers hardly change if the upper limit of the image sensitivity is below its floor plus this."""

MOSTLY = 0.5
"""If more than this share of a VRS comes from answers read under one image only, the sentence says so."""


class Kind(Enum):
    """The kinds of conclusions; JSON holds their values."""

    LOOKS = "is right more often with its own image"
    ANSWERS_CHANGE = "its answers change with the image, but are not shown to be right more often"
    HARDLY = "its answers hardly change with the image"
    PREFERS_OTHER = "is right more often with another image"
    CANNOT_TELL = "cannot be told"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sentence` follows a model's name and includes the numbers behind it: "looks at the image: ..."."""

    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Shares of questions whose answers could not be read (refusals too), under both images, and their effect on VRS.

    `in_vrs`: the part of VRS from questions whose answer was read under one image only; the rest of VRS comes from
    answers that were read under both images.
    """

    real: float
    shuffled: float
    in_vrs: float


def find_unread(samples: Sequence[ScoredSample]) -> Unread:
    """The unread answers of samples that were asked with their own and with another image; NaN without such samples."""
    pairs = [(s.answers[REAL], s.answers[SHUFFLED]) for s in samples if {REAL, SHUFFLED} <= set(s.answers)]
    if not pairs:
        return Unread(math.nan, math.nan, math.nan)
    return Unread(
        sum(not real.is_parsed for real, _ in pairs) / len(pairs),
        sum(not shuffled.is_parsed for _, shuffled in pairs) / len(pairs),
        sum((one.correct - other.correct) * (one.is_parsed != other.is_parsed) for one, other in pairs) / len(pairs),
    )


def judge(
    metrics: Mapping[str, Interval],
    samples: Sequence[ScoredSample],
    blind_floor: float,
    warm_changes: Interval | None = None,
) -> Verdict:
    """Metrics of one run by name, its samples, and the accuracy that needs no image -> what may be concluded.

    `warm_changes`: of `find_warm_changes`, where texts changed by themselves.
    """
    verdict = _judge_vrs(metrics, samples, blind_floor, _find_noise(metrics, warm_changes))
    story = describe_other_story(metrics)
    return verdict if story is None else Verdict(verdict.kind, f"{verdict.sentence}; {story}")


def find_warm_changes(setup: Mapping[str, Any]) -> Interval | None:
    """The share of texts that changed when an engine answered the same again from what it had kept, with its interval.

    `setup` is the harness's `config` of the run. None where none changed, or nothing was asked again.
    """
    again = setup.get("vrs_cold_warm") or {}
    warm, changed = again.get("warm", 0), again.get("changed", 0)
    if not changed:
        return None
    values = [1.0] * changed + [0.0] * (warm - changed)
    return find_t_interval(values, list(map(str, range(warm))), bounds=(0.0, 1.0))


def _find_noise(metrics: Mapping[str, Interval], warm_changes: Interval | None) -> Interval | None:
    """How often answers change though the picture says the same: the larger of what was measured; None if neither."""
    measured = [each for each in (metrics.get("retest_sensitivity"), warm_changes) if each is not None]
    return max(measured, key=lambda each: each.high, default=None)


def describe_other_story(metrics: Mapping[str, Interval]) -> str | None:
    """What gentler scores say about the open questions, if exact match says something else; None if they agree."""
    exact = metrics.get("vrs_open")
    others = {name: metrics[name] for name in ("vrs_named", "vrs_recall") if name in metrics}
    if exact is None or exact.clusters < FEWEST_IMAGES:
        return None
    told = [
        f"{words} {_show(others[name])}"
        for name, words in (("vrs_named", "by golds that they name"), ("vrs_recall", "by their words"))
        if name in others and _find_side(others[name]) != _find_side(exact)
    ]
    if not told:
        return None
    return f"on its open answers exact match tells another story (VRS {_show(exact)}) than {' and '.join(told)}"


def _find_side(interval: Interval) -> int:
    """1 for an interval above 0, -1 for one below 0, 0 for one that holds 0 or has no limits."""
    return int(interval.low > 0) - int(interval.high < 0)


def _judge_vrs(
    metrics: Mapping[str, Interval], samples: Sequence[ScoredSample], blind_floor: float, noise: Interval | None
) -> Verdict:
    vrs, unread, sensitivity = metrics["vrs"], find_unread(samples), metrics.get("image_sensitivity")
    if vrs.clusters < FEWEST_IMAGES:
        return _cannot_tell(f"only {vrs.clusters} images were asked about (VRS {_show(vrs)}), not {FEWEST_IMAGES}")
    low, high = vrs.low, vrs.high
    if low > 0:
        return Verdict(Kind.LOOKS, f"looks at the image: {_describe_looking(vrs, unread, metrics)}")
    if high < 0:
        return Verdict(Kind.PREFERS_OTHER, f"{Kind.PREFERS_OTHER.value}: its VRS is {_show(vrs)}")
    if max(unread.real, unread.shuffled) > MANY_UNREAD:
        return _cannot_tell(
            f"{unread.real:.0%} of its answers with its own image could not be read, {unread.shuffled:.0%} with "
            f"another's (VRS {_show(vrs)})"
        )
    floor = max(0.0 if "retest_sensitivity" in metrics else MARGIN, 0.0 if noise is None else noise.high)
    least, most = (0.0, math.inf) if sensitivity is None else (sensitivity.low, sensitivity.high)
    if sensitivity is not None and least > floor:
        return Verdict(Kind.ANSWERS_CHANGE, _describe_change(vrs, sensitivity, metrics, blind_floor))
    if sensitivity is None or not (most < floor + HARDLY_CHANGE and max(-low, high) < MARGIN):
        return _cannot_tell(f"its VRS may be 0 ({_show(vrs)}); more images would tell")
    change = f"its answers hardly change with it (image sensitivity {_show(sensitivity, signed=False)})"
    if noise is not None and floor > MARGIN:
        change = (
            f"another image changes its answers (image sensitivity {_show(sensitivity, signed=False)}) hardly more "
            f"often than asking again does ({_show(noise, signed=False)})"
        )
    return Verdict(Kind.HARDLY, f"hardly looks at the image: {change}, and its VRS is below {high:.3f} ({_show(vrs)})")


def _describe_looking(vrs: Interval, unread: Unread, metrics: Mapping[str, Interval]) -> str:
    ceiling, perfect = metrics.get("vrs_ceiling"), ""
    if ceiling is not None and ceiling.estimate > 0:
        perfect = f"; perfect sight would have about {ceiling.estimate:.3f}"
    said = f"it is right more often with its own image than with another's (VRS {_show(vrs)}{perfect})"
    if unread.in_vrs > MOSTLY * vrs.estimate:
        said += f", but {unread.in_vrs:+.3f} of that comes from answers that could be read under one image alone"
    return said


def _describe_change(vrs: Interval, sensitivity: Interval, metrics: Mapping[str, Interval], blind_floor: float) -> str:
    said = (
        "answers differently when the image changes, so the image reaches its answers (image sensitivity "
        f"{_show(sensitivity, signed=False)}), but it is not shown to be right more often with its own (VRS "
        f"{_show(vrs)})"
    )
    recall, exact, accuracy = (metrics.get(name) for name in ("recall_open", "acc_open", "acc"))
    if accuracy is not None and accuracy.estimate <= blind_floor:
        said += f"; {accuracy.estimate:.3f} of its answers are right, which takes no image ({blind_floor:.3f})"
    if recall is not None and exact is not None and recall.estimate > exact.estimate + MANY_UNREAD:
        said += (
            f"; it names {recall.estimate:.0%} of the right words of open questions, and has {exact.estimate:.0%} of "
            "them exactly"
        )
    return said


def _cannot_tell(reason: str) -> Verdict:
    return Verdict(Kind.CANNOT_TELL, f"cannot be told to look at the image or not: {reason}")


def _show(interval: Interval, signed: bool = True) -> str:
    number = "{:+.3f}" if signed else "{:.3f}"
    if math.isnan(interval.low):
        return f"{number.format(interval.estimate)}, no interval: {interval.reason}"
    return f"{number.format(interval.estimate)} [{number.format(interval.low)}, {number.format(interval.high)}]"
