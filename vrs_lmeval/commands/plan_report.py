"""`vrs plan`: what tasks, or a whole study, would ask, and what that takes, as tables and a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from vrs_lmeval.benchmark.asked_tasks import explain
from vrs_lmeval.commands.plain_console import make_console
from vrs_lmeval.commands.plan import Pace, PlanError, Planned, Work, count_tokens, plan_tasks, read_pace
from vrs_lmeval.commands.plan_study import describe_models, make_models_table, read_planned_study

console = make_console()


def plan(
    study: Annotated[Path | None, typer.Argument(help="A study.yaml: all of its models on all of its tasks.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks or groups, parted by commas: vrs_medvqa,vrs_sample.")] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="A folder with YAMLs of your own tasks.")] = None,
    model: Annotated[str | None, typer.Option(help="Count tokens as this model does: a hub id or a folder.")] = None,
    limit: Annotated[int | None, typer.Option(help="Questions a task, as with lm_eval --limit.", min=1)] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second that the model answers.", min=1e-6)] = None,
    like: Annotated[Path | None, typer.Option(help="Results of an earlier run: as fast as that one was.")] = None,
    price_in: Annotated[float | None, typer.Option(help="Money for a million tokens read.", min=0)] = None,
    price_out: Annotated[float | None, typer.Option(help="Money for a million tokens written.", min=0)] = None,
) -> None:
    """Say what a run would ask before any model is loaded: missing data sets, requests, tokens, hours, money."""
    try:
        if like is not None and rate is not None:
            raise PlanError("--rate and --like say the same; give one of them")
        if (study is None) == (tasks is None):
            raise PlanError("name either a study.yaml or --tasks")
        models, names, folders = None, [name.strip() for name in (tasks or "").split(",") if name.strip()], include_path
        if study is not None:
            models = read_planned_study(study)
            names, limit = list(models.tasks), limit or models.limit
            folders = [*(folders or ()), *models.folders]
        found = plan_tasks(names, folders or [], limit)
        planned = found.planned
        pace = read_pace(like) if like is not None else Pace(rate) if rate else None
        if planned:
            _show(planned)
        if found.foreign:
            _say(f"not counted, since they are no tasks of ours: {', '.join(found.foreign)}")
        if models is not None:
            console.print(make_models_table(models))
            for line in describe_models(models):
                _say(line)
        works = [each.work for each in planned if each.work is not None]
        if works:
            tokens_in = _count_tokens(works, model, pace)
            of = "" if len(works) == len(planned) else f"of {len(works)} of {len(planned)} tasks, whose data are here: "
            _show_cost(works, pace, tokens_in, (price_in, price_out), of, len(models.models) if models else 1)
    except PlanError as error:
        console.print(f"[red]vrs plan:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if any(each.fault or each.asked.place.state == "missing" for each in planned):
        raise typer.Exit(1)


def _show(planned: Sequence[Planned]) -> None:
    table = Table(
        "task", *(Column(name, justify="right") for name in ("questions", "pictures", "variants", "requests")), "data"
    )
    for each in planned:
        work = each.work
        counts = (work.questions, work.images, work.variants, work.requests) if work else ()
        cells = [f"{count:,}" for count in counts] or ["-"] * 4
        table.add_row(each.asked.name, *cells, escape(_describe(each)))
    console.print(table)
    missing = [each.asked for each in planned if each.asked.place.state == "missing"]
    if missing:
        _say(f"{len(missing)} of {len(planned)} tasks lack their data. {explain(missing)}")
    for each in planned:
        if each.fault:
            _say(f"{each.asked.name}: {each.fault}")
    sizes = [each.asked.place.download_bytes for each in planned if each.asked.place.state == "hub"]
    if sizes:
        known = sum(size for size in sizes if size is not None)
        more = "" if None not in sizes else " and more that the hub does not say"
        _say(f"to download: {known / 1e6:,.0f} MB{more}; requests of these are counted once they are here")
    for each in planned:
        if each.asked.place.state == "unsure":
            _say(f"{each.asked.name}: only loading it can tell ({each.asked.place.detail})")


def _describe(planned: Planned) -> str:
    place = planned.asked.place
    if planned.fault:
        return "cannot be read"
    if place.state == "hub":
        size = "" if place.download_bytes is None else f", {place.download_bytes / 1e6:,.0f} MB"
        return f"{planned.asked.source.path} on the hub{size}"
    return place.detail if place.state == "here" else f"{place.state}: {place.detail}"


def _count_tokens(works: Sequence[Work], model: str | None, pace: Pace | None) -> float | None:
    """Tokens that all requests have together; None where nothing tells."""
    requests = sum(work.requests for work in works)
    if model is not None:
        mean, counted = count_tokens([request for work in works for request in work.shown], model)
        _say(f"tokens read: about {mean * requests:,.0f}, {mean:,.0f} a request (mean of {counted}, by {model})")
        return mean * requests
    if pace is not None and pace.tokens_in is not None:
        _say(f"tokens read: about {pace.tokens_in * requests:,.0f}, {pace.tokens_in:,.0f} a request ({pace.source})")
        return pace.tokens_in * requests
    return None


def _show_cost(
    works: Sequence[Work],
    pace: Pace | None,
    tokens_in: float | None,
    prices: tuple[float | None, float | None],
    of: str,
    models: int,
) -> None:
    """`of` names the part of the tasks that could be counted; all `models` are asked the same, each as fast."""
    each = sum(work.requests for work in works)
    requests, most = each * models, sum(work.most_tokens_out for work in works) * models
    tokens_in = None if tokens_in is None else tokens_in * models
    written = f"answers have at most {most:,} tokens together" if most else "no answer is written: likelihoods"
    times = f"{each:,} requests a model, by {models} models: " if models > 1 else ""
    _say(f"{of}{times}{requests:,} requests; {written}")
    if pace is not None:
        _say(
            f"time: about {_say_time(requests / pace.requests_a_second)} at {pace.requests_a_second:.3g} requests "
            f"a second ({pace.source}){', the same for each model, one after another' if models > 1 else ''}"
        )
    price_in, price_out = prices
    if price_in is None and price_out is None:
        return
    if price_in is not None and tokens_in is None:
        raise PlanError("--price-in needs the tokens read: name --model, or --like a run that counted them")
    read = (price_in or 0) * (tokens_in or 0) / 1e6
    if pace is not None and pace.tokens_out is not None:
        paid = (price_out or 0) * pace.tokens_out * requests / 1e6
        _say(f"money: about {read + paid:,.2f} ({read:,.2f} read, {paid:,.2f} written, as long as before)")
    else:
        paid = (price_out or 0) * most / 1e6
        _say(
            f"money: at most {read + paid:,.2f} ({read:,.2f} read; {paid:,.2f} if every answer is as long as it may be)"
        )


def _say_time(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return "a minute"
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.1f} hours"


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
