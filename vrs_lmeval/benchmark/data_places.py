"""Where a data set lies, or why it cannot be had, without reading it: a folder, the hub's cache, the hub, or nowhere.

A folder or a cache that holds a file for every pattern of the task counts as the data set. The hub is asked once for
each data set; where it does not answer at all, it is not asked again.
"""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

from vrs_lmeval.benchmark.sources import DatasetSource, explain_missing, locate_folder, needs_files

HUB_SECONDS = 10
"""How long the hub may take to answer; a run that needs it would wait far longer."""


NOT_GIVEN = (401, 403, 404)
"""HTTP's words for: log in, ask for it, there is none."""


NO_WAY = re.compile(r"name or service|nodename|getaddrinfo|name resolution|refused|unreachable", re.IGNORECASE)
"""What a machine without a way to the hub says; a time-out or a reset may be over at the next try."""


@dataclass(frozen=True, slots=True)
class Place:
    """`state`: here; on the hub, to be downloaded; missing; or unsure, where only loading it can tell.

    `detail` is the folder, or in a few words what is wrong; `advice` is what to do about that, "" where a download from
    the hub is all that is needed. `download_bytes` is what a run downloads, where the hub says so.
    """

    state: Literal["here", "hub", "missing", "unsure"]
    detail: str
    advice: str = ""
    download_bytes: int | None = None


class UnreachedHubError(RuntimeError):
    """The hub does not give a data set; the message says why, on one line. Not `is_final`: another try may succeed."""

    def __init__(self, message: str, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final


class Hub:
    """The Hugging Face hub, or whatever HF_ENDPOINT names. `is_asked=False` takes it for granted that it has all."""

    def __init__(self, is_asked: bool = True) -> None:
        self._is_asked = is_asked
        self._silence: UnreachedHubError | None = None

    def measure(self, source: DatasetSource) -> int | None:
        """Bytes of the files that a task downloads; None where the hub does not say. Raises UnreachedHubError."""
        if huggingface_hub.constants.HF_HUB_OFFLINE:
            raise UnreachedHubError("the hub is not asked (HF_HUB_OFFLINE is set)", is_final=True)
        if not self._is_asked:
            return None
        if self._silence is not None:
            raise self._silence
        try:
            info = huggingface_hub.HfApi().dataset_info(
                source.path, revision=source.revision, timeout=HUB_SECONDS, files_metadata=True
            )
        except HfHubHTTPError as error:
            if error.response.status_code in NOT_GIVEN:
                raise UnreachedHubError(_say_on_a_line(error), is_final=True) from error
            return None  # a mirror that does not answer this question may still send files
        except Exception as error:  # no network, a proxy: classes that differ by release of huggingface_hub
            is_final = NO_WAY.search(str(error)) is not None
            self._silence = UnreachedHubError(f"the hub is not reached ({_say_on_a_line(error)})", is_final)
            raise self._silence from error
        wanted = source.wanted or ["*"]
        sizes = [
            sibling.size
            for sibling in info.siblings or ()
            if any(fnmatch.fnmatch(sibling.rfilename, pattern) for pattern in wanted)
        ]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None


def find_place(source: DatasetSource, hub: Hub) -> Place:
    """Where the data set lies, its images included."""
    place = _find_rows(source, hub)
    variable = source.image_folder_from
    if place.state == "missing" or variable is None:
        return place
    named = os.environ.get(variable) or source.image_folder
    if named is not None and Path(named).is_dir():
        return place
    what = f"{variable} names {named}, which is no folder" if named else f"{variable} is not set"
    advice = (
        f"The images of {source.path} are not part of it: fetch them as the task's README says, and set {variable} "
        "to the folder that holds them."
    )
    return Place("missing", f"images: {what}", advice)


def _find_rows(source: DatasetSource, hub: Hub) -> Place:
    folder = locate_folder(source.path)
    if folder is not None:
        lacking = _find_lacking(source, folder)
        if not lacking:
            return Place("here", str(folder))
        fault = f"{folder} holds no {', '.join(lacking)}" if folder.is_dir() else f"{folder} is no folder"
        return Place("missing", fault, explain_missing(source, folder, fault))
    if source.homepage:
        return Place("missing", "on no hub", explain_missing(source, None, "no hub holds it"))
    cached = _find_cached(source)
    if cached is not None:
        return Place("here", f"{cached} (the hub's cache)")
    try:
        return Place("hub", "on the hub", download_bytes=hub.measure(source))
    except UnreachedHubError as error:
        if not error.is_final or not needs_files(source):  # `datasets` may hold it in a cache of its own
            return Place("unsure", str(error))
        return Place("missing", str(error))


def _find_lacking(source: DatasetSource, folder: Path) -> list[str]:
    """Patterns without any file; rows inside an archive are not looked for."""
    if source.archive is not None:
        unpacked = (folder / source.archive).parent / (source.image_folder or Path(source.archive).stem)
        return [] if (folder / source.archive).is_file() or unpacked.is_dir() else [source.archive]
    if not folder.is_dir():
        return ["files"]
    return [pattern for pattern in source.patterns if next(folder.glob(pattern), None) is None]


def _find_cached(source: DatasetSource) -> Path | None:
    """The hub's cache of it, if that is whole."""
    if not needs_files(source):
        return None
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                source.path,
                repo_type="dataset",
                revision=source.revision,
                allow_patterns=source.wanted,
                local_files_only=True,
            )
        )
    except (OSError, ValueError):  # LocalEntryNotFoundError among them
        return None
    return None if _find_lacking(source, folder) else folder


def _say_on_a_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]
