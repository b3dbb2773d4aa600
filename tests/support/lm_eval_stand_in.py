"""Stands for `lm_eval run` where a test is about who starts it: keeps an answer a question, slowly, and writes results.

Every question that it asks adds a line to the file in $STAND_IN_ASKED. Like vrs-hf it finds what is kept, keeps each
answer as it comes, shows a bar, and with `answers_from` asks nothing. A model called "broken" fails.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path

from vrs_lmeval.asking.answer_cache import AnswerCache

QUESTIONS = 16
SECONDS = float(os.environ.get("STAND_IN_SECONDS", "0.04"))
"""For each, so that there is a middle to kill it in."""


def main(arguments: list[str]) -> int:
    """What `lm_eval run` does with these arguments; its exit code."""
    say(f"process {os.getpid()}\n")
    given = {name: value for name, value in itertools.pairwise(arguments) if name.startswith("--")}
    model_args = dict(part.split("=", 1) for part in given["--model_args"].split(","))
    task, name = given["--tasks"], model_args["pretrained"]
    if name == "broken":
        say("OutOfMemoryError: too big\n")
        return 1
    numbers = list(range(QUESTIONS))
    if "--samples" in given:
        numbers = json.loads(Path(given["--samples"]).read_text())[task]
    kept = AnswerCache(Path(model_args.get("answers_from") or model_args["cache_dir"]), "")
    if "cache_dir" in model_args:
        kept.note("model", name)
    answers = {}
    for place, number in enumerate(numbers):
        key = f"{name} {task} {number}"
        if kept.find(key) is None:
            if "answers_from" in model_args:
                say(f"no answer to {number}\n")
                return 1
            with open(os.environ["STAND_IN_ASKED"], "a") as asked:
                asked.write(f"{key}\n")
            time.sleep(SECONDS)
            kept.keep({key: f"{name} says {number}"})
        answers[number] = kept.find(key)
        say(f"\rvrs-hf: {100 * place // len(numbers)}%|#| {place}/{len(numbers)} questions [00:01<00:01]")
    write_results(Path(given["--output_path"]) / name, name, task, answers)
    return 0


def say(text: str) -> None:
    """Into the log."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_results(folder: Path, name: str, task: str, answers: dict[int, str]) -> None:
    """As the harness does of a task that is not ours, but without a time in the names."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {task: {"original": QUESTIONS, "effective": len(answers)}}
    results = {"model_name": name, "configs": {task: {}}, "n-samples": counts}
    lines = [json.dumps({"doc_id": number, "text": text}) for number, text in answers.items()]
    (folder / f"samples_{task}_now.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "results_now.json").write_text(json.dumps(results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
