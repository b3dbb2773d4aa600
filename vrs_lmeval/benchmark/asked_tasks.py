"""The tasks that a command line of lm_eval asks for, by their YAML files alone; and whether their data can be had.

lm_eval loads the model first and the tasks one by one afterwards. So a run of four benchmarks would tell of the first
missing data set after minutes, of the second in the next run. `check_data` is called when the tasks are only indexed:
`bridge.py`.
"""

from __future__ import annotations

import copy
import fnmatch
import logging
import os
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from vrs_lmeval.benchmark.data_places import Hub, Place, find_place
from vrs_lmeval.benchmark.sources import DatasetSource, MissingDataError, explain_download
from vrs_lmeval.benchmark.task_keys import take_source

SKIP_VARIABLE = "VRS_SKIP_MISSING"

logger = logging.getLogger(__name__)


class Entry(Protocol):
    """What lm_eval's index holds of a task, a group or a tag: a dataclass."""

    cfg: dict[str, Any] | None
    tags: set[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One of our tasks, and where its data lie."""

    name: str
    source: DatasetSource
    place: Place


def read_asked_names(arguments: Sequence[str]) -> list[str]:
    """The names behind `--tasks` or `-t`, parted by commas or spaces."""
    names: list[str] = []
    is_value = False
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option in ("--tasks", "-t"):
            is_value = not equals
            names += value.split(",")
        elif argument.startswith("-"):
            is_value = False
        elif is_value:
            names += argument.split(",")
    return [name.strip() for name in names if name.strip()]


def find_tasks(names: Iterable[str], index: Mapping[str, Entry]) -> list[str]:
    """The tasks of ours that names, patterns, groups and tags stand for, each once; other names count nothing."""
    found: dict[str, None] = {}
    waiting = [name for asked in names for name in (fnmatch.filter(index, asked) if "*" in asked else [asked])]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in index:
            continue
        seen.add(name)
        waiting[:0] = _list_members(index[name])
        if is_ours(index[name]):
            found[name] = None
    return list(found)


def is_ours(entry: Entry) -> bool:
    """Whether it is a task of `VrsTask`: no other has these keys."""
    return {"task", "dataset_path", "variants"} <= set(entry.cfg or ())


def locate(names: Iterable[str], index: Mapping[str, Entry], hub: Hub) -> list[Asked]:
    """Where the data of each of these tasks lie. Raises ValueError for `dataset_kwargs` that do not exist."""
    places: dict[tuple[Any, ...], Place] = {}  # tasks share data sets
    asked = []
    for name in names:
        source = take_source(copy.deepcopy(index[name].cfg or {}))
        key = (source.path, source.revision, tuple(source.wanted), source.image_folder_from)
        if key not in places:
            places[key] = find_place(source, hub)
        asked.append(Asked(name, source, places[key]))
    return asked


def check_data(index: MutableMapping[str, Any], arguments: Sequence[str]) -> None:
    """Raises MissingDataError that names every data set which the asked tasks need and which cannot be had.

    With VRS_SKIP_MISSING=1 the groups lose the tasks that lack their data, as long as one is left, and say so in their
    name; tasks that were asked for by their own names are still an error.
    """
    names = read_asked_names(arguments)
    tasks = find_tasks(names, index)
    missing = [each for each in locate(tasks, index, Hub()) if each.place.state == "missing"]
    if not missing:
        return
    lacking = {each.name for each in missing}
    left = [name for name in tasks if name not in lacking]
    if os.environ.get(SKIP_VARIABLE) == "1" and left and not lacking & set(names):
        _shorten_groups(index, lacking)
        for each in missing:
            logger.warning("%s is left out (%s=1): %s", each.name, SKIP_VARIABLE, each.place.detail)
        return
    lines = [f"{len(missing)} of {len(tasks)} tasks lack their data; nothing was asked."]
    lines += [f"  {each.name}: {each.source.path}: {each.place.detail}" for each in missing]
    lines.append(explain(missing))
    if left:
        lines.append(f"{SKIP_VARIABLE}=1 asks a group without them: {', '.join(left)}.")
    raise MissingDataError("\n".join(lines))


def explain(missing: Sequence[Asked]) -> str:
    """What to do about data sets that are missing, each once."""
    advice = list(dict.fromkeys(each.place.advice for each in missing if each.place.advice))
    if on_hub := [each.source for each in missing if not each.place.advice]:
        advice.append(explain_download(on_hub))
    return "\n".join(advice)


def _shorten_groups(index: MutableMapping[str, Any], lacking: set[str]) -> None:
    """Takes tasks out of every group, which then says what it is without."""
    for name, entry in list(index.items()):
        members = _list_members(entry)
        gone = [member for member in members if member in lacking]
        if gone:
            config = {
                **entry.cfg,
                "task": [member for member in members if member not in lacking],
                "group_alias": f"{name} (without {', '.join(gone)})",
            }
            # Without a path lm_eval takes the configuration from here, and does not read the file again.
            index[name] = replace(entry, cfg=config, yaml_path=None)


def _list_members(entry: Entry) -> list[str]:
    """The names of what a group holds, or a tag."""
    config = entry.cfg or {}
    if "group" not in config:
        return [] if config else sorted(entry.tags)
    members = config.get("task") or []
    return [each if isinstance(each, str) else each.get("group") or each.get("task", "") for each in members]
