"""Pictures for the page's sample browser: takes a task's board, finds its data, gives thumbnails of what models saw.

Medical images are not for everyone's eyes, so nothing calls this unless the user asks for it.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from vrs_lmeval.commands.preview import PreviewError, load_task
from vrs_lmeval.leaderboard.board import TaskBoard
from vrs_lmeval.run_record import RunEvidence
from vrs_lmeval.variants.variant_image import VariantImage

SHORTER_EDGE = 224
"""Shorter edge of a thumbnail in pixels: what CLIP towers see of an image; smaller images stay as they are."""

LARGEST_BYTES = 40 * 2**20
"""Bytes of all thumbnails of a task if the user asks for so many questions: a browser still opens so many at once."""

LIGHT_BYTES = 300_000
"""Bytes of the thumbnails of all tasks together if the user does not say: the page stays one to forward."""

WEBP_QUALITY = 75  # 5 kB a picture of VQA-RAD, where JPEG of quality 85 takes 14


class NoPicturesError(ValueError):
    """The task's data is missing, or is not the data that the models were asked about; the message says what to do."""


@dataclass(slots=True)
class Pictures:
    """`shown`: sample id -> variant -> keys of its pictures, in the prompt's order. `files`: key -> data URI.

    `left_out`: how many questions have no pictures, since these would exceed LARGEST_BYTES.
    """

    shown: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    left_out: int = 0


def collect_pictures(board: TaskBoard, sample_ids: Sequence[str], largest: int = LARGEST_BYTES) -> Pictures:
    """Thumbnails of the pictures that these questions of the board's task were asked with, each picture once.

    The task is found by its name, its data as for a run. Raises NoPicturesError if the data or the variants are not
    those of the board's results.
    """
    try:
        task = load_task(board.task)
    except PreviewError as error:
        raise NoPicturesError(f"{board.task}: no pictures: {error}") from error
    _check_same(board, task.evidence)
    pictures = Pictures()
    used = 0
    for sample_id in sample_ids:
        images = task.show_question(sample_id)
        by_key = {make_key(image): image for shown in images.values() for image in shown}
        fresh = {key: _encode(image) for key, image in by_key.items() if key not in pictures.files}
        if used + sum(map(len, fresh.values())) > largest:
            pictures.left_out += 1
            continue
        used += sum(map(len, fresh.values()))
        pictures.files |= fresh
        pictures.shown[sample_id] = {variant: list(map(make_key, shown)) for variant, shown in images.items()}
    return pictures


def _check_same(board: TaskBoard, here: RunEvidence) -> None:
    evidence = board.standings[0].run.evidence
    there, own = evidence.dataset.get("content_sha256"), here.dataset.get("content_sha256")
    if there != own:
        raise NoPicturesError(
            f"{board.task}: no pictures: the data found here (content {own}) is not what the models were asked "
            f"(content {there}); point VRS_DATA_DIR at that"
        )
    if [_plain(variant) for variant in evidence.variants] != [_plain(variant) for variant in here.variants]:
        raise NoPicturesError(f"{board.task}: no pictures: the task's variants are no longer those of the results")


def _plain(value: Any) -> Any:
    """The value as JSON would give it back: tuples become lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def make_key(image: VariantImage) -> str:
    """A key of 12 hex digits, equal for the same image under the same change."""
    change = image.perturbation
    return hashlib.sha256(f"{image.source_id} {change!r}".encode()).hexdigest()[:12]


def _encode(image: Image.Image) -> str:
    scale = min(1.0, SHORTER_EDGE / min(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    buffer = io.BytesIO()
    image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(buffer, "WEBP", quality=WEBP_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
