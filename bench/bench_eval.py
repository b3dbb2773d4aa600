"""Times a three-variant VRS run of `vrs-hf` beside the stock `hf-multimodal`, on the model's side of the harness.

Four candidates run interleaved: stock on the real images only, stock on three variants, vrs-hf on three variants, and
vrs-hf on five variants, two of them without an image (vrs_mirage). Each has the best of `--batch-sizes`, found on a few
questions. Answers must be identical in float32; answers without an image must equal those that the model gives to each
prompt alone. The questions are all of VQA-RAD's test split if VRS_DATA_DIR holds it, and a made-up set of SLAKE's shape
(20 images x 11 questions).
`python bench/bench_eval.py --help`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.hf_vlms import HFMultimodalLM
from lm_eval.tasks import TaskManager
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from bench_llava import save_bench_llava
from support.images import synthetic_image

from vrs_lmeval.model import VrsHF

TASKS = Path(__file__).parents[1] / "tasks"
TASK, HUB_PATH = "vrs_vqa_rad_mirage", "flaviagiammarino/vqa-rad"
SLAKE_IMAGES, SLAKE_QUESTIONS, SLAKE_SIDE = 20, 11, 512
ANSWER_TOKENS = 8
STOCK_REAL, STOCK, OURS = "hf-multimodal, real alone", "hf-multimodal, 3 variants", "vrs-hf, 3 variants"
OURS_FIVE = "vrs-hf, 5 variants"
VARIANTS_OF = {STOCK_REAL: 1, STOCK: 3, OURS: 3, OURS_FIVE: 5}
SHUFFLED_PLACE = 2
CHECKED_ALONE = 40
FIVE_GOAL = 1.35
"""Five variants take at most so many times the time of three: prompts without an image are short."""
GOALS = {"VQA-RAD": (0.9, 3.5), "SLAKE shape": (0.4, None)}
"""Goals: at most this multiple of stock's real-only time; at least so many times faster than stock on the same
variants."""


def load_requests(questions: int | None) -> list[Any]:
    """Requests of whole images with at least `questions` questions; each next image is the partner of the one
    before."""
    manager = TaskManager(include_defaults=False, include_path=str(TASKS))
    task = manager.load([TASK])["tasks"][TASK]
    task.build_all_requests(limit=None, rank=0, world_size=1)
    by_image: dict[str, list[Any]] = {}
    for request in task.instances:
        request.arguments = (request.args[0], {**request.args[1], "max_gen_toks": ANSWER_TOKENS}, request.args[2])
        by_image.setdefault(request.doc["image_id"], []).append(request)
    chosen: list[Any] = []
    image = min(by_image)
    while image in by_image and (questions is None or len(chosen) < 5 * questions):
        own = by_image.pop(image)
        chosen += own
        image = own[SHUFFLED_PLACE].args[2]["visual"][0].source_id
    return chosen


def write_slake_shape(data_dir: Path) -> None:
    """Write made-up images and questions to the place where the task looks for VQA-RAD's."""
    folder = data_dir / HUB_PATH
    (folder / "data").mkdir(parents=True)
    rows = []
    for number in range(SLAKE_IMAGES):
        Image.fromarray(synthetic_image(SLAKE_SIDE, SLAKE_SIDE, seed=number)).save(folder / f"{number}.png")
        rows += [
            {"image": f"{number}.png", "question": f"{QUESTIONS[index]} ({number})?", "answer": "yes"}
            for index in range(SLAKE_QUESTIONS)
        ]
    (folder / "data" / "test-00000-of-00001.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


QUESTIONS = [
    "what modality is used to take this image",
    "which part of the body does this image belong to",
    "is this a healthy lung",
    "does the picture contain the liver",
    "which organ is abnormal, the heart or the lung",
    "what is the largest organ in the picture",
    "where is the brain edema",
    "how many kidneys are there in this image",
    "what color does the right lung show",
    "is there a mass in the left hemisphere of this patient",
    "what diseases are included in the picture",
]


def make_candidates(folder: Path, dtype: str, sizes: dict[str, int]) -> dict[str, Callable[[], Any]]:
    """Fresh model classes, so that no round profits from an earlier one."""
    kinds = {STOCK_REAL: HFMultimodalLM, STOCK: HFMultimodalLM, OURS: VrsHF, OURS_FIVE: VrsHF}
    return {
        name: lambda kind=kind, name=name: kind(
            pretrained=str(folder), device="cpu", dtype=dtype, batch_size=sizes[name]
        )
        for name, kind in kinds.items()
    }


def of_candidate(name: str, requests: Sequence[Any]) -> list[Any]:
    return [copy(request) for request in requests if request.idx < VARIANTS_OF[name]]


def time_once(lm: Any, requests: Sequence[Any]) -> tuple[float, list[str]]:
    begin = time.perf_counter()
    answers = lm.generate_until(requests, disable_tqdm=True)
    return time.perf_counter() - begin, answers


def find_batch_sizes(folder: Path, requests: Sequence[Any], choices: Sequence[int]) -> dict[str, int]:
    """The fastest of `choices` for each candidate, on these few requests."""
    best = {}
    for name in VARIANTS_OF:
        seconds = {}
        for size in choices:
            lm = make_candidates(folder, "float32", dict.fromkeys(VARIANTS_OF, size))[name]()
            seconds[size], _ = time_once(lm, of_candidate(name, requests))
        best[name] = min(seconds, key=seconds.__getitem__)
        print(f"  {name:28} batch size {best[name]:3}  ({', '.join(f'{n}: {s:.1f} s' for n, s in seconds.items())})")
    return best


def compare(title: str, folder: Path, requests: list[Any], arguments: argparse.Namespace) -> None:
    count = sum(request.idx == 0 for request in requests)
    images = len({request.doc["image_id"] for request in requests})
    print(f"\n{title}: {count} questions on {images} images")
    few = requests[: 5 * arguments.tuning_questions]
    sizes = find_batch_sizes(folder, few, arguments.batch_sizes)
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS_OF}
    answers: dict[str, list[str]] = {}
    for _ in range(arguments.rounds):
        for name, make in make_candidates(folder, "float32", sizes).items():
            lm = make()
            elapsed, answers[name] = time_once(lm, of_candidate(name, requests))
            seconds[name].append(elapsed)
            if name == OURS_FIVE:
                info = lm.get_model_info()
    report(title, seconds)
    print(f"  paths: images {info['vrs_image_path']}, prefixes {info['vrs_prefix_path']}, {info['vrs_work']}")
    wrong = sum(one != other for one, other in zip(answers[OURS], answers[STOCK], strict=True))
    print(
        f"  float32: {wrong} of {len(answers[OURS])} answers differ; {len(set(answers[STOCK]))} different ones in all"
    )
    of_five = [answer for request, answer in zip(requests, answers[OURS_FIVE], strict=True) if request.idx < 3]
    bare = [(request, answer) for request, answer in zip(requests, answers[OURS_FIVE], strict=True) if request.idx > 2]
    wrong_beside = sum(one != other for one, other in zip(of_five, answers[OURS], strict=True))
    wrong_alone = count_other_answers(folder, bare[:: max(1, len(bare) // CHECKED_ALONE)])
    print(
        f"  with five: {wrong_beside} of these differ; without an image, {wrong_alone} of some {CHECKED_ALONE} checked"
    )
    wrong += wrong_beside + wrong_alone
    if arguments.bfloat16:
        (_, ours), (_, stock) = (
            time_once(make_candidates(folder, "bfloat16", sizes)[name](), of_candidate(name, requests))
            for name in (OURS, STOCK)
        )
        same = sum(one == other for one, other in zip(ours, stock, strict=True))
        print(f"  bfloat16: {same} of {len(requests)} answers are the same")
    if wrong:
        sys.exit("answers differ in float32")


def count_other_answers(folder: Path, answered: Sequence[tuple[Any, str]]) -> int:
    """How many prompts without an image get another answer if the model is asked each alone, by its own processor."""
    lm = HFMultimodalLM(pretrained=str(folder), device="cpu", dtype="float32")
    others = 0
    for request, answer in answered:
        inputs = lm.processor(text=[request.args[0]], return_tensors="pt")
        with torch.inference_mode():
            tokens = lm.model.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        text = lm.tok_decode(tokens[0, inputs["input_ids"].shape[1] :].tolist())
        others += text.split("\n\n")[0] != answer
    return others


def report(title: str, seconds: dict[str, list[float]]) -> None:
    for name, values in seconds.items():
        rounds = ", ".join(f"{value:.1f}" for value in values)
        print(f"  {name:28}{statistics.median(values):9.1f} s  ({rounds})")
    share = statistics.median(ours / real for ours, real in zip(seconds[OURS], seconds[STOCK_REAL], strict=True))
    faster = statistics.median(stock / ours for ours, stock in zip(seconds[OURS], seconds[STOCK], strict=True))
    five = statistics.median(five / ours for five, ours in zip(seconds[OURS_FIVE], seconds[OURS], strict=True))
    goal_share, goal_faster = GOALS[title]
    print(f"  vrs-hf takes {share:.2f}x of stock's real-only run (goal: at most {goal_share})")
    goal = f" (goal: at least {goal_faster})" if goal_faster else ""
    print(f"  and is {faster:.1f}x faster than stock on the same three variants{goal}")
    print(f"  five variants, two of them without an image, take {five:.2f}x of three (goal: at most {FIVE_GOAL})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--questions", type=int, help="about so many instead of all of VQA-RAD's")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 16])
    parser.add_argument("--tuning-questions", type=int, default=16, help="on which the best batch size is found")
    parser.add_argument("--bfloat16", action="store_true", help="also report how many answers agree in bfloat16")
    parser.add_argument("--only", choices=list(GOALS))
    arguments = parser.parse_args()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as scratch:
        sets: dict[str, list[Any]] = {}
        if os.environ.get("VRS_DATA_DIR") and arguments.only != "SLAKE shape":
            sets["VQA-RAD"] = load_requests(arguments.questions)
        if arguments.only != "VQA-RAD":
            write_slake_shape(Path(scratch) / "data")
            os.environ["VRS_DATA_DIR"] = str(Path(scratch) / "data")
            sets["SLAKE shape"] = load_requests(None)
        texts = [request.args[0] for requests in sets.values() for request in requests]
        folder = save_bench_llava(Path(scratch) / "model", texts)
        for title, requests in sets.items():
            compare(title, folder, requests, arguments)
    print(f"\nload average after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
