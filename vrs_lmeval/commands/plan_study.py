"""A study -> what `vrs plan` says of it: its tasks and their settings, and a table of its models with their memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Column, Table

from vrs_lmeval.commands.plan import PlanError
from vrs_lmeval.commands.study import ModelEntry, Study, UnreadableStudyError, read_study
from vrs_lmeval.leaderboard.model_cards import ModelCard

BYTES_A_WEIGHT = 2
"""Of bfloat16, in which almost all of today's checkpoints are published."""


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study's models, and its tasks as `vrs plan` takes them."""

    study: Study
    models: tuple[ModelEntry, ...]
    tasks: tuple[str, ...]
    folders: tuple[Path, ...]
    limit: int | None


def read_planned_study(path: Path) -> PlannedStudy:
    """Raises PlanError, which names all faults of the file."""
    try:
        study = read_study(path, Path("vrs-study"))
    except UnreadableStudyError as error:
        raise PlanError(str(error)) from error
    include_path, limit = study.arguments.get("include_path"), study.arguments.get("limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise PlanError(f"{path}, arguments: limit {limit}: only a number of questions can be planned; give --limit")
    models = tuple({run.entry.where: run.entry for run in study.runs}.values())
    tasks = tuple(name for task in study.tasks for name in map(str.strip, task.split(",")))
    return PlannedStudy(study, models, tasks, (Path(str(include_path)),) if include_path else (), limit)


def make_models_table(planned: PlannedStudy) -> Table:
    """A row a model: what it was tuned on, of which base, parameters, memory of its weights."""
    table = Table("model", "training", "base", Column("1e9 weights", justify="right"), Column("GB", justify="right"))
    table.add_column("trained on")
    for entry in planned.models:
        card = planned.study.cards[entry.name]
        size = ("-", "-") if card.billions is None else (f"{card.billions:g}", f"{find_gigabytes(card):.1f}")
        seen = [*card.trained_on, *(f"{task} (test)" for task in card.trained_on_test)]
        cells = [card.label or entry.name, card.training or "-", card.base or "-", *size, ", ".join(seen) or "-"]
        table.add_row(*map(escape, cells))
    return table


def find_gigabytes(card: ModelCard) -> float:
    """1e9 bytes of the weights in bfloat16. The card must say how many parameters there are."""
    assert card.billions is not None
    return card.billions * BYTES_A_WEIGHT


def describe_models(planned: PlannedStudy) -> Iterator[str]:
    """Sentences below the table: what the memory is of, what to do first, what nobody could read."""
    cards = [planned.study.cards[entry.name] for entry in planned.models]
    known = [card for card in cards if card.billions is not None]
    if known:
        most = max(map(find_gigabytes, known))
        yield (
            f"memory: weights alone in bfloat16, {BYTES_A_WEIGHT} bytes each; the largest takes {most:.1f} GB. Kept "
            f"prefixes and a batch's activations come on top"
        )
    if len(known) < len(cards):
        yield f"{len(cards) - len(known)} of {len(cards)} models do not say how many parameters they have (`billions`)"
    for entry in planned.models:
        if entry.prepare:
            yield f"to be made first, {entry.name}: {entry.prepare}"
    sources = [source for card in cards for source in card.sources]
    if sources:
        unread = [source.where for source in sources if source.says is None]
        told = f"; not read: {'; '.join(dict.fromkeys(unread))}" if unread else ""
        yield f"{len(sources) - len(unread)} of {len(sources)} sources of the cards are quoted{told}"
