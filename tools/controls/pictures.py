"""Training pictures: augmented slices that keep their distance from every benchmark slice, with the facts of each."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from tools.sample.facts import collect_facts
from tools.sample.plan import SLICES
from tools.sample.slices import (
    PLANES,
    VOLUMES,
    ImageU8,
    SliceView,
    VolumeReader,
    draw_marks,
    render_slice,
)

# MNI152 is never trained on: its benchmark pictures show a brain the model has not met.
TRAINING_VOLUMES = ("colin27", "colin27_brain", "inia19")
# Draw rates: half with a skull would teach "human = skull"; the macaque is the rarer answer to `species`.
VOLUME_RATES = (0.38, 0.27, 0.35)
# No training slice lies within this distance of a benchmark slice of the same head and plane. 2 mm in a macaque are
# about 5 mm in a man, because its brain is some 2.5 times shorter.
GAP_MM = {"colin": 4.0, "inia19": 2.0}
# Slices between these share a useful amount of tissue (voxel indices, looked at by eye).
EXTENT = {
    "colin": {"axial": (32, 150), "coronal": (30, 195), "sagittal": (26, 154)},
    "inia19": {"axial": (22, 106), "coronal": (34, 162), "sagittal": (34, 134)},
}
KIND_RATES = {"plain": 0.26, "marked": 0.32, "counted": 0.12, "turned": 0.2, "file": 0.1}
# Parts of the picture files that the benchmark does not show: (file, box), at least 10 px away from its crops.
FILE_REGIONS = (
    ("retina.jpg", (0, 0, 740, 1411), {"modality": "photograph", "organ": "eye"}),
    ("ihc.png", (262, 0, 512, 250), {"modality": "micrograph", "organ": "colon"}),
    ("ihc.png", (0, 262, 250, 512), {"modality": "micrograph", "organ": "colon"}),
)


@dataclass(frozen=True)
class TrainingPicture:
    """Pixels (side, side, 3) and the answers of every question that applies."""

    pixels: ImageU8
    answers: dict[str, str]
    kind: str


def list_training_slices(volume_name: str, plane: str) -> list[int]:
    """Indices of a volume that training may draw: none within GAP_MM of a benchmark slice."""
    volume = VOLUMES[volume_name]
    gap = GAP_MM[volume.head] / volume.voxel_mm
    first, last = EXTENT[volume.head][plane]
    shown = SLICES[volume.head][plane]
    return [i for i in range(first, last + 1) if min(abs(i - s) for s in shown) >= gap]


class PictureMaker:
    """Draws training pictures; everything random comes from the generator it is given."""

    def __init__(self, read: Callable[[str, str], bytes], side: int) -> None:
        self.reader = VolumeReader(read)
        self.side = side
        folder = "skimage/data/"
        names = {name for name, _, _ in FILE_REGIONS}
        self.files = {n: Image.open(io.BytesIO(read("scikit-image", folder + n))).convert("RGB") for n in names}

    def draw(self, rng: np.random.Generator) -> TrainingPicture:
        """One picture of a random kind."""
        kind = str(rng.choice(list(KIND_RATES), p=list(KIND_RATES.values())))
        return self._draw_file(rng) if kind == "file" else self._draw_slice(rng, kind)

    def _draw_slice(self, rng: np.random.Generator, kind: str) -> TrainingPicture:
        view = draw_view(rng, kind)
        if min(abs(view.index - shown) for shown in SLICES[VOLUMES[view.volume].head][view.plane]) < 1:
            raise AssertionError("a benchmark slice was drawn for training")
        bare = SliceView(view.volume, view.plane, view.index, view.mirrored, view.turns)
        image = augment_grey(rng, render_slice(self.reader, bare)).convert("RGB")
        draw_marks(image, view.marks)
        answers = {key: answer for key, (answer, _) in collect_facts(view).items()}
        return TrainingPicture(self._shrink(image), answers, kind)

    def _draw_file(self, rng: np.random.Generator) -> TrainingPicture:
        name, (left, top, right, bottom), answers = FILE_REGIONS[int(rng.integers(len(FILE_REGIONS)))]
        side = int(rng.uniform(0.45, 1.0) * min(right - left, bottom - top))
        column = int(rng.integers(left, right - side + 1))
        row = int(rng.integers(top, bottom - side + 1))
        image = self.files[name].crop((column, row, column + side, row + side)).resize((224, 224))
        image = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(image), int(rng.integers(4)))))
        gain = rng.uniform(0.75, 1.2, size=3)
        pixels = np.clip(np.asarray(image) * gain, 0, 255).astype(np.uint8)
        return TrainingPicture(self._shrink(Image.fromarray(pixels)), dict(answers), "file")

    def _shrink(self, image: Image.Image) -> ImageU8:
        return np.asarray(image.resize((self.side, self.side), Image.Resampling.BICUBIC))


def draw_view(rng: np.random.Generator, kind: str) -> SliceView:
    """A random slice of the training volumes, shown as the kind of picture demands."""
    volume = str(rng.choice(TRAINING_VOLUMES, p=VOLUME_RATES))
    planes = ("axial", "sagittal") if kind == "turned" else PLANES
    plane = planes[int(rng.integers(len(planes)))]
    index = int(rng.choice(list_training_slices(volume, plane)))
    turns = int(rng.integers(4)) if kind == "turned" else 0
    count = {"marked": 1, "counted": int(rng.integers(1, 4))}.get(kind, 0)
    marks = draw_mark_places(rng, VOLUMES[volume].canvas, count)
    return SliceView(volume, plane, index, bool(rng.integers(2)), turns, marks)


def draw_mark_places(rng: np.random.Generator, canvas: int, count: int) -> tuple[tuple[int, int], ...]:
    """Marks in different quadrants, 0.08 to 0.26 of the canvas away from both centre lines."""
    places = []
    for quadrant in rng.permutation(4)[:count]:
        across, along = (round(float(share) * canvas) for share in rng.uniform(0.08, 0.26, size=2))
        column = canvas // 2 + (across if quadrant % 2 else -across)
        places.append((column, canvas // 2 + (along if quadrant // 2 else -along)))
    return tuple(places)


def augment_grey(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Rotate, scale, shear and shift a little; change contrast, sharpness and noise: another head, another scanner."""
    centre = image.width / 2
    turn = np.deg2rad(rng.uniform(-8, 8))
    stretch = rng.uniform(0.82, 1.22) * np.array([rng.uniform(0.92, 1.08), 1.0])
    shift = rng.uniform(-0.03, 0.03, size=2) * image.width
    back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / stretch[:, None]
    back[0, 1] += rng.uniform(-0.08, 0.08)
    offset = centre - back @ (centre + shift)
    matrix = (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1])
    image = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.8)))
    share = np.asarray(image, np.float32) / 255
    grey = 255 * rng.uniform(0.65, 1.25) * share ** rng.uniform(0.6, 1.6)
    grey += rng.normal(0, rng.uniform(0, 6), size=grey.shape)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
