"""Builds tasks/vrs_sample/data: `python -m tools.sample.build --sources DIR --out DIR`, the same bytes every time."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image

from tools.sample.credits import CREDITS
from tools.sample.plan import FilePicture, Picture, choose_questions, plan_files, plan_slices, plan_tissue
from tools.sample.questions import QUESTIONS
from tools.sample.slices import VOLUMES, SliceView, VolumeReader, covers_brain, render_slice
from tools.sample.sources import PACKAGES, fetch_packages, open_sources

# Longest side: enough to see what is asked, small enough to ship in a repository.
LONGEST_SIDE = 256
# Abdominal soft-tissue window in Hounsfield units, the usual 400 wide at 40.
CT_WINDOW = (-160.0, 240.0)


def render_file(read: Callable[[str, str], bytes], origin: FilePicture) -> Image.Image:
    """Open, crop and shrink a picture file; a DICOM file is windowed first."""
    payload = read(origin.package, origin.path)
    image = _render_ct(payload) if origin.path.endswith(".dcm") else Image.open(io.BytesIO(payload))
    if origin.crop:
        image = image.crop(origin.crop)
    image = image if image.mode == "L" else image.convert("RGB")
    share = LONGEST_SIDE / max(image.size)
    if share < 1:
        size = (round(image.width * share), round(image.height * share))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return image


def _render_ct(payload: bytes) -> Image.Image:
    dataset = pydicom.dcmread(io.BytesIO(payload))
    hounsfield = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    # This file's column vector is (0, -1, 0): it is stored feet of the page up, so turn it over.
    if list(dataset.ImageOrientationPatient) != [1, 0, 0, 0, -1, 0]:
        raise ValueError("the CT is not stored as expected: check its display")
    low, high = CT_WINDOW
    grey = np.clip((hounsfield[::-1] - low) / (high - low), 0, 1) * 255
    return Image.fromarray(np.rint(grey).astype(np.uint8))


def describe_origin(origin: SliceView | FilePicture) -> dict[str, Any]:
    """The manifest's account of how a picture was made."""
    if isinstance(origin, FilePicture):
        made = {"crop": origin.crop, "longest_side": LONGEST_SIDE, "resampling": "Lanczos, only to shrink"}
        return made | (
            {"window_hounsfield": CT_WINDOW, "flipped": "top to bottom"} if origin.path.endswith(".dcm") else {}
        )
    volume = VOLUMES[origin.volume]
    return {
        "volume": origin.volume,
        "plane": origin.plane,
        "index": origin.index,
        "window": [0, volume.white],
        "canvas": volume.canvas,
        "mirrored": origin.mirrored,
        "quarter_turns": origin.turns,
        "marks_column_row": origin.marks,
        "ring_column_row": origin.ring,
    }


def write_picture(picture: Picture, image: Image.Image, out: Path) -> dict[str, Any]:
    """Write the PNG without metadata and return its manifest row."""
    path = f"images/{picture.name}.png"
    image.save(out / path, format="PNG", optimize=True)
    origin = picture.origin
    is_file = isinstance(origin, FilePicture)
    package = PACKAGES[origin.package if is_file else VOLUMES[origin.volume].package]
    source_path = origin.path if is_file else VOLUMES[origin.volume].path
    credit = CREDITS[Path(source_path).name]
    header = f"{image.mode} {image.width}x{image.height}\n".encode()
    return {
        "image": path,
        "sha256": hashlib.sha256((out / path).read_bytes()).hexdigest(),
        "pixel_sha256": hashlib.sha256(header + image.tobytes()).hexdigest(),
        "package": f"{package.registry}:{package.name}",
        "package_version": package.version,
        "package_file": package.archive,
        "package_sha256": package.sha256,
        "package_path": source_path,
        "licence": credit.licence,
        "licence_file": credit.licence_file,
        "attribution": credit.attribution,
        "made": describe_origin(origin),
    }


def verify_hemispheres(reader: VolumeReader, chosen: list[tuple[Picture, str]]) -> None:
    """Raise ValueError if a hemisphere is asked of a mark beside the brain."""
    for picture, key in chosen:
        view = picture.origin
        if not (key.startswith("hemisphere") and isinstance(view, SliceView)):
            continue
        if not covers_brain(reader, view, view.marks[0]):
            raise ValueError(f"{picture.name}: the mark is not on the brain")


def build_sample(sources: Path, out: Path) -> None:
    """Write images/, images.jsonl and questions.jsonl into `out`, which is emptied first."""
    read = open_sources(sources)
    reader = VolumeReader(read)
    pictures = [*plan_slices(), *plan_tissue(reader), *plan_files()]
    chosen = choose_questions(pictures)
    verify_hemispheres(reader, chosen)
    asked = {picture.name for picture, _ in chosen}
    shutil.rmtree(out, ignore_errors=True)
    (out / "images").mkdir(parents=True)
    manifest = []
    for picture in pictures:
        if picture.name not in asked:
            continue
        origin = picture.origin
        image = render_file(read, origin) if isinstance(origin, FilePicture) else render_slice(reader, origin)
        manifest.append(write_picture(picture, image, out))
    _write_rows(out / "images.jsonl", manifest)
    _write_rows(out / "questions.jsonl", [question_row(picture, key) for picture, key in chosen])


def question_row(picture: Picture, key: str) -> dict[str, Any]:
    """One row of questions.jsonl."""
    question = QUESTIONS[key]
    answer, evidence = picture.facts[key]
    return {
        "image": f"images/{picture.name}.png",
        "question": question.text,
        "answer": answer,
        "question_type": question.type,
        "answer_type": question.answer_type,
        "options": list(question.options),
        "evidence": evidence,
    }


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8", newline="\n")


def main() -> None:
    """Fetch the packages, then build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sources", type=Path, required=True, help="folder of the packages; missing ones are downloaded"
    )
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    fetch_packages(arguments.sources)
    build_sample(arguments.sources, arguments.out)


if __name__ == "__main__":
    main()
