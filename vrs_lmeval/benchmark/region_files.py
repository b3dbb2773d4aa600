"""Region files: takes the path of an image, gives its boxes, which the data set keeps in a file beside the image.

The form is SLAKE's `detection.json`: a list of objects, each with a name and its box, [x, y, width, height] in pixels
of the image, x and y being those of its upper left corner:

    [{"Liver": [52.0, 110.0, 160.0, 148.0]}, {"Heart": [...]}]
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import PurePosixPath
from typing import Any

from vrs_lmeval.benchmark.sources import MalformedDataError
from vrs_lmeval.benchmark.table import Table
from vrs_lmeval.records import Region, Sample


class RegionFiles:
    """The region files of a data set, each read once; `name` is their file name, None if there are none."""

    def __init__(self, name: str | None, table: Table) -> None:
        self._name = name
        self._table = table
        self._regions: dict[str, tuple[Region, ...]] = {}

    def find(self, shown: Any, where: str) -> tuple[Region, ...]:
        """The regions of the image that a row names (`shown`). Raises MalformedDataError, which names row and file."""
        if self._name is None:
            return ()
        if not isinstance(shown, str) or PurePosixPath(shown).name in ("", ".."):
            raise MalformedDataError(
                f"{where}: {self._name} should lie beside the image, but the row holds no path of one image"
            )
        path = str(PurePosixPath(shown).with_name(self._name))
        if path not in self._regions:
            self._regions[path] = tuple(self._read(path, where))
        return self._regions[path]

    def _read(self, path: str, where: str) -> Iterator[Region]:
        try:
            published = json.loads(self._table.read_file(path).decode("utf-8-sig"))
        except OSError as error:
            raise MalformedDataError(f"{where}: cannot read the regions of its image: {error}") from error
        except ValueError as error:
            raise MalformedDataError(f"{where}, {path}: cannot be read as JSON: {error}") from error
        if not isinstance(published, list) or not all(isinstance(entry, dict) for entry in published):
            raise MalformedDataError(f"{where}, {path}: expected a list of objects, each a name with its box")
        for number, entry in enumerate(published):
            for name, box in entry.items():
                yield _make_region(name, box, f"{where}, {path}, entry {number}")


def _make_region(name: str, box: Any, where: str) -> Region:
    """The region of a box: fractions of a pixel become whole pixels, so that it covers all that the box touches."""
    is_box = isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))
    if not name.strip() or not is_box or min(box[2:]) < 0:
        raise MalformedDataError(f"{where}: {name!r} should have a box [x, y, width, height] in pixels, it has {box!r}")
    x, y, width, height = box
    left, top = math.floor(x), math.floor(y)
    return Region(name.strip(), left, top, math.ceil(x + width) - left, math.ceil(y + height) - top)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def describe_regions(samples: Sequence[Sample]) -> dict[str, Any]:
    """The evidence of what was read: how many images have regions, how many regions there are, and a hash of all."""
    of_images = {(sample.image_id, sample.regions) for sample in samples if sample.regions}
    lines = sorted(f"{image_id} {[astuple(region) for region in regions]}" for image_id, regions in of_images)
    return {
        "images_with_regions": len({image_id for image_id, _ in of_images}),
        "regions": sum(len(regions) for _, regions in of_images),
        "regions_sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
    }
