"""`vrs-vllm` beside the harness's `vllm-vlm` on one engine of vLLM: the same answers, then how fast long ones come.

    python bench/bench_vllm.py [--model FOLDER] [--batch-size 64] [--running 256] [--engine NAME=VALUE ...]

The requests are those of `vrs_sample_cot` on three variants: answers of up to `--tokens` tokens, of very different
lengths, as reasoning has them. Texts of both classes are compared first (only rounding may tell them apart); then both
are timed in turn, each time with vLLM's caches emptied. Without `--model` it is bench_llava's random LLaVA, kept
from repeating itself, so that every answer ends somewhere else. `--batch-size` is the harness's, which waits for the
longest answer of each batch; ours has none. A step computes one token of every prompt that runs, so steps say how full
the engine was, whatever else the machine did.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lm_eval.tasks import TaskManager

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

TASK = "vrs_sample_cot"
WANDERING = {"repetition_penalty": 1.3, "until": ["v"]}
"""What lets a random model wander through its hundred words and end somewhere: at the only one with this letter."""


def load_requests(questions: int, tokens: int, more: dict[str, Any]) -> list[Any]:
    manager = TaskManager(include_defaults=False, include_path=str(ROOT / "tasks"))
    task = manager.load([TASK])["tasks"][TASK]
    task.build_all_requests(limit=questions, rank=0, world_size=1)
    for request in task.instances:
        settings = {**request.args[1], "max_gen_toks": tokens, **more}
        request.arguments = (request.args[0], settings, request.args[2])
    return list(task.instances)


def make_model(folder: Path, requests: list[Any]) -> Path:
    from bench_llava import save_bench_llava

    from tools.controls.name_for_vllm import write_published_names

    save_bench_llava(folder, [request.args[0] for request in requests])
    write_published_names(folder)
    return folder


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a checkpoint; by default a random LLaVA of 140 M parameters is made")
    parser.add_argument("--questions", type=int, default=40, help="of vrs_sample, each on three images (40)")
    parser.add_argument("--tokens", type=int, default=192, help="the longest answer (192; the _cot tasks allow 1,024)")
    parser.add_argument("--batch-size", type=int, default=16, help="of the harness's class (16)")
    parser.add_argument("--running", type=int, default=64, help="prompts that the engine computes at once (64)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", nargs="*", default=["dtype=float32", "enforce_eager=True"], metavar="NAME=VALUE")
    return parser.parse_args()


def time_once(lm: Any, ask: Callable[[list[Any]], list[str]], requests: list[Any]) -> tuple[float, int, list[str]]:
    lm.model.reset_prefix_cache()
    lm.model.reset_mm_cache()
    engine, counts = lm.model.llm_engine, Counter()
    step = engine.step

    def count_step() -> Any:
        counts["steps"] += 1
        return step()

    engine.step = count_step
    begun = time.perf_counter()
    texts = ask(requests)
    elapsed = time.perf_counter() - begun
    del engine.step
    return elapsed, counts["steps"], texts


def main() -> None:
    from lm_eval.utils import handle_arg_string

    from vrs_lmeval.vllm_model import VrsVLLM

    arguments = read_arguments()
    settings = {name: handle_arg_string(value) for name, _, value in (each.partition("=") for each in arguments.engine)}
    requests = load_requests(arguments.questions, arguments.tokens, {} if arguments.model else WANDERING)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or str(make_model(Path(folder), requests))
        settings |= {"max_num_seqs": arguments.running, "batch_size": arguments.batch_size, "cold_warm": 0}
        compare(VrsVLLM(pretrained=model, **settings), requests, arguments)


def compare(lm: Any, requests: list[Any], arguments: argparse.Namespace) -> None:
    if arguments.model and lm.processor.chat_template:
        for request in requests:
            shown = lm.apply_chat_template([{"role": "user", "content": request.args[0]}])
            request.arguments = (shown, *request.args[1:])
    stock_class = super(type(lm), lm)
    ways = {
        "vllm-vlm": lambda part: stock_class.generate_until(part, disable_tqdm=True),
        "vrs-vllm": lambda part: lm.generate_until(part, disable_tqdm=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    steps: dict[str, int] = {}
    texts: dict[str, list[str]] = {}
    for place in range(arguments.rounds + 1):  # the first warms up, and shows that the texts agree
        for name, ask in ways.items():
            elapsed, steps[name], texts[name] = time_once(lm, ask, requests)
            seconds[name] += [elapsed] * (place > 0)
        if place == 0:
            tell_texts(texts, lm.tokenizer)
    tokens = sum(len(lm.tokenizer.encode(text, add_special_tokens=False)) for text in texts["vrs-vllm"])
    print(f"| class | seconds ({arguments.rounds} rounds) | answers' tokens per second, median | steps of the engine |")
    print("|---|---|---|---|")
    for name, each in seconds.items():
        said = ", ".join(f"{one:.1f}" for one in each)
        print(f"| {name} | {said} | {tokens / statistics.median(each):.0f} | {steps[name]} |")
    ratios = [stock / ours for stock, ours in zip(*seconds.values(), strict=True)]
    print(f"vrs-vllm is {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")


def tell_texts(texts: dict[str, list[str]], tokenizer: Any) -> None:
    stock, ours = texts.values()
    same = sum(first == second for first, second in zip(stock, ours, strict=True))
    lengths = sorted(len(tokenizer.encode(text, add_special_tokens=False)) for text in ours)
    print(f"{same} of {len(ours)} texts are the same")
    quarters = [lengths[place * (len(lengths) - 1) // 4] for place in range(5)]
    print(f"tokens of an answer: least, quarters and most {quarters}")
    if same < 0.9 * len(ours):
        raise SystemExit("too many texts differ: rounding alone does not explain this")


if __name__ == "__main__":
    main()
