"""The images of one benchmark: known by the content of their pixels, decoded to RGB only when asked for."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from vrs_lmeval.benchmark.decoding import EncodedImage, decode
from vrs_lmeval.benchmark.dicom import MissingDicomPackageError
from vrs_lmeval.records import Perturbation

DECODED_BUDGET_BYTES = 64 * 2**20
"""Decoded pixels kept for reuse. Requests of one question follow each other, so a few images are enough;
the bound is what keeps memory independent of the number of variants."""


class UnreadableImageError(ValueError):
    """An image of the data set cannot be decoded; the message names the row."""


def encoded_image(value: Any, folder: Path | None) -> EncodedImage:
    """What a data set row holds for an image -> bytes, a file path or a PIL image, not decoded yet.

    Accepts the undecoded form of `datasets.Image` (`{"bytes": ..., "path": ...}`), raw bytes, a PIL image,
    or a path, which is relative to `folder`. Raises ValueError for anything else.
    """
    content = value.get("bytes") if isinstance(value, dict) else None
    if isinstance(content, bytes | bytearray | memoryview):  # a number would be taken for a length
        return bytes(content)
    if content is not None:
        raise ValueError(f"expected the bytes of an image, got {type(content).__name__}")
    if isinstance(value, dict) and value.get("path"):
        value = value["path"]
    if isinstance(value, bytes | Image.Image):
        return value
    if isinstance(value, str):
        return Path(value) if folder is None else folder / value
    raise ValueError(f"expected an image (bytes, path or PIL image), got {type(value).__name__}")


def hash_pixels(image: Image.Image) -> str:
    """Mode RGB image -> 16 hex digits that depend on size and pixels alone, not on the file's encoding."""
    digest = hashlib.sha256(f"RGB {image.width}x{image.height} ".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:16]


def hash_image_set(image_ids: Sequence[str]) -> str:
    """16 hex digits for several images shown together, in this order; one image keeps its own id."""
    if len(image_ids) == 1:
        return image_ids[0]
    return hashlib.sha256("\n".join(("images", *image_ids)).encode()).hexdigest()[:16]


def flatten_images(images: Any) -> Iterator[Any]:
    """Images, alone or nested in lists and tuples, one after the other."""
    if isinstance(images, list | tuple):
        for item in images:
            yield from flatten_images(item)
    else:
        yield images


class ImageStore:
    """Images by content id. Holds how to read each one; keeps at most `budget_bytes` of decoded pixels."""

    def __init__(self, budget_bytes: int = DECODED_BUDGET_BYTES) -> None:
        self._readers: dict[str, Callable[[], EncodedImage]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._id_of_file: dict[bytes | Path, str] = {}
        self._decoded: OrderedDict[str | tuple[str, Perturbation], Image.Image] = OrderedDict()
        self._budget_bytes = budget_bytes
        self._lock = threading.RLock()  # vrs-hf reads ahead in a thread; rendering a change opens its source
        self.remarks: Counter[str] = Counter()
        """On how files were read, and of how many: see `decoding` and `dicom`."""
        self.decodes = 0
        """How many images were decoded for their pixels, those that were kept not again."""

    def __len__(self) -> int:
        return len(self._readers)

    def __iter__(self) -> Iterator[str]:
        """The image ids, sorted, so that nothing depends on the order of rows."""
        return iter(sorted(self._readers))

    def add(self, read: Callable[[], EncodedImage], where: str) -> str:
        """Register the image that `read()` returns; give its id. `where` names the row in errors.

        The image is decoded once to learn its id and is not kept. The same file is not decoded twice.
        """
        try:
            encoded = read()
            file_key = _identify_file(encoded)
            if file_key is not None and file_key in self._id_of_file:
                return self._id_of_file[file_key]
            image, remarks = decode(encoded)
        except MissingDicomPackageError:  # of no row, but of all
            raise
        except Exception as error:  # each of Pillow's decoders has kinds of its own: SyntaxError, struct.error ...
            raise UnreadableImageError(f"{where}: cannot read the image: {_describe(error)}") from error
        self.remarks.update(remarks)
        image_id = hash_pixels(image)
        self._readers.setdefault(image_id, read)
        self._sizes[image_id] = image.size
        if file_key is not None:
            self._id_of_file[file_key] = image_id
        return image_id

    def keep(self, image_ids: Collection[str]) -> None:
        """Forget all other images: those of rows that a task leaves out are not part of its data."""
        self._readers = {image_id: read for image_id, read in self._readers.items() if image_id in image_ids}
        self._sizes = {image_id: size for image_id, size in self._sizes.items() if image_id in image_ids}
        self._id_of_file = {key: image_id for key, image_id in self._id_of_file.items() if image_id in image_ids}

    def size(self, image_id: str) -> tuple[int, int]:
        """(width, height) in pixels, without decoding."""
        return self._sizes[image_id]

    def open(self, image_id: str) -> Image.Image:
        """The image as mode RGB. Shared with other callers: do not change it in place."""
        return self._keep(image_id, lambda: self._decode(image_id))

    def open_changed(self, image_id: str, change: Perturbation, render: Callable[[], Image.Image]) -> Image.Image:
        """The image under `change`, as `render()` gives it; kept like the images themselves, under the same bound."""
        return self._keep((image_id, change), render)

    def _keep(self, key: str | tuple[str, Perturbation], make: Callable[[], Image.Image]) -> Image.Image:
        with self._lock:
            if key in self._decoded:
                self._decoded.move_to_end(key)
                return self._decoded[key]
            image = make()
            self._decoded[key] = image
            while len(self._decoded) > 1 and self.decoded_bytes > self._budget_bytes:
                self._decoded.popitem(last=False)
            return image

    def _decode(self, image_id: str) -> Image.Image:
        self.decodes += 1
        return decode(self._readers[image_id]())[0]

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the pixels kept for reuse, at three a pixel."""
        return sum(3 * image.width * image.height for image in self._decoded.values())


def _identify_file(encoded: EncodedImage) -> bytes | Path | None:
    if isinstance(encoded, bytes):
        return hashlib.sha256(encoded).digest()
    return encoded if isinstance(encoded, Path) else None


def _describe(error: Exception) -> str:
    """The error's words; its kind where it has none, or where they are only a number or a name."""
    if isinstance(error, UnidentifiedImageError):  # its own words show an address in memory
        return "it is no file of a format that Pillow reads, or its header is damaged"
    kind, words = type(error).__name__, " ".join(str(error).split())
    return words if isinstance(error, OSError | ValueError | SyntaxError) and words else f"{kind}: {words}".rstrip(": ")
