"""Volumes and the pictures cut from them: a `SliceView` says which slice, how it is shown and what is drawn on it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import nibabel
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

ImageU8 = npt.NDArray[np.uint8]

PLANES = ("axial", "coronal", "sagittal")
# All volumes are stored RAS (the builder checks it): the axis that a plane cuts across.
AXIS_OF_PLANE = {"sagittal": 0, "coronal": 1, "axial": 2}
MARK_RED = (230, 20, 20)
# 1/16 of the canvas: the mark spans an eighth of the picture, about one 12 px patch of a 96 px vision tower.
MARK_RADIUS_SHARE = 1 / 16
# A ring of this inner radius (voxels) around a disc that is all one tissue; 2 voxels of air keep the line off it.
TISSUE_RADIUS = 3
RING_RADIUS = 6


@dataclass(frozen=True)
class Volume:
    """A head or brain volume inside a package, with the facts that hold for every slice of it."""

    name: str
    package: str
    path: str
    species: str
    skull: bool
    white: float  # the grey value shown as 255
    midline: float  # voxel index of the mid-sagittal plane, where the affine gives x = 0 mm
    canvas: int  # side of the square picture, a multiple of 16 at least as large as the volume
    voxel_mm: float
    head: str  # volumes with the same head share their benchmark slices


_TEMPLATES = "usr/share/mricron/templates"
_NILEARN = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

VOLUMES = {
    volume.name: volume
    for volume in (
        # White points: just above the 99.9th percentile of the tissue, so that nothing visible clips.
        Volume("colin27", "mricron-data", f"{_TEMPLATES}/ch2.nii.gz", "human", True, 200, 90, 224, 1.0, "colin"),
        Volume(
            "colin27_brain",
            "mricron-data",
            f"{_TEMPLATES}/ch2bet.nii.gz",
            "human",
            False,
            130,
            90,
            224,
            1.0,
            "colin",
        ),
        Volume("mni152", "nilearn", _NILEARN.format("t1"), "human", False, 255, 98, 240, 1.0, "mni152"),
        Volume(
            "inia19",
            "mricron-data",
            f"{_TEMPLATES}/inia19-t1-brain.nii.gz",
            "macaque",
            False,
            140,
            84,
            208,
            0.5,
            "inia19",
        ),
    )
}
TISSUE_MAPS = {"grey matter": _NILEARN.format("gm"), "white matter": _NILEARN.format("wm")}


@dataclass(frozen=True)
class SliceView:
    """One picture of a slice. Marks and rings are (column, row) of the canvas after mirroring and turning."""

    volume: str
    plane: str
    index: int
    mirrored: bool = False  # left-right mirrored against the default display below
    turns: int = 0  # quarter turns counter-clockwise
    marks: tuple[tuple[int, int], ...] = ()
    ring: tuple[int, int] | None = None


class VolumeReader:
    """Reads volumes from the packages once, windowed to 8 bits."""

    def __init__(self, read: Callable[[str, str], bytes]) -> None:
        self._read = read
        self.volume_u8 = lru_cache(maxsize=None)(self._load_volume)
        self.map_u8 = lru_cache(maxsize=None)(self._load_map)

    def _load_map(self, package: str, path: str) -> npt.NDArray[np.float32]:
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(self._read(package, path)))
        if nibabel.aff2axcodes(image.affine) != ("R", "A", "S"):
            raise ValueError(f"{path} is not stored RAS: every left/right answer would be wrong")
        return np.asarray(image.dataobj, dtype=np.float32)

    def _load_volume(self, name: str) -> ImageU8:
        volume = VOLUMES[name]
        grey = self._load_map(volume.package, volume.path) * (255.0 / volume.white)
        return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


def orient_slice(volume_ras: npt.NDArray, plane: str, index: int) -> npt.NDArray:
    """Cut one slice for display: superior (axial: anterior) up, and the patient's left, or posterior, at the left."""
    cut = np.take(volume_ras, index, axis=AXIS_OF_PLANE[plane])
    return cut.T[::-1]


def canvas_offset(volume: Volume, plane: str, shape: tuple[int, int]) -> tuple[int, int]:
    """Top row and left column of the slice on its canvas: centred, with the midline at the centre column."""
    height, width = shape
    left = (volume.canvas - width) // 2 if plane == "sagittal" else round(volume.canvas / 2 - volume.midline)
    return (volume.canvas - height) // 2, left


def render_slice(reader: VolumeReader, view: SliceView) -> Image.Image:
    """Draw the view: mode L without marks, RGB with them."""
    volume = VOLUMES[view.volume]
    cut = orient_slice(reader.volume_u8(view.volume), view.plane, view.index)
    top, left = canvas_offset(volume, view.plane, cut.shape)
    canvas = np.zeros((volume.canvas, volume.canvas), np.uint8)
    canvas[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    if view.mirrored:
        canvas = canvas[:, ::-1]
    image = Image.fromarray(np.ascontiguousarray(np.rot90(canvas, view.turns)))
    if view.marks or view.ring:
        image = image.convert("RGB")
        draw_marks(image, view.marks)
        if view.ring:
            draw_ring(image, view.ring)
    return image


def draw_marks(image: Image.Image, marks: tuple[tuple[int, int], ...]) -> None:
    """Draw filled red discs."""
    radius = image.width * MARK_RADIUS_SHARE
    draw = ImageDraw.Draw(image)
    for column, row in marks:
        draw.ellipse((column - radius, row - radius, column + radius, row + radius), fill=MARK_RED)


def draw_ring(image: Image.Image, centre: tuple[int, int]) -> None:
    """Draw a one-pixel red circle that leaves the tissue inside it untouched."""
    column, row = centre
    box = (column - RING_RADIUS, row - RING_RADIUS, column + RING_RADIUS, row + RING_RADIUS)
    ImageDraw.Draw(image).ellipse(box, outline=MARK_RED, width=1)


def front_edge(view: SliceView) -> str:
    """Where the front of the head points, from the display convention of `orient_slice`."""
    if view.plane == "coronal":
        raise ValueError("in a coronal slice the front of the head points at the viewer")
    clockwise = ("top", "right", "bottom", "left")
    start = 0 if view.plane == "axial" else (3 if view.mirrored else 1)
    return clockwise[(start - view.turns) % 4]


def mark_side(view: SliceView, mark: tuple[int, int]) -> str:
    """The half of the picture that holds the mark."""
    return "left" if mark[0] < VOLUMES[view.volume].canvas / 2 else "right"


def mark_height(view: SliceView, mark: tuple[int, int]) -> str:
    """The half of the picture, by height, that holds the mark."""
    return "upper" if mark[1] < VOLUMES[view.volume].canvas / 2 else "lower"


def mark_hemisphere(view: SliceView, mark: tuple[int, int]) -> str:
    """The patient's hemisphere under the mark: unmirrored, the patient's left is at the picture's left."""
    if view.plane == "sagittal" or view.turns:
        raise ValueError("hemispheres are asked of upright axial and coronal slices only")
    side = mark_side(view, mark)
    return side if not view.mirrored else {"left": "right", "right": "left"}[side]


def find_tissue_discs(reader: VolumeReader, tissue: str, index: int) -> list[tuple[int, int]]:
    """Canvas positions in an axial MNI152 slice whose disc of TISSUE_RADIUS is all >= 0.9 of one tissue map."""
    volume = VOLUMES["mni152"]
    share = orient_slice(reader.map_u8(volume.package, TISSUE_MAPS[tissue]), "axial", index) >= 0.9 * 255
    reach = range(-TISSUE_RADIUS, TISSUE_RADIUS + 1)
    disc = [(dr, dc) for dr in reach for dc in reach if dr * dr + dc * dc <= TISSUE_RADIUS**2 + 0.5]
    inside = np.all([np.roll(share, (dr, dc), axis=(0, 1)) for dr, dc in disc], axis=0)
    top, left = canvas_offset(volume, "axial", inside.shape)
    return [(int(column) + left, int(row) + top) for row, column in np.argwhere(inside)]


# The volume that shows only the brain of the same head.
_BRAIN_OF = {"colin27": "colin27_brain"}


def covers_brain(reader: VolumeReader, view: SliceView, mark: tuple[int, int]) -> bool:
    """Whether brain lies under the centre of a mark: no hemisphere can be asked for beside it."""
    bare = replace(view, volume=_BRAIN_OF.get(view.volume, view.volume), marks=(), ring=None)
    return bool(np.asarray(render_slice(reader, bare))[mark[1], mark[0]] > 0)
