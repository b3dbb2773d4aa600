"""One drawn call of the extension's binding: sound arguments, or some of them replaced by anything.

It answers as the naive twin does, or raises TypeError or ValueError. Draws come from a `random.Random`: Hypothesis
hands one in that it can shrink, `fuzz_binding.py` one with a seed.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from vrs_lmeval.pixels.geometry import Blocks, Geometry
from vrs_lmeval.pixels.preprocess import _geometry_arguments, _native_perturbation
from vrs_lmeval.pixels.reference.families import EXAMPLES
from vrs_lmeval.pixels.reference.fused_op import perturb, process_one
from vrs_lmeval.records import Perturbation

REFUSALS = (TypeError, ValueError)
"""What a wrong argument may raise."""

LEVELS = np.random.default_rng(0).integers(0, 256, 1 << 15, np.uint8)
"""Where images are cut from: to draw each level would take most of the time."""

UNALIGNED = np.frombuffer(bytearray(4 * 3 * 64 * 64 * 4 + 1), np.uint8)[1:].view(np.float32)


def list_odd_values() -> list[Any]:
    """What no argument should be, or its edge. No size between 65536 and what memory can never hold."""
    level = np.zeros((2, 2, 3), np.uint8)
    return [
        *(None, True, -1, 0, 1, 2**31 - 1, 2**31, -(2**31), 2**62, 2**64, 10**40, 0.5, float("nan"), float("inf")),
        *("", "auto", "bicubic", "a\0b", "\ud800", "long" * 1000, b"\xff", b"", (), [], {}, [None], (1, 2), [[1]]),
        object(),
        *((4096, 2, 2, 3, 6), (0, 0, 0, 0, 0), ("identity", [], 0, 0), ("blank", [1.0, 2.0], 0, 0), 1j),
        *(level, level[:, :, :1], level[:0], level[::-1, ::-1], level.T, level.astype(np.float32), level.astype(">i4")),
        *(np.zeros((3, 256), np.float64), np.full((3, 256), np.nan, np.float32), np.array([object()]), np.float32(2)),
        np.lib.stride_tricks.as_strided(level, (1 << 20, 2, 3), (0, 3, 1)),
    ]


ODD = list_odd_values()


def draw_image(draw: Random) -> np.ndarray:
    """Up to 40 pixels an edge, in memory of its own or a view of some kind."""
    height, width, channels = draw.randint(1, 40), draw.randint(1, 40), draw.choice((3, 3, 4))
    begin = draw.randint(0, 9000)
    row = channels * width
    form = draw.choice(("whole", "copy", "upside down", "rows apart", "one row"))
    if form == "rows apart":
        return (
            LEVELS[begin : begin + height * (row + 7)]
            .reshape(height, row + 7)[:, :row]
            .reshape(height, width, channels, copy=None)
        )
    image = LEVELS[begin : begin + height * row].reshape(height, width, channels)
    if form == "one row":
        return np.broadcast_to(image[:1], image.shape)
    return {"copy": image.copy(), "upside down": image[::-1]}.get(form, image)


def draw_geometry(draw: Random) -> Geometry:
    """A small one of any kind."""
    geometry = Geometry(
        resize=draw.choice(("none", "exact", "shortest_edge")),
        size=(draw.randint(1, 30), draw.randint(1, 30)),
        crop=(draw.randint(1, 30), draw.randint(1, 30)),
        filter=draw.choice(("bilinear", "bicubic", "lanczos")),
        arithmetic=draw.choice(("pillow", "torchvision")),
        pad_colour=draw.choice((None, (1, 2, 250))),
        rescale=draw.choice((1 / 255, None)),
    )
    if draw.random() < 0.7:
        return geometry
    blocks = Blocks(draw.randint(1, 5), draw.randint(1, 5), draw.randint(1, 2), draw.randint(1, 2))
    crop = tuple(edge * blocks.merge * draw.randint(1, 3) for edge in (blocks.height, blocks.width))
    return replace(geometry, blocks=blocks, crop=crop)


def draw_change(draw: Random) -> Perturbation:
    """One of the examples of all kinds, with a key of its own where it has one."""
    change = draw.choice(EXAMPLES)
    return replace(change, key=draw.getrandbits(128)) if change.key else change


def draw_output(draw: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Memory for a batch, of either type, packed or with its entries apart; now and then not as it should be."""
    kind = draw.choice((np.float32, np.uint16))
    wide = np.zeros((shape[0], int(np.prod(shape[1:])) + draw.choice((0, 5))), kind)
    out = wide[:, : int(np.prod(shape[1:]))].reshape(shape, copy=None)
    form = draw.choice(("sound",) * 6 + ("read-only", "backwards", "swapped", "unaligned", "too short", "Fortran"))
    if form == "read-only":
        out.flags.writeable = False
    unaligned = UNALIGNED[: out.size].reshape(shape) if out.size <= UNALIGNED.size else out
    odd = {
        "backwards": out[::-1],
        "swapped": out.astype(out.dtype.newbyteorder(">")),
        "unaligned": unaligned,
        "too short": out[:-1],
        "Fortran": np.asfortranarray(out),
    }
    return odd.get(form, out)


def spoil(value: Any, draw: Random) -> Any:
    """`value`, or what it holds at some depth, replaced by anything."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(sorted(value))
        return value | {key: spoil(value[key], draw)}
    if isinstance(value, list | tuple) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return type(value)(spoil(each, draw) if each_place == place else each for each_place, each in enumerate(value))
    return draw.choice(ODD)


def call_preprocess(native: ModuleType, draw: Random) -> int:
    """The whole op. Gives how many calls were made."""
    geometry = draw_geometry(draw)
    images = [draw_image(draw) for _ in range(draw.randint(1, 3))]
    pairs = [(draw.randrange(len(images)), draw_change(draw)) for _ in range(draw.randint(1, 3))]
    jobs = [(place, _native_perturbation(change)) for place, change in pairs]
    shape = (len(jobs), 3, *geometry.crop)
    if geometry.blocks is not None:
        shape = (len(jobs), int(np.prod(geometry.output_shape())))
    out = draw_output(draw, shape) if draw.random() < 0.5 else None
    arguments = {"images": images, "jobs": jobs, "threads": draw.randint(1, 2), "out": out}
    arguments["simd"] = draw.choice(("auto", *native.build_info()["simd"]))
    described = _geometry_arguments(geometry)
    is_sound = draw.random() < 0.5
    if not is_sound:
        spoilt = draw.choice((described, arguments))
        name = draw.choice(sorted(spoilt))
        spoilt[name] = spoil(spoilt[name], draw)
    try:
        arguments |= {"geometry": native.Geometry(**described)}
        result = native.preprocess(**arguments)
    except REFUSALS:
        assert not is_sound or (out is not None and not is_sound_output(out, shape))
        return 2
    if is_sound and result.dtype == np.float32 and draw.random() < 0.05:
        expected = [process_one(perturb(images[place][:, :, :3], change), geometry) for place, change in pairs]
        assert np.array_equal(result, np.array(expected, np.float32).reshape(shape))
    return 2


def is_sound_output(out: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the contract takes it: aligned, writeable, of this shape, each entry packed, one after the other."""
    return (
        out.shape == shape
        and out.dtype in (np.float32, np.uint16)
        and out.dtype.isnative
        and out.flags.aligned
        and out.flags.writeable
        and out[:1].flags.c_contiguous
        and (len(out) == 1 or out.strides[0] >= out[:1].nbytes)
    )


def call_perturb(native: ModuleType, draw: Random) -> int:
    """The perturbed image itself."""
    image, change = draw_image(draw), draw_change(draw)
    arguments = [image, _native_perturbation(change)]
    is_sound = draw.random() < 0.5
    if not is_sound:
        place = draw.randrange(len(arguments))
        arguments[place] = spoil(arguments[place], draw)
    try:
        result = native.perturb(*arguments)
    except REFUSALS:
        assert not is_sound
        return 1
    if is_sound and draw.random() < 0.05:
        assert np.array_equal(result, perturb(image[:, :, :3], change))
    return 1


def call_view(native: ModuleType, draw: Random) -> int:
    """The view of an image of Pillow, with sizes that are not its own."""
    image = Image.fromarray(draw_image(draw)[:, :, :3])
    size = [image.height, image.width]
    is_sound = draw.random() < 0.3
    if not is_sound:
        size = [draw.choice((2**63 - 1, -(2**63), 2**62, 2**33, -1, 0, 1, *size)) for _ in size]
    capsules = image.__arrow_c_array__()
    capsule = capsules[1] if is_sound or draw.random() < 0.8 else draw.choice([*ODD, capsules[0]])
    try:
        view = native.view_rgbx(capsule, *size)
    except REFUSALS:
        assert not is_sound
        return 1
    assert np.array_equal(view.reshape(image.height, image.width, 4)[:, :, :3], image)
    return 1


def call_new_batch(native: ModuleType, draw: Random) -> int:
    """Memory for a batch."""
    shape = [draw.randint(1, 9) for _ in range(draw.randint(1, 4))]
    is_sound = draw.random() < 0.5
    if not is_sound:
        shape = spoil(shape, draw)
        if any(isinstance(edge, int) and 2**20 < edge < 2**61 for edge in (shape if isinstance(shape, list) else ())):
            return 0  # what some machines have memory for, and others not
    try:
        batch = native.new_batch(shape)
    except REFUSALS:
        assert not is_sound
        return 1
    batch[...] = 1
    return 1


CALLS = (call_preprocess, call_preprocess, call_perturb, call_view, call_new_batch)


def call_once(native: ModuleType, draw: Random) -> int:
    """One drawn call; gives how many of the binding's functions were called. Raises AssertionError."""
    with np.printoptions(threshold=0, edgeitems=1):  # a TypeError quotes all arguments
        return draw.choice(CALLS)(native, draw)
