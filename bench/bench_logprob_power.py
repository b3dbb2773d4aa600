"""How many questions `vrs_logprob` needs for the power that VRS has: measured on the controls and weaker models.

The `sighted` control answers the questions of `vrs_sample` that have options, or yes and no, by the likelihood of the
options' words under the real and the shuffled image. Weaker models are the control with normal noise added to each
weight matrix, in shares of the matrix's standard deviation. For a mean m with clustered standard error s over n
questions, a two-sided test at 5 % has 80 % power at n (2.8 s / m)^2 questions. `python bench/bench_logprob_power.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager

from vrs_lmeval.model import VrsHF
from vrs_lmeval.reading.option_likelihoods import (
    find_gold_log_probability,
    offer_options,
    read_most_probable,
    share_out,
)
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.records import REAL, SHUFFLED, Sample
from vrs_lmeval.uncertainty.intervals import find_standard_error

ROOT = Path(__file__).parents[1]
NEEDED_STANDARD_ERRORS = 1.959964 + 0.841621  # two-sided 5 %, power 80 %
RESAMPLES = 2000


def load_questions() -> tuple[list[Sample], list[dict[str, Any]], Any]:
    """Samples with their options, the images of each under every variant, and the task."""
    manager = TaskManager(include_defaults=False, include_path=str(ROOT / "tasks"))
    task = manager.load(["vrs_sample"])["tasks"]["vrs_sample"]
    offered = [offer_options(sample) for sample in task._samples.values()]
    samples = [sample for sample in offered if sample is not None]
    return samples, [task.show_question(_unchanged_id(sample)) for sample in samples], task


def _unchanged_id(sample: Sample) -> str:
    return sample.sample_id


def weaken(model: torch.nn.Module, share: float, seed: int) -> None:
    """Add noise of that share of its standard deviation to every weight matrix."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1 and share:
                noise = torch.randn(weight.shape, generator=generator).to(weight.dtype)
                weight += share * weight.std() * noise


def measure(
    lm: Any, task: Any, samples: Sequence[Sample], shown: Sequence[dict[str, Any]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """For each question correct(real) - correct(shuffled), and log P(gold | real) - log P(gold | shuffled)."""
    requests, places = [], []
    for number, (sample, images) in enumerate(zip(samples, shown, strict=True)):
        prompt = task.doc_to_text({"question": sample.question, "options": list(sample.options)})
        for variant in (REAL, SHUFFLED):
            for option in sample.options:
                arguments = (prompt, " " + option, {"visual": images[variant]})
                requests.append(Instance("loglikelihood", {}, arguments, 0))
                places.append((number, variant))
    values: dict[tuple[int, str], list[float]] = {}
    for place, (value, _) in zip(places, lm.loglikelihood(requests, disable_tqdm=True), strict=True):
        values.setdefault(place, []).append(value)
    correct, gold = {}, {}
    for (number, variant), own in values.items():
        shared = share_out(own)
        correct[number, variant] = score_answer(read_most_probable(shared, samples[number]), samples[number]).correct
        gold[number, variant] = find_gold_log_probability(shared, samples[number])
    numbers = range(len(samples))
    return (
        np.array([correct[n, REAL] - correct[n, SHUFFLED] for n in numbers], dtype=float),
        np.array([gold[n, REAL] - gold[n, SHUFFLED] for n in numbers], dtype=float),
    )


def find_needed(values: npt.NDArray[np.float64], images: Sequence[str]) -> float:
    """How many questions like these give 80 % power."""
    error = find_standard_error(values.tolist(), images)
    return len(values) * float((NEEDED_STANDARD_ERRORS * error / values.mean()) ** 2)


def find_ratio_interval(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], images: Sequence[str]
) -> tuple[float, float]:
    """95 % percentile interval of needed(second) / needed(first), resampling images."""
    generator = np.random.default_rng(0)
    names = sorted(set(images))
    own = {name: np.flatnonzero(np.array(images) == name) for name in names}
    ratios = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(len(names), size=len(names))
        rows = np.concatenate([own[names[place]] for place in drawn])
        clusters = np.repeat([str(k) for k in range(len(drawn))], [len(own[names[place]]) for place in drawn])
        ratios.append(find_needed(second[rows], clusters.tolist()) / find_needed(first[rows], clusters.tolist()))
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.2, 0.3, 0.4, 0.5, 0.6])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--control", default="sighted")
    arguments = parser.parse_args()
    samples, shown, task = load_questions()
    images = [sample.image_id for sample in samples]
    print(f"{len(samples)} questions on {len(set(images))} images")
    print("noise  seed     VRS          vrs_logprob     needed: VRS  logprob   ratio [95 %]")
    for share in arguments.noise:
        for seed in range(arguments.seeds if share else 1):
            lm = VrsHF(pretrained=str(ROOT / "controls" / arguments.control), device="cpu", batch_size=32)
            weaken(lm.model, share, seed)
            correct, gold = measure(lm, task, samples, shown)
            needed = [find_needed(values, images) for values in (correct, gold)]
            low, high = find_ratio_interval(correct, gold, images)
            cells = " ".join(
                f"{values.mean():+.3f} ± {find_standard_error(values.tolist(), images):.3f}"
                for values in (correct, gold)
            )
            print(
                f"{share:5.2f} {seed:5} {cells} {needed[0]:10.0f} {needed[1]:8.0f} {needed[1] / needed[0]:8.2f} "
                f"[{low:.2f}, {high:.2f}]",
                flush=True,
            )


if __name__ == "__main__":
    main()
