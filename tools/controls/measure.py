"""Measures one control on the sample: `python -m tools.controls.measure --model DIR --data tasks/vrs_sample/data`.

This is an independent check for the model cards: exact match of the whole answer, one derangement, bootstrap over
images. The project's metrics (with parsing and scoring of free text) are those of `lm_eval --tasks vrs_sample`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

from tools.controls.model import write_prompt

SEED = 0
RESAMPLES = 10_000
BATCH = 32


def shuffle_images(images: list[str]) -> dict[str, str]:
    """A derangement: each image's partner is the next one on a random cycle through all of them."""
    cycle = [images[i] for i in np.random.default_rng(SEED).permutation(len(images))]
    return dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))


@torch.no_grad()
def answer_questions(folder: Path, prompts: list[str], images: list[Image.Image]) -> list[str]:
    """Greedy answers, in left-padded batches as lm-eval's hf-multimodal makes them."""
    model = LlavaForConditionalGeneration.from_pretrained(folder, dtype="auto").eval()
    processor = AutoProcessor.from_pretrained(folder)
    answers = []
    for start in range(0, len(prompts), BATCH):
        part = slice(start, start + BATCH)
        inputs = processor(text=prompts[part], images=images[part], padding="longest", return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=8, do_sample=False)
        new = tokens[:, inputs["input_ids"].shape[1] :]
        answers += processor.batch_decode(new, skip_special_tokens=True)
    return [answer.strip() for answer in answers]


def bootstrap_mean(values: np.ndarray, clusters: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % percentile interval, resampling whole clusters (images)."""
    rng = np.random.default_rng(SEED)
    names, member = np.unique(clusters, return_inverse=True)
    sums = np.bincount(member, weights=values)
    sizes = np.bincount(member)
    drawn = rng.integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def blind_hits(rows: list[dict]) -> np.ndarray:
    """1 where the most common answer to the row's question string (ties: the first by name) is its answer."""
    best = {}
    for question in {row["question"] for row in rows}:
        answers = sorted(row["answer"] for row in rows if row["question"] == question)
        best[question] = max(sorted(set(answers)), key=answers.count)
    return np.array([best[row["question"]] == row["answer"] for row in rows], dtype=float)


def measure_control(model: Path, data: Path) -> dict[str, object]:
    """Accuracy under real, blank and shuffled images, VRS, the blind floor, each with its interval."""
    rows = [json.loads(line) for line in (data / "questions.jsonl").read_text().splitlines()]
    names = sorted({row["image"] for row in rows})
    pictures = {name: Image.open(data / name).convert("RGB") for name in names}
    partner = shuffle_images(names)
    shown = {
        "real": [pictures[row["image"]] for row in rows],
        "blank": [Image.new("RGB", pictures[row["image"]].size, (128, 128, 128)) for row in rows],
        "shuffled": [pictures[partner[row["image"]]] for row in rows],
    }
    prompts = [write_prompt(row["question"]) for row in rows]
    given = {variant: answer_questions(model, prompts, images) for variant, images in shown.items()}
    gold = [row["answer"] for row in rows]
    hits = {v: np.array([a == g for a, g in zip(x, gold, strict=True)], float) for v, x in given.items()}
    clusters = np.array([row["image"] for row in rows])
    floor = blind_hits(rows)
    changed = np.array([a != b for a, b in zip(given["real"], given["shuffled"], strict=True)], float)
    series = {f"acc_{variant}": values for variant, values in hits.items()} | {
        "blind_majority": floor,
        "vrs": hits["real"] - hits["shuffled"],
        "acc_real_minus_blind_majority": hits["real"] - floor,
        "image_sensitivity": changed,
    }
    report: dict[str, object] = {
        name: [round(x, 3) for x in bootstrap_mean(values, clusters)] for name, values in series.items()
    }
    manifest = [json.loads(line) for line in (data / "images.jsonl").read_text().splitlines()]
    source = {row["image"]: row["made"].get("volume", "picture files") for row in manifest}
    report["by_type"] = tabulate_groups([row["question_type"] for row in rows], series)
    report["by_source"] = tabulate_groups([source[row["image"]] for row in rows], series)
    return report


def tabulate_groups(groups: list[str], series: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Plain means per group, without intervals: the groups are small."""
    columns = ("acc_real", "acc_blank", "acc_shuffled", "blind_majority")
    member = np.array(groups)
    return {
        group: {"n": int((member == group).sum())}
        | {name: round(float(series[name][member == group].mean()), 2) for name in columns}
        for group in sorted(set(groups))
    }


def main() -> None:
    """Print the table for one control."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report = measure_control(arguments.model, arguments.data)
    tables = [report.pop("by_type"), report.pop("by_source")]
    for name, value in report.items():
        print(f"{name:32} {value}")
    for table in tables:
        for group, values in table.items():
            print(f"  {group:14} {values}")


if __name__ == "__main__":
    main()
