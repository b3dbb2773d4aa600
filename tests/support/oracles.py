"""A two-image benchmark and models whose every answer is known: what each metric must be can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager
from support.stores import encode, gradient
from torch.utils import collect_env

TASKS = Path(__file__).parents[2] / "tasks"

QUESTIONS = {
    # question: gold for image "a", gold for image "b"
    "is the heart enlarged?": ("yes", "no"),
    "is this a human?": ("yes", "yes"),
    "which organ is shown?": ("liver", "lung"),
    "which region is shown?": ("chest", "chest"),
}
SIZES = {"a": (20, 12), "b": (16, 24)}


class OracleModel(LM):  # type: ignore[misc]
    """Answers by a function of (question, name of the image shown or "blank", gold of the question's own image)."""

    MULTIMODAL = True

    def __init__(self, answer: Callable[[str, str, str], str]) -> None:
        super().__init__()
        self._answer = answer
        self.requests: list[Any] = []

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """One text a request, from the picture that it really holds."""
        self.requests = list(requests)
        return [self._answer_one(request) for request in requests]

    def _answer_one(self, request: Any) -> str:
        prompt, _, visual = request.args
        (image,) = visual["visual"]
        return self._answer(prompt.split("\n")[1], recognise(image), request.doc["answer"])

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        """Not asked for by these tasks."""
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        """Not asked for by these tasks."""
        raise NotImplementedError


def recognise(image: Any) -> str:
    """Name of the benchmark image whose pixels these are, or "blank" for a uniform one."""
    pixels = image.tobytes()
    for name, size in SIZES.items():
        if image.size == size and pixels == gradient(*size).tobytes():
            return name
    assert len(image.getcolors()) == 1, "neither an image of the benchmark nor a uniform one"
    return "blank"


def gold(question: str, image: str) -> str:
    """The right answer about the image shown."""
    return QUESTIONS[question]["ab".index(image)]


def write_benchmark(data_dir: Path) -> None:
    """The benchmark as `VRS_DATA_DIR` holds VQA-RAD, so that the task vrs_vqa_rad itself can run on it."""
    folder = data_dir / "flaviagiammarino" / "vqa-rad"
    (folder / "data").mkdir(parents=True)
    rows = []
    for name, size in SIZES.items():
        (folder / f"{name}.png").write_bytes(encode(gradient(*size), "PNG"))
        rows += [
            {"image": f"{name}.png", "question": question, "answer": gold(question, name)} for question in QUESTIONS
        ]
    (folder / "data" / "test-00000-of-00001.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


collect_env.get_pretty_env_info = cache(collect_env.get_pretty_env_info)
"""Torch's description of the machine, in every results file: half a second each, and always the same."""


@cache
def find_tasks() -> TaskManager:
    """Our tasks, without those of lm_eval."""
    return TaskManager(include_defaults=False, include_path=str(TASKS))


def evaluate(model: Any, task: str | Path = "vrs_vqa_rad", **options: Any) -> dict[str, Any]:
    """Run a task of VQA-RAD, by name or YAML file, on what VRS_DATA_DIR holds, through the harness."""
    results: dict[str, Any] = lm_eval.simple_evaluate(
        model=model, tasks=[str(task)], task_manager=find_tasks(), bootstrap_iters=10, **options
    )
    return results
