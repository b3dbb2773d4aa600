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
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import yaml

from vrs_lmeval.benchmark.data_places import Hub, Place, find_place
from vrs_lmeval.benchmark.sources import DatasetSource, MissingDataError, explain_download
from vrs_lmeval.benchmark.task_keys import TaskKeyError, check_keys, take_source

SKIP_VARIABLE = "VRS_SKIP_MISSING"

DATA_KEYS = {"dataset_path", "dataset_kwargs", "dataset_name", "test_split"}
"""Keys by which a group may give a member other data than its own file does."""

TASK_CLASS = "vrs_lmeval.task.VrsTask"
"""How `class:` of our YAMLs ends: lm_eval writes their folder before it."""

logger = logging.getLogger(__name__)


class Entry(Protocol):
    """What lm_eval's index holds of a task, a group or a tag: a dataclass."""

    cfg: dict[str, Any] | None
    tags: set[str]
    yaml_path: Path | None


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


def expand_patterns(names: Iterable[str], index: Mapping[str, Entry]) -> list[str]:
    """The names, with those that fit in place of a pattern, as lm_eval does it."""
    return [name for asked in names for name in (fnmatch.filter(index, asked) if set("*?[") & set(asked) else [asked])]


def find_tasks(names: Iterable[str], index: Mapping[str, Entry]) -> list[str]:
    """The tasks of ours that names, patterns, groups and tags stand for, each once; other names count nothing.

    Members of a group for which it names another data set are left out: only lm_eval knows where that lies.
    """
    found: dict[str, None] = {}
    waiting = expand_patterns(names, index)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in index:
            continue
        seen.add(name)
        waiting[:0] = _list_members(index[name])
        if is_ours(index[name].cfg):
            found[name] = None
    return list(found)


def holds_all(index: Mapping[str, Entry], names: Sequence[str]) -> bool:
    """Whether `index` holds all of `names`, of which there must be one, and all that groups and tags among them name.

    False for patterns and for paths of files: what fits them is not known from this index alone.
    """
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in index:
            return False
        if name not in seen:
            seen.add(name)
            waiting += _list_all_members(index[name])
    return bool(seen)


def is_ours(config: Mapping[str, Any] | None) -> bool:
    """Whether a YAML's content is a task of `VrsTask`, by its class or by keys that no other has."""
    keys = config or {}
    is_of_class = isinstance(keys.get("class"), str) and keys["class"].endswith(TASK_CLASS)
    return {"task", "dataset_path"} <= set(keys) and (is_of_class or "variants" in keys)


def check_files(
    index: Mapping[str, Entry], names: Iterable[str], check_variants: Callable[[Any, Any], object] | None = None
) -> None:
    """Raises TaskKeyError, with file and key, for the first of the named tasks of ours whose YAML nothing can run.

    Names may also be paths of YAML files, as `--tasks` takes them. `check_variants(variants, draws)` raises ValueError.
    """
    named = list(names)
    configs = [(index[name].yaml_path or name, index[name].cfg or {}) for name in find_tasks(named, index)]
    files = [Path(name) for name in named if name.endswith((".yaml", ".yml")) and Path(name).is_file()]
    configs += [(file, config) for file in files if is_ours(config := read_yaml(file))]
    for where, config in configs:
        try:
            check_keys(config)
            if check_variants is not None:
                check_variants(config["variants"], config.get("draws", 1))
        except ValueError as error:
            raise TaskKeyError(f"{where}: {error}") from error


def read_yaml(file: Path) -> dict[str, Any]:
    """A task's YAML with what it includes, as lm_eval reads it, no function imported. Raises TaskKeyError."""
    from lm_eval.tasks._yaml_loader import load_yaml

    try:
        content: dict[str, Any] = load_yaml(file, resolve_func=False)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TaskKeyError(f"{file}: cannot be read: {error}") from error
    return content


def find_unreadable(folders: Iterable[Path]) -> list[str]:
    """What is wrong with YAML files below these folders that cannot be read, which lm_eval passes over in silence."""
    faults = []
    for file in sorted(path for folder in folders for path in folder.rglob("*.yaml")):
        try:
            read_yaml(file)
        except TaskKeyError as error:
            faults.append(str(error))
    return faults


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
    name; tasks that were asked for by their own names, or by a pattern, are still an error. Of several processes each
    asks by itself, so there only this machine and HF_HUB_OFFLINE count, which all see alike.
    """
    names = read_asked_names(arguments)
    tasks = find_tasks(names, index)
    hub = Hub(is_asked=int(os.environ.get("WORLD_SIZE", "1")) == 1)
    missing = [each for each in locate(tasks, index, hub) if each.place.state == "missing"]
    if not missing:
        return
    lacking = {each.name for each in missing}
    shortened, emptied = _shorten_groups(index, lacking)
    can_skip = not (lacking | emptied) & set(expand_patterns(names, index))
    if os.environ.get(SKIP_VARIABLE) == "1" and can_skip:
        index.update(shortened)
        for each in missing:
            logger.warning("%s is left out (%s=1): %s", each.name, SKIP_VARIABLE, each.place.detail)
        return
    lines = [f"{len(missing)} of {len(tasks)} tasks lack their data; nothing was asked."]
    lines += [f"  {each.name}: {each.source.path}: {each.place.detail}" for each in missing]
    lines.append(explain(missing))
    if can_skip:
        left = [name for name in tasks if name not in lacking]
        lines.append(f"{SKIP_VARIABLE}=1 asks the group without them: {', '.join(left)}.")
    raise MissingDataError("\n".join(lines))


def explain(missing: Sequence[Asked]) -> str:
    """What to do about data sets that are missing, each once."""
    advice = list(dict.fromkeys(each.place.advice for each in missing if each.place.advice))
    if on_hub := [each.source for each in missing if not each.place.advice]:
        advice.append(explain_download(on_hub))
    return "\n".join(advice)


def _shorten_groups(index: Mapping[str, Any], lacking: set[str]) -> tuple[dict[str, Any], set[str]]:
    """(groups and tags without the tasks that lack their data, and the names of those in which none would be left).

    Every group that holds one, at any depth, says in its name what it is without.
    """
    affected = {
        name: gone
        for name, entry in index.items()
        if _list_members(entry) and (gone := [task for task in find_tasks([name], index) if task in lacking])
    }
    removed, before = set(lacking), -1
    while len(removed) > before:  # a group whose groups are all gone is gone, too
        before = len(removed)
        removed |= {
            name for name in affected if set(_list_members(index[name])) <= removed and not _has_own(index[name])
        }
    shortened = {}
    for name in affected.keys() - removed:
        entry = index[name]
        if not entry.cfg:
            shortened[name] = replace(entry, tags=entry.tags - removed)
            continue
        kept = [item for item in entry.cfg["task"] if _names_own_data(item) or _name_member(item) not in removed]
        alias = f"{name} (without {', '.join(affected[name])})"
        # Without a path lm_eval takes the configuration from here, and does not read the file again.
        shortened[name] = replace(entry, cfg={**entry.cfg, "task": kept, "group_alias": alias}, yaml_path=None)
    return shortened, removed - lacking


def _list_all_members(entry: Entry) -> list[str]:
    """The names of what a group holds, or a tag; none for a task."""
    config = entry.cfg or {}
    if "group" not in config:
        return [] if config else sorted(entry.tags)
    return [_name_member(item) for item in config.get("task") or []]


def _list_members(entry: Entry) -> list[str]:
    """The names of what a group holds, or a tag; not of members whose data the group names itself."""
    config = entry.cfg or {}
    if "group" not in config:
        return _list_all_members(entry)
    if _names_own_data(config):
        return []
    return [_name_member(item) for item in config.get("task") or [] if not _names_own_data(item)]


def _has_own(entry: Entry) -> bool:
    """Whether a group holds members whose data it names itself."""
    return any(map(_names_own_data, (entry.cfg or {}).get("task") or []))


def _names_own_data(item: Any) -> bool:
    return isinstance(item, Mapping) and bool(DATA_KEYS & item.keys())


def _name_member(item: Any) -> str:
    return item if isinstance(item, str) else str(item.get("group") or item.get("task", ""))
