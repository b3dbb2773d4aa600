"""Sources: takes what a task says of its data set, gives the rows as published and a way to read their images.

The files of a data set lie in one folder: inside the package, where an absolute path says, in a local mirror of the hub
(`$VRS_DATA_DIR/<path>`), or downloaded from the hub, and then only those that the task names. Tables (Parquet, JSON
lines) are read by `datasets`. `.json` and `.txt` files are read here, row by row as they are: where JSON files of one
data set differ in their keys, `datasets` refuses them. Images come from the rows, from files, or from a zip archive
that is never unpacked.
"""

from __future__ import annotations

import importlib.resources
import json
import logging
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import datasets
import huggingface_hub

from vrs_lmeval.benchmark.bad_rows import OnError
from vrs_lmeval.benchmark.table import Archive, Row, Table

DATA_DIR_VARIABLE = "VRS_DATA_DIR"
REVISIONS_VARIABLE = "VRS_REVISIONS"
EMBEDDED_PREFIX = "embedded:"
LOCAL_FOLDER = "(a local folder)"
"""What results say in place of an absolute path: folders may be called after a person or a patient."""

READ_HERE = (".json", ".txt")

logger = logging.getLogger(__name__)

ClosedRule = Literal["yes_no", "yes_no_or_choice"]


class MissingDataError(RuntimeError):
    """A benchmark's data is neither on this machine nor reachable; the message says both ways to get it."""


class MalformedDataError(ValueError):
    """A row of the data set does not hold what the task says; the message names row and column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which data set column holds what; None where the data set does not have it."""

    image: str = "image"
    question: str = "question"
    answer: str = "answer"
    options: str | None = None
    answer_type: str | None = None
    question_type: str | None = None
    modality: str | None = None
    paraphrase_group: str | None = None
    row: str | None = None  # the number that its owner knows the row by, for messages; else they count from 0


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Where a benchmark's rows come from, and how to read them.

    `path` is a hub id, `embedded:<folder>` below the package's `tasks/`, or the absolute path of a folder.
    `revision` is a commit of the hub's
    repository. `data_files` are patterns below the data set's folder, the same on the hub and in a mirror of it. What
    else is downloaded is `archive`, a zip file with the images (and the `.json` or `.txt` rows where the folder has
    none), or `image_folder`; the images' paths start from that folder. `image_folder_from` is for images that the data
    set does not hold: the environment variable that names their folder. `homepage` is for a data set that no hub holds.

    `shape` names the function of `row_shapes` that a published row goes through; without one, `columns` say which
    column holds what. `closed_rule` tells open from closed questions where no `answer_type` column does (see
    `samples.decide_answer_type`). With `accept_golds_of_duplicates`, each row accepts the golds of all rows with its
    image and question. With `image_share`, the questions on that share of the images are kept, drawn by their content.
    `regions` names the file with the boxes of an image, which lies beside it (see `region_files`). `on_error` says what
    becomes of rows that cannot be asked (see `bad_rows`).
    """

    path: str
    split: str
    name: str | None = None
    revision: str | None = None
    data_files: str | tuple[str, ...] | None = None
    archive: str | None = None
    image_folder: str | None = None
    image_folder_from: str | None = None
    homepage: str | None = None
    columns: Columns = field(default_factory=Columns)
    shape: str | None = None
    closed_rule: ClosedRule = "yes_no"
    accept_golds_of_duplicates: bool = False
    image_share: float | None = None
    regions: str | None = None
    on_error: OnError = "stop"

    @property
    def takes_absolute(self) -> bool:
        """True where the task names the data by an absolute folder: it is the user's own."""
        return Path(self.path).is_absolute()

    @property
    def patterns(self) -> tuple[str, ...]:
        """`data_files` as a tuple."""
        if self.data_files is None:
            return ()
        return (self.data_files,) if isinstance(self.data_files, str) else tuple(self.data_files)

    @property
    def wanted(self) -> list[str]:
        """Patterns of all files that are needed."""
        if self.archive is not None:
            return [*self.patterns, self.archive]
        has_images = self.image_folder is not None and self.image_folder_from is None
        return [*self.patterns, *([f"{self.image_folder}/*"] if has_images else [])]

    @property
    def is_read_here(self) -> bool:
        """True where the rows are `.json` or `.txt` files."""
        return bool(self.patterns) and all(pattern.endswith(READ_HERE) for pattern in self.patterns)


def open_table(source: DatasetSource) -> Table:
    """Find the data set's files and read its rows. Raises MissingDataError or MalformedDataError."""
    mirror = locate_folder(source.path)
    read_from: Literal["hub", "local folder"] = "hub" if mirror is None else "local folder"
    rows: Sequence[Row]
    try:
        folder = _download(source) if mirror is None and needs_files(source) else mirror
        archive = _open_archive(source, folder)
        if folder and source.is_read_here:
            rows, commit = _read_files(source, folder, archive), _find_commit_of_folder(folder)
        else:
            rows, commit = _read_table(source, folder)
    # `datasets` and `huggingface_hub` have no common base for "cannot get it".
    except (OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise MissingDataError(explain_missing(source, mirror, error)) from error
    except ValueError as error:
        if isinstance(error, MalformedDataError):
            raise
        raise MissingDataError(explain_missing(source, mirror, error)) from error
    return Table(
        rows=rows,
        read_from=read_from,
        revision=_check_revision(source, read_from, commit),
        folder=folder,
        image_folder=_find_image_folder(source, folder, archive),
        archive=archive,
        archive_folder=f"{source.image_folder}/" if source.image_folder else "",
        takes_absolute=source.takes_absolute,
    )


def find_pinned_revision(path: str) -> str | None:
    """What $VRS_REVISIONS ("owner/name=commit", several parted by spaces or commas) says of a data set, or None.

    Raises ValueError for an entry of another form.
    """
    entries = os.environ.get(REVISIONS_VARIABLE, "").replace(",", " ").split()
    pairs = [entry.partition("=") for entry in entries]
    if wrong := [entry for entry, (name, _, revision) in zip(entries, pairs, strict=True) if not name or not revision]:
        raise ValueError(f"{REVISIONS_VARIABLE}: {wrong[0]!r} should be owner/name=commit")
    return {name: revision for name, _, revision in pairs}.get(path)


def locate_folder(path: str) -> Path | None:
    """The local folder of a data set: inside the package, by its absolute path, or below $VRS_DATA_DIR by its hub id;
    else None."""
    if path.startswith(EMBEDDED_PREFIX):
        tasks = Path(str(importlib.resources.files("vrs_lmeval") / "tasks"))
        return tasks / path.removeprefix(EMBEDDED_PREFIX)
    if Path(path).is_absolute():
        return Path(path)
    data_dir = os.environ.get(DATA_DIR_VARIABLE)
    folder = Path(data_dir, path) if data_dir else None
    return folder if folder is not None and folder.is_dir() else None


def needs_files(source: DatasetSource) -> bool:
    """True where files are to be fetched here: offline, `datasets` does not find tables again by patterns."""
    by_pattern = source.patterns and source.name is None  # a named configuration needs the hub's card
    return bool(source.archive or source.image_folder or source.is_read_here or by_pattern)


def _download(source: DatasetSource) -> Path:
    """The folder with the files of the hub's repository that the task names."""
    if source.homepage:
        raise FileNotFoundError("no hub holds it")
    return Path(
        huggingface_hub.snapshot_download(
            source.path, repo_type="dataset", revision=source.revision, allow_patterns=source.wanted
        )
    )


def _open_archive(source: DatasetSource, folder: Path | None) -> Archive | None:
    """The archive, or None where the task names none or it lies unpacked in its place."""
    if source.archive is None or folder is None:
        return None
    path = folder / source.archive
    if path.is_file():
        return Archive(path)
    unpacked = path.parent / (source.image_folder or path.stem)
    if unpacked.is_dir():
        return None
    raise FileNotFoundError(f"{path} is missing, and so is {unpacked}, where its content would lie unpacked")


def _find_image_folder(source: DatasetSource, folder: Path | None, archive: Archive | None) -> Path | None:
    if source.image_folder_from is not None:
        named = os.environ.get(source.image_folder_from) or source.image_folder
        if named is None or not Path(named).is_dir():
            raise MissingDataError(
                f"The images of {source.path} are not part of it. Fetch them as the task's README says"
                f"{f' ({source.homepage})' if source.homepage else ''}, and set {source.image_folder_from} to the "
                f"folder that holds them{f' ({named} is none)' if named else ''}."
            )
        return Path(named)
    if archive is not None or folder is None:
        return None
    unpacked = (folder / source.archive).parent if source.archive else folder
    return unpacked / source.image_folder if source.image_folder else unpacked


def _read_table(source: DatasetSource, folder: Path | None) -> tuple[datasets.Dataset, str | None]:
    """Rows by `datasets`, images not decoded, and the commit that they are of."""
    options: dict[str, Any] = {"name": source.name}
    if source.patterns:
        options["data_files"] = {source.split: list(source.patterns)}
    if folder is not None:
        builder = datasets.load_dataset_builder(str(folder), **options)
    else:
        builder = datasets.load_dataset_builder(source.path, revision=source.revision, **options)
    builder.download_and_prepare()
    rows = builder.as_dataset(split=source.split)
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
    return rows, _find_commit_of_folder(folder) if folder is not None else _find_commit_of_builder(builder)


def _read_files(source: DatasetSource, folder: Path, archive: Archive | None) -> list[Row]:
    """Rows of the `.json` and `.txt` files, files in the order of their names."""
    rows: list[Row] = []
    for pattern in source.patterns:
        found: list[tuple[str, Any]] = [(path.name, path.read_bytes) for path in sorted(folder.glob(pattern))]
        if not found and archive is not None:
            found = [(name, partial(archive.read, name)) for name in archive.find(pattern)]
        if not found:
            inside = f" nor in {archive.path.name}, which begins with {archive.find('*')[:3]}" if archive else ""
            raise FileNotFoundError(f"no file {pattern} in {folder}{inside}")
        for name, read in found:
            rows += _read_rows(read(), f"{source.path}, {name}")
    return rows


def _read_rows(content: bytes, where: str) -> Iterator[Row]:
    """A JSON list of objects, a JSON object of objects (its keys become the column "key"), or lines of text ("line").

    Raises MalformedDataError.
    """
    try:
        text = content.decode("utf-8-sig")
        if where.endswith(".txt"):
            yield from ({"line": line} for line in text.splitlines() if line.strip())
            return
        published = json.loads(text)
    except ValueError as error:  # both UnicodeDecodeError and JSONDecodeError are
        raise MalformedDataError(f"{where}: cannot be read as UTF-8 text or JSON: {error}") from error
    keyed = published.items() if isinstance(published, dict) else ((None, row) for row in published)
    for number, (key, row) in enumerate(keyed):
        if not isinstance(row, dict):
            raise MalformedDataError(f"{where}, entry {number}: expected an object, it is {type(row).__name__}")
        yield row if key is None else {"key": key, **row}


_COMMIT = re.compile(r"[0-9a-f]{40}")
_COMMIT_IN_ADDRESS = re.compile(r"@([0-9a-f]{40})/")


def _find_commit_of_builder(builder: Any) -> str | None:
    """The commit that was read from a hub: in the addresses of the files; offline, in the name that it is cached by."""
    files = builder.config.data_files or {}
    addresses = [address for split in files.values() for address in split]
    found = {match[1] for address in addresses if (match := _COMMIT_IN_ADDRESS.search(str(address)))}
    if not found and _COMMIT.fullmatch(str(builder.hash)):
        return str(builder.hash)
    return found.pop() if len(found) == 1 else None


def _find_commit_of_folder(folder: Path) -> str | None:
    """The commit of a folder, from what the hub's tools left in it."""
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        found = {folder.name}
    else:  # `hf download --local-dir` leaves the commit of each file in the first line of its metadata
        notes = (folder / ".cache" / "huggingface" / "download").rglob("*.metadata")
        found = {note.read_text().split("\n", 1)[0].strip() for note in notes}
    return found.pop() if len(found) == 1 else None


def _check_revision(source: DatasetSource, read_from: str, found: str | None) -> str | None:
    """The commit that was read. Raises MissingDataError where another one was asked for.

    A hub gives the commit asked for; a mirror that does not tell its own may be of any.
    """
    asked = source.revision
    is_commit = asked is not None and _COMMIT.fullmatch(asked) is not None
    if found and is_commit and asked != found:
        raise MissingDataError(f"{source.path}: revision {asked} is asked for, the copy read is of {found}")
    if found is None and asked is not None and read_from != "hub":
        logger.warning("%s: revision %s is asked for; the local copy does not tell which it is", source.path, asked)
    return asked if found is None and is_commit and read_from == "hub" else found


def explain_missing(source: DatasetSource, folder: Path | None, error: Exception | str) -> str:
    """The message for data that cannot be read: where it was looked for, why not, and the ways to get it."""
    if folder is not None:
        return f"{source.path}, split {source.split}: cannot read the copy in {folder}: {error}"
    data_dir = os.environ.get(DATA_DIR_VARIABLE)
    state = (
        f"{DATA_DIR_VARIABLE}={data_dir} holds no folder {source.path}"
        if data_dir
        else f"{DATA_DIR_VARIABLE} is not set"
    )
    if source.homepage:
        return (
            f"The data set {source.path} is on no hub, and {state}. Get it from {source.homepage}, put it into "
            f"DIR/{source.path} as the task's README says, and set {DATA_DIR_VARIABLE}=DIR."
        )
    return (
        f"The data set {source.path} could not be loaded from the Hugging Face hub ({error}), and {state}.\n"
        f"{explain_download([source])}"
    )


def explain_download(sources: Iterable[DatasetSource]) -> str:
    """Both ways to get data sets of the hub, with a command for each."""
    # Patterns, because OctoMed/PMC-VQA has 16.5 GB besides its test split.
    commands = dict.fromkeys(
        f"       hf download {source.path} --repo-type dataset"
        + "".join(f' --include "{pattern}"' for pattern in source.wanted)
        + f" --local-dir DIR/{source.path}\n"
        for source in sources
    )
    return (
        f"Two ways to get {'it' if len(commands) == 1 else 'them'}:\n"
        "  1. run where the hub can be reached (after `hf auth login` if the data set asks for it), or\n"
        "  2. on a machine that reaches it, run\n"
        f"{''.join(commands)}"
        f"     copy DIR here, and set {DATA_DIR_VARIABLE}=DIR."
    )
