"""Makes plain `lm_eval` know our tasks and model by name: amends two of its modules once they are imported.

lm-eval 0.4.13 reads no entry points. A start-up line (`vrs_lmeval_bridge.pth`, or `.start` on Python >= 3.15)
calls `start()`, which does nothing unless this process is lm_eval's command line; programs call `register()`.
docs/bridge.md tells why, and how to switch it off. It imports the standard library only, and at
the top only modules that every process has loaded anyway: on Python >= 3.15 every process imports this one.
"""

from __future__ import annotations

import itertools
import os
import sys

TYPE_CHECKING = False  # as in typing, whose import would cost every process some milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import ModuleType
    from typing import Any

SWITCH = "VRS_LMEVAL_BRIDGE"  # "0" in the environment switches the bridge off
PRIVATE = "VRS_PRIVATE"  # "1": files 0600 and folders 0700
MODEL_NAME = "vrs-hf"
MODELS = {  # lm_eval imports the one that a run asks for, and only then
    MODEL_NAME: "vrs_lmeval.model:VrsHF",
    "vrs-vllm": "vrs_lmeval.vllm_model:VrsVLLM",
    "vrs-api": "vrs_lmeval.api_model:VrsAPI",
    "vrs-openai": "vrs_lmeval.api_model:VrsOpenAI",
}

# lm_eval's console scripts, as `sys.orig_argv` shows them on Unix and on Windows; the start-up line has them too.
_SCRIPTS = frozenset({"lm_eval", "lm-eval", "lm_eval.exe", "lm-eval.exe"})


def is_lm_eval_command(arguments: Sequence[str]) -> bool:
    """Whether `arguments` (as in `sys.orig_argv`) run lm_eval's command line.

    Position does not matter, so launchers, wrappers and their children count too: `torchrun -m lm_eval`,
    `accelerate launch -m lm_eval`, `python -m cProfile bin/lm_eval`. A mere mention (`pip install lm_eval`)
    does not.
    """
    for before, argument in itertools.pairwise(arguments):
        if argument == "lm_eval" and (before == "--module" or _is_short_m(before)):
            return True
        if os.path.basename(argument) in _SCRIPTS and os.path.isfile(argument):
            return True
    return False


def _is_short_m(option: str) -> bool:
    """Whether `option` is `-m`, alone or closing a row of short options (`python -um lm_eval`)."""
    return option[:1] == "-" and option[:2] != "--" and option[-1:] == "m"


def start() -> None:
    """Watch for lm_eval's imports if this process is its command line; may be called any number of times."""
    if os.environ.get(SWITCH) == "0" or not is_lm_eval_command(sys.orig_argv):
        return
    keep_private()
    if not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def keep_private() -> None:
    """With VRS_PRIVATE=1, let only the user read what this process writes: results, logs, caches and pages."""
    if os.environ.get(PRIVATE) == "1":
        os.umask(0o077)


def register() -> None:
    """Make our tasks and model known to lm_eval in this program; call it before making a `TaskManager`.

    May be called any number of times; `VRS_LMEVAL_BRIDGE` does not matter. Raises ImportError without lm_eval,
    AttributeError if this lm_eval lacks what we amend.
    """
    import importlib

    for name, patch in _PATCHES.items():
        patch(importlib.import_module(name))


def tasks_folder() -> Path:
    """The folder of our task YAMLs: in site-packages or, in an editable install, in the source tree."""
    from importlib.resources import files
    from pathlib import Path

    folder = Path(str(files("vrs_lmeval") / "tasks"))
    if not folder.is_dir():
        raise FileNotFoundError(f"the task folder {folder} is missing; reinstall vrs_lmeval")
    return folder


def _add_models(models: ModuleType) -> None:
    """Register our models beside the built-in ones (`models` is `lm_eval.models`, done with them).

    Never before them: lm_eval 0.4.13 imports its own models only while the registry is empty.
    """
    from lm_eval.api import registry

    for name, target in MODELS.items():
        if name not in registry.model_registry and not _reads_our_entry_point(registry, name):
            registry.model_registry.register(name, target=target)


def _reads_our_entry_point(registry: ModuleType, name: str) -> bool:
    """Whether lm_eval finds the model itself: it has the entry-point loader, and our entry point is there."""
    from importlib.metadata import entry_points

    if not callable(getattr(registry, "load_plugins", None)):
        return False
    return name in entry_points(group="lm_eval.models").names


def _add_tasks(manager: Any) -> None:
    """Let `TaskIndex.build` read our folder after the built-in one (`manager` is `lm_eval.tasks.manager`).

    `TaskIndex` is amended, not `TaskManager`, because an lm_eval that knows our folder itself shows it in `paths`.
    """
    build: Callable[..., Any] = manager.TaskIndex.build
    if build.__module__ == __name__:
        return  # amended already
    ours = tasks_folder()
    built_in = os.path.dirname(manager.__file__)

    def build_with_ours(paths: Iterable[Path], *args: Any, **options: Any) -> Any:
        folders = insert_folder(ours, built_in, paths)
        if not (is_lm_eval_command(sys.orig_argv) and _asks_for_ours(sys.argv)):
            return build(folders, *args, **options)
        others = [folder for folder in folders if os.path.realpath(folder) != os.path.realpath(built_in)]
        index = build(others, *args, **options)
        if not _is_enough(index):  # 14,000 files, some 6 s: only for runs that ask for one of them
            index = build(folders, *args, **options)
        _check_results_place(index)
        _check_data(index)
        return index

    manager.TaskIndex.build = staticmethod(build_with_ours)


def _asks_for_ours(arguments: Sequence[str]) -> bool:
    """Whether this command runs tasks, and may name some of ours: for others nothing of ours is imported."""
    if arguments[1:2] in (["ls"], ["validate"]):
        return False
    marks = ("vrs_", "vrs-", ".yaml", ".yml", "--include_path")
    return any(mark in argument for argument in arguments for mark in marks)


def _is_enough(index: Any) -> bool:
    """Whether `index`, without the built-in tasks, holds all that is asked for, and a task of ours is among it."""
    try:
        from vrs_lmeval.benchmark.asked_tasks import find_tasks, holds_all, read_asked_names

        names = read_asked_names(sys.argv)
        return holds_all(index, names) and bool(find_tasks(names, index))
    except Exception:  # a saving must cost no run
        return False


def _check_results_place(index: Any) -> None:
    """End a run of our tasks whose results could not be written: lm_eval would ask everything, and then only warn."""
    from vrs_lmeval.benchmark.asked_tasks import find_tasks, read_asked_names
    from vrs_lmeval.benchmark.results_place import ResultsPlaceError, check_results_place

    if os.environ.get("RANK", "0") != "0":  # the first of several processes writes
        return
    try:
        if tasks := find_tasks(read_asked_names(sys.argv), index):
            check_results_place(sys.argv, tasks)
    except ResultsPlaceError as error:
        raise SystemExit(f"vrs_lmeval: {error}") from None
    except Exception as error:  # a check must cost no run
        sys.stderr.write(f"vrs_lmeval: the results' place is not tried before the run ({error})\n")


def _check_data(index: Any) -> None:
    """End the command where YAMLs are wrong or data sets are missing: lm_eval would load the model first."""
    from vrs_lmeval.benchmark.asked_tasks import check_data, check_files, read_asked_names
    from vrs_lmeval.benchmark.sources import MissingDataError
    from vrs_lmeval.benchmark.task_keys import TaskKeyError
    from vrs_lmeval.variants.rules import read_variants

    try:
        check_files(index, read_asked_names(sys.argv), read_variants)
        check_data(index, sys.argv)
    except (MissingDataError, TaskKeyError) as error:
        is_first = os.environ.get("RANK", "0") == "0"  # of several processes one speaks
        raise SystemExit(f"vrs_lmeval: {error}" if is_first else 1) from None
    except Exception as error:  # a check must cost no run; the task itself tells what is wrong with its YAML
        sys.stderr.write(f"vrs_lmeval: data sets are not looked for before the run ({error})\n")


def insert_folder(ours: Path, built_in: str | Path, paths: Iterable[Path]) -> list[Path]:
    """Put `ours` right after `built_in` in `paths`: later folders win, so `--include_path` can override ours.

    Unchanged where `ours` is there already, and where `built_in` is not: `include_defaults=False` asks for
    the caller's folders alone.
    """
    folders = list(paths)
    real = [os.path.realpath(folder) for folder in folders]
    if os.path.realpath(built_in) in real and os.path.realpath(ours) not in real:
        folders.insert(real.index(os.path.realpath(built_in)) + 1, ours)
    return folders


_PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "lm_eval.models": _add_models,
    "lm_eval.tasks.manager": _add_tasks,
}


class _Watcher:
    """A meta path finder that lets others find the two modules, and amends both once they have executed."""

    has_warned = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _PATCHES:
            return None
        for finder in sys.meta_path:
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                try:
                    self._patch_after_execution(spec)
                except Exception as error:
                    self._warn(error)
                return spec
        return None

    def _patch_after_execution(self, spec: ModuleSpec) -> None:
        # The loader is changed, not replaced: it keeps its type for code that asks it for source or resources. It
        # belongs to this one spec.
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            try:
                _PATCHES[spec.name](module)
            except Exception as error:  # any error: the user's run is worth more than our names
                self._warn(error)

        loader.exec_module = execute_and_patch

    def _warn(self, error: Exception) -> None:
        if self.has_warned:
            return
        self.has_warned = True
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        sys.stderr.write(f"vrs_lmeval: lm_eval may not know vrs_* tasks and {MODEL_NAME} ({reason})\n")
