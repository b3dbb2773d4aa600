"""What the benchmark shows and asks: the pictures, their slices and marks, and how often each answer is asked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

from tools.sample.facts import Fact, collect_facts
from tools.sample.slices import (
    PLANES,
    TISSUE_MAPS,
    TISSUE_RADIUS,
    VOLUMES,
    SliceView,
    Volume,
    VolumeReader,
    find_tissue_discs,
    front_edge,
)

# Benchmark slices per head and plane. Training keeps GAP_MM away from each of them (tools/controls/pictures.py), so the
# same few slices serve many pictures. mni152 may be shown anywhere: training never sees that volume.
SLICES: dict[str, dict[str, tuple[int, ...]]] = {
    "colin": {
        "axial": (62, 78, 92, 106, 120, 134),
        "coronal": (60, 80, 100, 120, 140, 160),
        "sagittal": (50, 64, 78, 90, 110, 126),
    },
    "inia19": {
        "axial": (40, 52, 64, 76, 88),
        "coronal": (60, 80, 100, 120, 140),
        "sagittal": (50, 64, 84, 104, 118),
    },
    "mni152": {
        "axial": (70, 85, 100, 113, 125),
        "coronal": (70, 95, 110, 125, 145),
        "sagittal": (58, 75, 98, 118, 138),
    },
}


QUADRANTS = ("upper left", "upper right", "lower left", "lower right")
# A mark's distances from the canvas centre (across, along), in shares of the canvas: its rim (1/16) stays clear of the
# centre lines, and its centre on the brain.
MARK_DISTANCES = ((0.116, 0.178), (0.178, 0.116), (0.147, 0.116))
# The macaque brain fills less of its canvas.
MACAQUE_SHARE = 0.85

# How many questions each answer gets. Equal numbers keep the blind majority answer at 1/len; modality and organ follow
# what the packages hold, and no answer may have more than 4.
QUOTAS: dict[str, dict[str, int]] = {
    "plane": {"axial": 4, "coronal": 4, "sagittal": 4},
    "plane_open": {"axial": 4, "coronal": 4, "sagittal": 4},
    "plane_axial": {"yes": 2, "no": 2},
    "plane_coronal": {"yes": 2, "no": 2},
    "plane_sagittal": {"yes": 2, "no": 2},
    "skull": {"yes": 8, "no": 8},
    "species": {"human": 8, "macaque": 8},
    "mark_side": {"left": 5, "right": 5},
    "mark_height": {"upper": 5, "lower": 5},
    "mark_quadrant": dict.fromkeys(QUADRANTS, 3),
    "mark_count": {"1": 3, "2": 3, "3": 3},
    "hemisphere_same": {"left": 3, "right": 3},
    "hemisphere_mirrored": {"left": 3, "right": 3},
    "front_edge": {"top": 3, "bottom": 3, "left": 3, "right": 3},
    "modality": {"mri": 3, "ct": 1, "photograph": 4, "micrograph": 3},
    "organ": {"brain": 3, "eye": 4, "colon": 2, "abdomen": 1},
    "tissue": {"grey matter": 4, "white matter": 4},
}
# A question is asked only of these kinds of picture: upright heads would make `front_edge` mostly "top", and a mark on
# the picture does not help with the other questions.
KINDS = {
    "plane": ("plain",),
    "plane_open": ("plain",),
    "plane_axial": ("plain", "marked"),
    "plane_coronal": ("plain", "marked"),
    "plane_sagittal": ("plain", "marked"),
    "skull": ("plain",),
    "species": ("plain",),
    "front_edge": ("turned",),
    "modality": ("plain", "file"),
    "organ": ("plain", "file"),
}


@dataclass(frozen=True)
class FilePicture:
    """A picture cut from a picture file in a package: crop is (left, top, right, bottom) in its pixels, or None."""

    package: str
    path: str
    crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Picture:
    """One benchmark picture: its name, what kind it is, how to make it and what is known of it."""

    name: str
    kind: str
    origin: SliceView | FilePicture
    facts: dict[str, Fact]


def slice_index(volume: str, plane: str, position: int) -> int:
    """The `position`-th benchmark slice of a volume, wrapping round."""
    indices = SLICES[VOLUMES[volume].head][plane]
    return indices[position % len(indices)]


def plan_slices() -> list[Picture]:
    """All pictures of slices."""
    views = {**_plan_plain(), **_plan_marked(), **_plan_counted(), **_plan_turned()}
    return [Picture(name, name.split("_")[0], view, collect_facts(view)) for name, view in views.items()]


def _plan_plain() -> dict[str, SliceView]:
    """Upright slices without marks. Sagittal ones face left and right in turn: the direction must not reveal the
    plane."""
    views = {}
    numbers = {"colin27": (1, 3, 5), "colin27_brain": (2, 4), "mni152": (1, 3), "inia19": (0, 2, 4)}
    for volume, positions in numbers.items():
        for plane in PLANES:
            for turn, position in enumerate(positions):
                index = slice_index(volume, plane, position)
                mirrored = plane == "sagittal" and turn % 2 == 1
                views[f"plain_{volume}_{plane}_{index:03d}"] = SliceView(volume, plane, index, mirrored)
    return views


def mark_position(volume: Volume, quadrant: str, number: int) -> tuple[int, int]:
    """A mark's centre in one quadrant, (column, row); `number` varies the distances."""
    height, side = quadrant.split()
    scale = volume.canvas * (MACAQUE_SHARE if volume.species == "macaque" else 1.0)
    across, along = (round(share * scale) for share in MARK_DISTANCES[number % 3])
    column = volume.canvas // 2 + (across if side == "right" else -across)
    return column, volume.canvas // 2 + (along if height == "lower" else -along)


def _plan_marked() -> dict[str, SliceView]:
    """One red mark on an upright slice: 6 slices a volume, each quadrant 6 times."""
    views = {}
    planes = ("axial", "coronal", "axial", "coronal", "axial", "sagittal")
    for first, volume in enumerate(("colin27", "mni152", "inia19", "colin27_brain")):
        for number, plane in enumerate(planes):
            mark = mark_position(VOLUMES[volume], QUADRANTS[(first + number) % 4], number + first)
            mirrored = (number + number // 2 + first // 2) % 2 == 1
            view = SliceView(volume, plane, slice_index(volume, plane, number), mirrored, marks=(mark,))
            views[f"marked_{volume}_{number}"] = view
    return views


def _plan_counted() -> dict[str, SliceView]:
    """Two or three red marks in different quadrants."""
    views = {}
    volumes = ("colin27", "mni152", "inia19")
    for number in range(6):
        volume, plane = volumes[number % 3], PLANES[(number + number // 3) % 3]
        places = [QUADRANTS[(number + step * 3) % 4] for step in range(2 + number // 3)]
        marks = tuple(mark_position(VOLUMES[volume], place, number) for place in places)
        index = slice_index(volume, plane, number + 1)
        views[f"counted_{volume}_{number}"] = SliceView(volume, plane, index, marks=marks)
    return views


def _plan_turned() -> dict[str, SliceView]:
    """Axial and sagittal slices stored in all four orientations, as scanners do; three for each front edge."""
    views = {}
    volumes = ("colin27", "mni152", "colin27")
    for turns in range(4):
        for number, volume in enumerate(volumes):
            plane = "axial" if (number + turns) % 2 == 0 else "sagittal"
            mirrored = (number + turns // 2) % 2 == 1
            index = slice_index(volume, plane, turns + number)
            view = SliceView(volume, plane, index, mirrored, turns)
            # Sagittal slices start a quarter turn away from axial ones: bring both to the same edge.
            while front_edge(view) != ("top", "left", "bottom", "right")[turns]:
                view = replace(view, turns=(view.turns + 1) % 4)
            views[f"turned_{volume}_{number}_{front_edge(view)}"] = view
    return views


def plan_tissue(reader: VolumeReader) -> list[Picture]:
    """A ring around tissue that MNI152's own maps call grey (or white) matter with probability >= 0.9 throughout."""
    pictures = []
    for tissue in TISSUE_MAPS:
        for index in (60, 63, 66, 69):
            places = find_tissue_discs(reader, tissue, index)
            ring = min(places, key=lambda place: _key(f"{tissue} {index} {place}"))
            view = SliceView("mni152", "axial", index, ring=ring)
            evidence = f"{TISSUE_MAPS[tissue]} >= 0.9 within {TISSUE_RADIUS} voxels of {ring} on the canvas"
            name = f"ring_mni152_{index:03d}_{ring[0]}_{ring[1]}"
            pictures.append(Picture(name, "ring", view, {"tissue": (tissue, evidence)}))
    return pictures


_SKIMAGE = "skimage/data/"
_ITK = "usr/share/doc/insighttoolkit5-examples/examples/Data/"
_PHOTO, _MICRO = "photograph", "micrograph"


def plan_files() -> list[Picture]:
    """Pictures that come as files. Retina and ihc show only parts from which training takes no crops."""
    retina_doc = "skimage.data.retina: retinal fundus photograph of a normal left eye"
    lesion_doc = "skimage.data.microaneurysms: detail of a fundus photograph (green channel)"
    ihc_doc = "skimage.data.immunohistochemistry: colonic glands, microscope picture"
    woman = "ITK examples: cryogenic section of the Visible Woman, "
    rows: list[tuple[str, str, str, tuple[int, int, int, int] | None, str, str | None, str]] = [
        ("retina_upper", "scikit-image", "retina.jpg", (760, 60, 1400, 700), _PHOTO, "eye", retina_doc),
        ("retina_lower", "scikit-image", "retina.jpg", (760, 700, 1400, 1340), _PHOTO, "eye", retina_doc),
        ("microaneurysms", "scikit-image", "microaneurysms.png", None, _PHOTO, "eye", lesion_doc),
        ("ihc_a", "scikit-image", "ihc.png", (0, 0, 250, 250), _MICRO, "colon", ihc_doc),
        ("ihc_d", "scikit-image", "ihc.png", (262, 262, 512, 512), _MICRO, "colon", ihc_doc),
        ("cell", "scikit-image", "cell.png", None, _MICRO, None, "skimage.data.cell: quantitative phase microscopy"),
        ("woman_eye", "insighttoolkit5-examples", "VisibleWomanEyeSlice.png", None, _PHOTO, "eye", woman + "eye"),
        ("woman_head", "insighttoolkit5-examples", "VisibleWomanHeadSlice.png", None, _PHOTO, None, woman + "head"),
    ]
    pictures = []
    for name, package, path, crop, modality, organ, evidence in rows:
        folder = _SKIMAGE if package == "scikit-image" else _ITK
        facts = {"modality": (modality, evidence)}
        if organ:
            facts["organ"] = (organ, evidence)
        pictures.append(Picture(f"file_{name}", "file", FilePicture(package, folder + path, crop), facts))
    return [*pictures, _plan_ct()]


def _plan_ct() -> Picture:
    facts = {
        "modality": ("ct", "DICOM Modality = CT"),
        "organ": ("abdomen", "DICOM BodyPartExamined = PANCREAS, an organ of the abdomen"),
    }
    origin = FilePicture("pydicom-data", "data_store/data/explicit_VR-UN.dcm")
    return Picture("file_abdomen_ct", "file", origin, facts)


def choose_questions(pictures: list[Picture]) -> list[tuple[Picture, str]]:
    """Fill every quota: pictures with the fewest questions come first, a hash breaks ties, and nobody chooses by hand.

    A hash also decides the order, so that the first N questions (`--limit N`) are of all types.
    """
    chosen: list[tuple[Picture, str]] = []
    load: Counter[str] = Counter()
    for key, quota in QUOTAS.items():
        for answer, wanted in quota.items():
            able = [p for p in pictures if p.facts.get(key, ("",))[0] == answer]
            able = [p for p in able if p.kind in KINDS.get(key, (p.kind,))]
            able.sort(key=lambda p: (load[p.name], _key(f"{key} {p.name}")))
            if len(able) < wanted:
                raise ValueError(f"{key}: {len(able)} pictures for {answer!r}, {wanted} wanted")
            chosen += [(picture, key) for picture in able[:wanted]]
            load.update(picture.name for picture in able[:wanted])
    return sorted(chosen, key=lambda item: _key(f"order {item[1]} {item[0].name}"))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
