"""Encoded images and image stores for the tests of samples, variants and tasks."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vrs_lmeval.benchmark.images import ImageStore


def gradient(width: int, height: int) -> Image.Image:
    """An RGB image whose pixels all differ from their neighbours; another size gives another image."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows * 7 + width, columns * 5 + height, rows * columns], axis=2) % 256
    return Image.fromarray(pixels.astype(np.uint8))


def encode(image: Image.Image, file_format: str) -> bytes:
    """The image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


def make_store(*sizes: tuple[int, int], **options: int) -> tuple[ImageStore, list[str]]:
    """A store with one gradient per (width, height), and their ids in that order."""
    store = ImageStore(**options)
    files = [encode(gradient(width, height), "PNG") for width, height in sizes]
    ids = [store.add(lambda data=data: data, "row") for data in files]
    return store, ids
