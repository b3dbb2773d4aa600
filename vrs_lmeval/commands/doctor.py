"""What `vrs doctor` finds out: what is installed, what lm_eval sees of us, where data come from, and what to do."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from vrs_lmeval.asking.missing_packages import INSTALL, NEEDED_BY, find_fault
from vrs_lmeval.benchmark.data_places import Hub, find_place
from vrs_lmeval.benchmark.sources import DATA_DIR_VARIABLE, EMBEDDED_PREFIX
from vrs_lmeval.benchmark.task_keys import take_source
from vrs_lmeval.bridge import MODEL_NAME, SWITCH, tasks_folder

PACKAGES = ("lm_eval", "torch", "transformers", "datasets", "pillow", "accelerate")

GET_DATA = "`vrs plan --tasks NAME` says how to get what is absent"

LISTING_SECONDS = 180
"""lm_eval reads thousands of task files when it starts: half a minute on a slow disk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `advice` says what to do where something is not `fine`.

    What is only `absent` (a benchmark's data) is no problem of the installation, and not fine either.
    """

    subject: str
    detail: str
    is_fine: bool = True
    advice: str = ""
    is_absent: bool = False


class UnreachableServerError(RuntimeError):
    """A chat server cannot be looked at; the message says why."""


def examine_server(url: str, model: str | None, at_once: int, max_tokens: int) -> Iterator[Finding]:
    """Every finding about a chat server (`endpoint_report`). Raises UnreachableServerError."""
    if model is None:
        raise UnreachableServerError("--endpoint needs --model, the server's name for the model")
    try:
        from vrs_lmeval.chat_servers.chat_endpoint import (
            EndpointError,  # here, since the packages of an API may be absent
        )
        from vrs_lmeval.commands.endpoint_report import examine_endpoint
    except ModuleNotFoundError as error:
        raise UnreachableServerError(str(error)) from error
    try:
        yield from examine_endpoint(url, model, at_once, max_tokens)
    except (EndpointError, ValueError) as error:
        raise UnreachableServerError(str(error)) from error


def examine() -> Iterator[Finding]:
    """Every finding, quick ones first; the last asks lm_eval itself and takes some seconds."""
    yield Finding("Python", f"{platform.python_version()} on {platform.platform()}")
    yield from map(_find_package, PACKAGES)
    for name, models in NEEDED_BY.items():
        yield _find_extra(name, f"{models} cannot be loaded ({INSTALL})")
    yield _find_extension()
    yield _find_device()
    yield _find_data_folder()
    yield from _find_benchmarks()
    yield _find_bridge()


def _find_package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", False, f"pip install {name}")


def _find_extra(name: str, loss: str) -> Finding:
    """A package of an extra: fine without, but what is lost is said."""
    fault = find_fault(name)
    if fault is None:
        return Finding(name, version(name))
    if fault == "not installed":
        return Finding(name, f"not installed: without it {loss}")
    advice = "install torch and torchvision from the same index" if name == "torchvision" else f"reinstall {name}"
    return Finding(name, f"cannot be imported: {fault}", False, advice)


def _find_extension() -> Finding:
    try:
        from vrs_lmeval.pixels.preprocess import build_info
    except ImportError as error:
        return Finding("fused op", f"cannot be imported: {error}", False, "reinstall vrs_lmeval")
    info = build_info()
    parts = [f"{key} {', '.join(value) if isinstance(value, tuple) else value}" for key, value in info.items()]
    return Finding("fused op", "; ".join(parts))


def _find_device() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("device", f"torch cannot be imported: {error}", False, "pip install torch")
    if torch.cuda.is_available():
        return Finding("device", torch.cuda.get_device_name())
    return Finding("device", "CPU: no CUDA device is visible to torch; large models will be slow")


def _find_data_folder() -> Finding:
    folder = os.environ.get(DATA_DIR_VARIABLE)
    if folder is None:
        return Finding("data", f"from the hub ({DATA_DIR_VARIABLE} is not set); {GET_DATA}")
    if not Path(folder).is_dir():
        advice = f"set {DATA_DIR_VARIABLE} to the folder that holds the data sets by their hub ids, or unset it"
        return Finding("data", f"{DATA_DIR_VARIABLE} names {folder}, which is no folder", False, advice)
    return Finding("data", f"from {folder}, what it lacks from the hub; {GET_DATA}")


def _find_benchmarks() -> Iterator[Finding]:
    """Where each benchmark's data lie: read off the tasks' YAML files; the hub is asked about what is not here."""
    hub = Hub()
    for path in sorted(tasks_folder().rglob("*.yaml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_TaskLoader)
        named = content.get("dataset_path")
        if named is None or named.startswith(EMBEDDED_PREFIX):
            continue
        source = take_source({"test_split": "test", **content})  # a file that includes another may not say it again
        place = find_place(source, hub)
        where = f"{named}: {place.detail}"
        if place.state in ("here", "hub"):
            yield Finding(content["task"], where)
        else:
            yield Finding(content["task"], where, False, place.advice, is_absent=True)


class _TaskLoader(yaml.SafeLoader):  # type: ignore[misc] # yaml ships no types
    """Reads task files without running what their `!function` tags name."""


_TaskLoader.add_constructor("!function", lambda loader, node: node.value)


def _find_bridge() -> Finding:
    if os.environ.get(SWITCH) == "0":
        return Finding("lm_eval", f"the bridge is switched off ({SWITCH}=0)", False, f"unset {SWITCH}")
    command = [sys.executable, "-m", "lm_eval", "ls", "tasks"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=LISTING_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding(
            "lm_eval",
            f"`lm_eval ls tasks` takes over {LISTING_SECONDS} s",
            False,
            "is the machine busy? try it by hand",
        )
    if listed.returncode != 0:
        return Finding(
            "lm_eval", listed.stderr.strip()[-300:], False, "`lm_eval ls tasks` should run: reinstall lm_eval"
        )
    if "vrs_medvqa" not in listed.stdout:
        advice = "reinstall vrs_lmeval with pip into the environment of lm_eval; docs/bridge.md"
        return Finding("lm_eval", "does not list our tasks", False, advice)
    return Finding("lm_eval", f"lists our tasks; --model {MODEL_NAME} is known to it")
