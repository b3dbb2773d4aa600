"""A folder of images: takes what a table calls an image, gives the file, or why there is none.

A file must lie in the folder, also where a link leads elsewhere: a table that came by mail cannot have another file of
the machine shown to a model. Where no folder is named, the table's own is it for relative names, and absolute ones are
taken as they are: then the table's owner has written where each file lies.
"""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from PIL import Image

from vrs_lmeval.benchmark.dicom import SUFFIXES as DICOM_SUFFIXES

LISTED = 3
"""Names that an error offers."""

OTHER_CASE, WITHOUT_SUFFIX = "written in another case than the file's name", "written without the file's ending"
"""Remarks on names that were found all the same."""


class ImageFileError(ValueError):
    """No file, or not one alone, is what the table calls an image; the message says why."""


class ImageFolder:
    """The images of one task. `folder`: where they lie; None: in the table's own, or where its absolute paths say."""

    def __init__(self, folder: Path | None, table: Path) -> None:
        self.takes_absolute = folder is None
        self.folder = (folder if folder is not None else table.parent).resolve()
        self.remarks: Counter[str] = Counter()
        """How often a name had to be read with care, by remark; each name once."""
        self._found: dict[str, Path] = {}

    def find(self, name: str) -> Path:
        """The file that `name` names, without links. Raises ImageFileError."""
        if name not in self._found:
            self._found[name] = self._check_inside(name, self._look_up(name))
        return self._found[name]

    def has(self, name: str) -> bool:
        """Whether `name` names a file here."""
        try:
            self.find(name)
        except (ImageFileError, OSError, ValueError):  # a text with a zero byte or of 5,000 letters is no name
            return False
        return True

    def relate(self, path: Path) -> str:
        """How a found file is written in the task: from the folder, or in full where it lies elsewhere."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)

    def _look_up(self, name: str) -> Path:
        path = self.folder / name
        if _is_file(path):
            return path
        written = PurePosixPath(name.replace("\\", "/"))  # as Windows writes paths
        path = self.folder / written
        if _is_file(path):
            return path
        if ".." in written.parts or written.is_absolute():
            raise ImageFileError(f"{name!r} is no file")
        for remark, names in (
            (WITHOUT_SUFFIX, self._by_stem.get(str(written), [])),
            (OTHER_CASE, self._by_lower_name.get(str(written).lower(), [])),
            (OTHER_CASE, self._by_lower_stem.get(str(written).lower(), [])),
        ):
            if len(names) > 1:
                raise ImageFileError(
                    f"{name!r} could be any of {_list(names)}; write the whole name as the file has it"
                )
            if names:
                self.remarks[remark] += 1
                return self.folder / names[0]
        raise ImageFileError(f"{name!r} is no file in {self.folder}{self._suggest(written)}")

    def _check_inside(self, name: str, path: Path) -> Path:
        real = path.resolve()
        if real.is_relative_to(self.folder) or (self.takes_absolute and Path(name).is_absolute()):
            return real
        how = "through a link" if not (".." in Path(name).parts or Path(name).is_absolute()) else "by its path"
        advice = (
            "" if self.takes_absolute else "; leave out --images where the table holds absolute paths that you trust"
        )
        raise ImageFileError(f"{name!r} leads {how} out of {self.folder}, where the images lie{advice}")

    @cached_property
    def _names(self) -> list[str]:
        """Every image below the folder, as a path from it."""
        suffixes = {*Image.registered_extensions(), *DICOM_SUFFIXES}
        files = (path for path in sorted(self.folder.rglob("*")) if path.suffix.lower() in suffixes and path.is_file())
        return [path.relative_to(self.folder).as_posix() for path in files]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _group(self._names, [str(PurePosixPath(name).with_suffix("")) for name in self._names])

    @cached_property
    def _by_lower_stem(self) -> dict[str, list[str]]:
        return _group(self._names, [str(PurePosixPath(name).with_suffix("")).lower() for name in self._names])

    @cached_property
    def _by_lower_name(self) -> dict[str, list[str]]:
        return _group(self._names, [name.lower() for name in self._names])

    def _suggest(self, written: PurePosixPath) -> str:
        """What may have been meant: the same name in another folder, or one much like it."""
        if not self._names:
            return ", which holds no images"
        same = [name for name in self._names if PurePosixPath(name).name == written.name]
        alike = same or difflib.get_close_matches(str(written), self._names[:2000], LISTED)
        return f"; there is {_list(alike)}" if alike else f"; it holds {_list(self._names)}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _group(names: Sequence[str], keys: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, key in zip(names, keys, strict=True):
        groups[key].append(name)
    return groups


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"
