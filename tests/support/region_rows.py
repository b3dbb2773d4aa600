"""Two pictures in the layout of SLAKE's authors, with boxes, and a model whose every answer to them is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from support.field_rows import write_zip
from support.oracles import OracleModel
from support.stores import encode, gradient

SIZES = {1: (40, 30), 2: (36, 44)}
"""Width and height by the number of a picture."""

BOXES = {
    1: [{"Liver": [4.0, 5.0, 10.0, 8.0]}, {"Lung": [16.0, 2.0, 20.0, 12.0]}, {"Left Lung": [17.0, 3.0, 8.0, 6.0]}],
    2: [{"Heart": [2.0, 3.0, 40.0, 40.0]}, {"Left Lung": [1.0, 2.0, 6.0, 6.0]}, {"Spleen": [90.0, 90.0, 5.0, 5.0]}],
}

QUESTIONS = (
    # picture, question, answer, answer type, the box asked about and cut to the picture (x, y, width, height)
    (1, "Does the picture contain liver?", "Yes", "CLOSED", (4, 5, 10, 8)),
    (1, "Which organ is abnormal?", "Liver", "OPEN", (4, 5, 10, 8)),
    (1, "Is the left lung healthy?", "No", "CLOSED", (17, 3, 8, 6)),
    (1, "What modality is used?", "CT", "OPEN", None),
    (1, "Which is larger, liver or lung?", "Liver", "CLOSED", None),
    (2, "Is the heart enlarged?", "Yes", "CLOSED", (2, 3, 34, 40)),
    (2, "Where is the abnormality?", "Left Lung, Right", "OPEN", None),
    (2, "Is the spleen seen?", "Yes", "CLOSED", None),
)


def write_slake_with_regions(data_dir: Path, boxes: dict[int, Any] | None = None) -> Path:
    """The folder as `VRS_DATA_DIR` holds it: rows as JSON, pictures and `detection.json` in a zip. Gives the folder."""
    folder = data_dir / "BoKelvin" / "SLAKE"
    folder.mkdir(parents=True)
    rows = [
        {"img_id": picture, "img_name": f"xmlab{picture}/source.jpg", "question": question, "answer": answer,
         "q_lang": "en", "location": "Abdomen", "modality": "CT", "answer_type": answer_type, "base_type": "vqa",
         "triple": ["vhead", "_", "_"], "qid": number, "content_type": "Organ"}
        for number, (picture, question, answer, answer_type, _) in enumerate(QUESTIONS)
    ]  # fmt: skip
    (folder / "test.json").write_text(json.dumps(rows))
    members = {f"imgs/xmlab{picture}/source.jpg": encode(gradient(*size), "PNG") for picture, size in SIZES.items()}
    for picture, content in (BOXES if boxes is None else boxes).items():
        written = content if isinstance(content, bytes) else json.dumps(content).encode()
        members[f"imgs/xmlab{picture}/detection.json"] = written
    write_zip(folder / "imgs.zip", members)
    return folder


class RegionOracle(OracleModel):
    """Answers by a function of (question, its gold, box covered in the picture shown or None)."""

    def __init__(self, answer: Callable[[str, str, tuple[int, ...] | None], str]) -> None:
        super().__init__(lambda *unused: "")
        self._answer_covered = answer
        self.covered: dict[str, list[tuple[int, ...] | None]] = {}

    def _answer_one(self, request: Any) -> str:
        prompt, _, visual = request.args
        (image,) = visual["visual"]
        question = prompt.split("\n")[1]
        box = find_covered(image)
        self.covered.setdefault(question, []).append(box)
        return self._answer_covered(question, request.doc["answer"], box)


def find_covered(image: Any) -> tuple[int, ...] | None:
    """The box (x, y, width, height) that is grey in this picture; all else must be the picture itself."""
    shown = np.asarray(image)
    original = np.asarray(gradient(*image.size))
    rows, columns = np.nonzero((shown != original).any(axis=2))
    if not rows.size:
        return None
    box = (columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)
    x, y, width, height = map(int, box)
    assert (shown[y : y + height, x : x + width] == 128).all(), "what is changed is one grey box"
    return x, y, width, height
