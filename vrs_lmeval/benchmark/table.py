"""A published table: its rows, and their images, which are files of the data set and nothing beyond it."""

from __future__ import annotations

import fnmatch
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import datasets
import huggingface_hub

from vrs_lmeval.benchmark.decoding import EncodedImage
from vrs_lmeval.benchmark.images import encoded_image

Row = Mapping[str, Any]

MEMBER_BYTES = 2**30
"""What a member of a zip file may unpack to: far more than an image or a file of rows."""


class Archive:
    """A zip file whose members are read one by one, without unpacking it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = zipfile.ZipFile(path)
        self._names = frozenset(self._file.namelist())

    def find(self, pattern: str) -> list[str]:
        """The members that match `pattern`, sorted."""
        return sorted(fnmatch.filter(self._names, pattern))

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises FileNotFoundError, and ValueError for one that unpacks to too much."""
        if name not in self._names:
            raise FileNotFoundError(f"{self.path} holds no {name}")
        if (size := self._file.getinfo(name).file_size) > MEMBER_BYTES:
            raise ValueError(f"{name} in {self.path} unpacks to {size:,} bytes, more than {MEMBER_BYTES:,}")
        return self._file.read(name)


@dataclass(frozen=True, slots=True)
class Table:
    """The published rows in order, where they were read, and their images.

    `revision` is the commit of the hub's repository that was read; None where nothing tells, whatever was asked for.
    A row names an image below the data set's folders. Only where the task names the data by an absolute path, which is
    the user's own, may rows name images elsewhere (`takes_absolute`).
    """

    rows: Sequence[Row]
    read_from: Literal["hub", "local folder"]
    revision: str | None
    folder: Path | None
    image_folder: Path | None = None
    archive: Archive | None = None
    archive_folder: str = ""
    takes_absolute: bool = False

    def read_image(self, value: Any) -> EncodedImage:
        """What a row holds for an image -> the image, not decoded yet. Raises OSError or ValueError."""
        if isinstance(value, str) and self.archive is not None:
            return self.archive.read(f"{self.archive_folder}{value}")
        named = value.get("path") if isinstance(value, dict) and value.get("bytes") is None else value
        if not isinstance(named, str) or (named is not value and _is_in_cache(named)):
            return encoded_image(value, None)
        beside = self._place(self.folder, named) if self.folder is not None else None
        if beside is not None and (beside.is_file() or self.image_folder is None):
            return beside  # a path from the data set's folder, though images may have a folder of their own
        path = self._place(self.image_folder, named) if self.image_folder is not None else None
        if path is None:
            raise ValueError(f"{named!r} leads out of the data set's folder")
        return path

    def read_file(self, path: str) -> bytes:
        """The bytes of a file beside the images; `path` starts where theirs do. Raises OSError or ValueError."""
        if self.archive is not None:
            return self.archive.read(f"{self.archive_folder}{path}")
        place = self._place(self.image_folder or self.folder or Path(), path)
        if place is None:
            raise ValueError(f"{path!r} leads out of the data set's folder")
        return place.read_bytes()

    def _place(self, folder: Path, name: str) -> Path | None:
        """The file `name` in `folder`; None if it lies elsewhere and may not.

        Links inside the folder may lead out: the hub's cache is made of them, and whoever can put one there can put the
        file there, too. A folder that is reached by a link may be named by either way.
        """
        root, path = (Path(os.path.abspath(each)) for each in (folder, folder / name))
        is_inside = path.is_relative_to(root) or path.is_relative_to(os.path.realpath(folder))
        return path if is_inside or (self.takes_absolute and Path(name).is_absolute()) else None


def _is_in_cache(path: str) -> bool:
    """Whether `datasets` put it there: it names images that it fetched by their place in its cache."""
    hub, config = huggingface_hub.constants, datasets.config
    caches = (hub.HF_HOME, hub.HF_HUB_CACHE, config.HF_CACHE_HOME, config.HF_DATASETS_CACHE)
    return any(Path(os.path.abspath(path)).is_relative_to(os.path.abspath(cache)) for cache in caches)
