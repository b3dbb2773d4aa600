"""What tasks would ask, before any model is loaded: their data, requests, tokens, and how fast a model was before.

Counts are those of the requests that lm_eval would be given; tasks whose data are not on this machine have none.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrs_lmeval.benchmark.asked_tasks import Asked, check_files, find_tasks, locate
from vrs_lmeval.benchmark.data_places import Hub
from vrs_lmeval.benchmark.images import UnreadableImageError
from vrs_lmeval.benchmark.sources import MalformedDataError, MissingDataError
from vrs_lmeval.commands.plan_names import Named, read_names
from vrs_lmeval.leaderboard.logged_json import DAMAGE, parse_json, read_text
from vrs_lmeval.leaderboard.runs import name_samples_file

COUNTED_PROMPTS = 24
"""Prompts whose tokens are counted, spread over all: images of a data set differ in size, and so in tokens."""


class PlanError(ValueError):
    """What was asked for cannot be planned; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one task asks: `images` are pictures that differ in content or change, `most_tokens_out` is for all."""

    questions: int
    images: int
    variants: int
    requests: int
    most_tokens_out: int
    shown: tuple[Any, ...]  # requests of lm_eval, to count the tokens of some


@dataclass(frozen=True, slots=True)
class Planned:
    """A task, and its work where its data are on this machine; `fault` says why they cannot be read."""

    asked: Asked
    work: Work | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a model answered: requests a second; tokens a request where its run counted them."""

    requests_a_second: float
    tokens_in: float | None = None
    tokens_out: float | None = None
    source: str = "as given"


@dataclass(frozen=True, slots=True)
class Plan:
    """Our tasks that were named; and names of lm_eval's other tasks, of which nothing is counted."""

    planned: tuple[Planned, ...]
    foreign: tuple[str, ...]


def plan_tasks(names: Sequence[str], folders: Sequence[Path], limit: int | None) -> Plan:
    """Every task that the names stand for, as `lm_eval --tasks` takes them; `folders` hold the YAMLs of more tasks.

    Raises PlanError for a name that is no task, and for a YAML that nothing can run.
    """
    try:
        named = read_names(names, folders)
        check_files(named.index, named.ours)
        located = locate(find_tasks(named.ours, named.index), named.index, Hub())
    except ValueError as error:
        raise PlanError(str(error)) from error
    return Plan(tuple(_plan(asked, named, limit) for asked in located), tuple(named.foreign))


def _plan(asked: Asked, named: Named, limit: int | None) -> Planned:
    if asked.place.state != "here":
        return Planned(asked)
    try:
        with redirect_stderr(io.StringIO()):  # progress bars of a second
            task = named.load(asked.name)
            task.build_all_requests(limit=limit, rank=0, world_size=1)
    except (MissingDataError, MalformedDataError, UnreadableImageError) as error:
        return Planned(asked, fault=str(error))
    except ValueError as error:  # a variant that does not exist
        raise PlanError(f"{named.index[asked.name].yaml_path}: {error}") from error
    requests = task.instances
    shown = {
        (image.source_id, image.perturbation)
        for request in requests
        for beside in request.args[2:]
        for image in beside["visual"]
    }
    settings = [request.args[1] for request in requests if isinstance(request.args[1], Mapping)]
    return Planned(
        asked,
        Work(
            questions=len({request.doc_id for request in requests}),
            images=len(shown),
            variants=len(task.evidence.variants),
            requests=len(requests),
            most_tokens_out=sum(int(each.get("max_gen_toks", 0)) for each in settings),
            shown=tuple(requests),
        ),
    )


def count_tokens(requests: Sequence[Any], model: str) -> tuple[float, int]:
    """(mean tokens of a prompt with its images, of how many prompts), by the model's own processor and chat template.

    No weights are loaded. Raises PlanError where it has none that can be asked.
    """
    from transformers import AutoProcessor

    chosen = requests[:: max(1, len(requests) // COUNTED_PROMPTS)][:COUNTED_PROMPTS]
    try:
        processor = AutoProcessor.from_pretrained(model)
        lengths = [_count(processor, request) for request in chosen]
    except Exception as error:  # of any class: a hub that is not reached, no chat template, a package that is missing
        raise PlanError(f"{model}: its tokens cannot be counted ({type(error).__name__}: {error})") from error
    return sum(lengths) / len(lengths), len(lengths)


def _count(processor: Any, request: Any) -> int:
    prompt = request.args[0]
    images = request.args[2]["visual"] if request.args[2:] else []
    content = [{"type": "image", "image": image.convert("RGB")} for image in images]
    content.append({"type": "text", "text": prompt.replace("<image>", "").strip()})
    encoded = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    tokens = encoded["input_ids"]
    return len(tokens[0] if isinstance(tokens[0], list) else tokens)


def _count_responses(samples: Path) -> int:
    """Requests that were answered: of likelihoods one an option."""
    return sum(len(parse_json(line)["resps"]) for line in read_text(samples).splitlines())


def read_pace(folder: Path) -> Pace:
    """How fast the newest run of a results folder went, loading its model included. Raises PlanError.

    Needs the samples of that run, and none of its answers from `cache_dir`.
    """
    files = sorted(folder.rglob("results_*.json"), key=lambda path: path.name)
    if not files:
        raise PlanError(f"{folder}: no results_*.json below it; name the output of an earlier lm_eval run")
    try:
        results = parse_json(read_text(files[-1]))
        seconds = float(results["total_evaluation_time_seconds"])
        requests = sum(_count_responses(name_samples_file(files[-1], task)) for task in results["n-samples"])
        config = results.get("config") or {}
        usage = config.get("vrs_api") or {}
        kept = sum((config.get(name) or {}).get("cache_hits", 0) for name in ("vrs_work", "vrs_vllm", "vrs_api"))
        asked = usage.get("requests")
        tokens_in, tokens_out = (
            float(usage[name]) / asked if asked and name in usage else None for name in ("tokens_in", "tokens_out")
        )
    except DAMAGE as error:
        raise PlanError(f"{files[-1]}: does not say how long it took ({type(error).__name__}: {error})") from error
    if kept or "vrs_parts" in config:
        raise PlanError(f"{files[-1]}: was told from kept answers, so its time says nothing; name a run that asked all")
    if not (seconds > 0 and requests):
        raise PlanError(f"{files[-1]}: asked nothing, or took no time")
    return Pace(requests / seconds, tokens_in, tokens_out, f"as measured in {folder}")
