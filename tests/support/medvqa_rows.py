"""Small stand-ins for the paper's four benchmarks, made by us: published schema, layout and quirks, no published row.

Each has two images, "a" and "b", so that shuffling swaps them and every metric can be worked out by hand. Written as
the hub holds them: `data/test-*.parquet` with the `Image` feature, a card that announces more splits, and a train
file that no test may read.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage
from support.oracles import OracleModel
from support.stores import encode, gradient

CMYK_RED = (0, 255, 255, 0)


@dataclass(frozen=True)
class Benchmark:
    """A stand-in: files of its images "a" and "b", and rows as (image, question, answer, options)."""

    path: str
    files: dict[str, bytes]
    rows: list[tuple[str, str, str, list[str] | None]]


def _rows(*rows: tuple[Any, ...]) -> list[tuple[str, str, str, list[str] | None]]:
    return [(*row, None) if len(row) == 3 else row for row in rows]  # type: ignore[misc]


def _cmyk_jpeg(width: int, height: int) -> bytes:
    """Left half red, right half white, as CMYK: like one in ten test images of PathVQA."""
    image = PILImage.new("CMYK", (width, height), (0, 0, 0, 0))
    image.paste(CMYK_RED, (0, 0, width // 2, height))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


TECHNIQUES = [" A:X-ray ", " B: MRI ", "C:CT", " C:Ultrasound\xa0"]  # the last letter is wrong
PANELS = ["A:First panel", "B:Second panel", "C:Third panel", "D:Fourth panel"]
STAINS = ["A:H&E", "B:N/A", "C:PAS", "D:Trichrome"]

BENCHMARKS = {
    "vrs_vqa_rad": Benchmark(
        "flaviagiammarino/vqa-rad",
        {"a": encode(gradient(20, 12), "PNG"), "b": encode(gradient(16, 24), "PNG")},
        _rows(
            ("a", "is the heart enlarged?", "yes"),
            ("b", "is the heart enlarged?", "no"),
            ("a", "is this an mri or a ct?", "mri"),
            ("b", "is this an mri or a ct?", "ct"),
            ("a", "what is shown?", "skull \tcartilage and medulla"),
            ("b", "what is shown?", "skull \tcartilage and medulla"),
        ),
    ),
    "vrs_slake": Benchmark(
        "mdwiratathya/SLAKE-vqa-english",
        {"a": encode(gradient(24, 24), "JPEG"), "b": encode(gradient(32, 24), "JPEG")},
        _rows(
            ("a", "Which plane is shown?", "Transverse  Plane"),
            ("b", "Which plane is shown?", "Coronal Plane"),
            ("a", " Is the lung healthy? ", " Yes "),
            ("b", "Is the lung healthy?", "Yes"),
            ("a", "Is this a CT or an MRI?", "CT"),
            ("b", "Is this a CT or an MRI?", "MRI"),
            ("a", "How many kidneys are there?", "2"),
            ("b", "How many kidneys are there?", "2"),
        ),
    ),
    "vrs_pathvqa": Benchmark(
        "flaviagiammarino/path-vqa",
        {"a": encode(gradient(28, 20), "JPEG"), "b": _cmyk_jpeg(40, 30)},
        _rows(
            ("a", "what is present?", "peritoneum"),
            ("b", "what is present?", "liver"),
            ("a", "what is present?", "acute peritonitis"),
            ("a", "what is present?", "peritoneum"),
            ("a", "is necrosis present?", "yes"),
            ("b", "is necrosis present?", "no"),
            ("a", "is this normal?", "yes"),
            ("a", "is this normal?", "no"),
            ("b", "is this normal?", "no"),
        ),
    ),
    "vrs_pmc_vqa": Benchmark(
        "OctoMed/PMC-VQA",
        {"a": encode(gradient(17, 21), "JPEG"), "b": encode(gradient(41, 35), "JPEG")},
        _rows(
            ("a", " What technique is used? ", "MRI", TECHNIQUES),
            ("b", " What technique is used? ", " CT ", TECHNIQUES),
            ("a", "Which panel shows the tumour?", "D", PANELS),
            ("b", "Which panel shows the tumour?", "A:First panel", PANELS),
            ("a", "What stain was used?", "N/A", STAINS),
            ("b", "What stain was used?", "B", STAINS),
        ),
    ),
}

RIGHT = {
    "vrs_vqa_rad": {
        "is the heart enlarged?": ("yes", "no"),
        "is this an mri or a ct?": ("mri", "ct"),
        "what is shown?": ("skull cartilage and medulla", "Skull cartilage and medulla."),
    },
    "vrs_slake": {
        "Which plane is shown?": ("transverse plane", "coronal plane"),
        "Is the lung healthy?": ("Yes", "Yes, it is."),
        "Is this a CT or an MRI?": ("It is a CT.", "MRI"),
        "How many kidneys are there?": ("two", "2"),
    },
    "vrs_pathvqa": {
        "what is present?": ("acute peritonitis", "liver"),  # the other gold of "a" is peritoneum
        "is necrosis present?": ("yes", "no"),
        "is this normal?": ("yes", "no"),  # both are golds of "a"
    },
    "vrs_pmc_vqa": {
        "What technique is used?": ("B", "C. CT"),
        "Which panel shows the tumour?": ("fourth panel", "A"),
        "What stain was used?": ("B", "N/A"),
    },
}
"""What a model that is always right says about the image shown: question -> answer on "a", answer on "b"."""

_CARD = """---
dataset_info:
  features:
  - {{name: image, dtype: image}}
  - {{name: question, dtype: string}}
  - {{name: answer, dtype: string}}
  splits:
  - {{name: train, num_bytes: 1, num_examples: 1000}}
  - {{name: test, num_bytes: 1, num_examples: {test}}}
configs:
- config_name: default
  data_files:
  - {{split: train, path: data/train-*}}
  - {{split: test, path: data/test-*}}
---
Rows made for tests.
"""


def write_medvqa(data_dir: Path) -> None:
    """All four below `data_dir`, as VRS_DATA_DIR holds a mirror of the hub."""
    for benchmark in BENCHMARKS.values():
        folder = data_dir / benchmark.path
        (folder / "data").mkdir(parents=True)
        rows = [_make_row(benchmark, index) for index in range(len(benchmark.rows))]
        table = Dataset.from_list(rows, features=_features(benchmark))
        table.to_parquet(folder / "data" / "test-00000-of-00001.parquet")
        (folder / "data" / "train-00000-of-00001.parquet").write_bytes(b"not a parquet file: nobody should read it")
        (folder / "README.md").write_text(_CARD.format(test=len(rows)))


SLAKE_LABELS = {
    # first word of the question: answer_type, content_type
    "Which": ("OPEN", "Plane"),
    "Is": ("CLOSED ", "Abnormality"),
    "How": ("OPEN", "Quantity"),
}


def write_labelled_slake(data_dir: Path) -> None:
    """The stand-in for SLAKE as OctoMed/SLAKE holds it: with SLAKE's own columns. "a" is a CT, "b" an X-ray."""
    benchmark = BENCHMARKS["vrs_slake"]
    features = _features(benchmark) | {
        **dict.fromkeys(
            ("q_lang", "location", "modality", "answer_type", "base_type", "content_type"), Value("string")
        ),
        **dict.fromkeys(("img_id", "qid"), Value("int64")),
        "triple": [Value("string")],
    }
    rows = []
    for index, (image, question, *_) in enumerate(benchmark.rows):
        answer_type, content_type = SLAKE_LABELS[question.split()[0]]
        rows.append(
            {
                **_make_row(benchmark, index),
                "img_id": "ab".index(image),
                "qid": index,
                "q_lang": "en",
                "location": "Lung",
                "modality": {"a": "CT", "b": "X-Ray"}[image],
                "answer_type": answer_type,
                "base_type": "vqa",
                "triple": ["vhead", "_", "_"],
                "content_type": content_type,
            }
        )
    folder = data_dir / "OctoMed" / "SLAKE" / "data"
    folder.mkdir(parents=True)
    Dataset.from_list(rows, features=Features(features)).to_parquet(folder / "test-00000-of-00001.parquet")


def _make_row(benchmark: Benchmark, index: int) -> dict[str, Any]:
    image, question, answer, options = benchmark.rows[index]
    row = {"image": {"bytes": benchmark.files[image], "path": None}, "question": question, "answer": answer}
    if options is None:
        return row
    return {"id": str(index), **row, "image_hash": image, "options": options, "responses": ["<think></think>"]}


def _features(benchmark: Benchmark) -> Features:
    text = Value("string")
    three = {"image": Image(), "question": text, "answer": text}
    if benchmark.rows[0][3] is None:
        return Features(three)
    return Features({"id": text, **three, "image_hash": text, "options": [text], "responses": [text]})


class MedVqaOracle(OracleModel):
    """Answers by a function of (task, question as prompted, name of the image shown or "blank")."""

    def _answer_one(self, request: Any) -> str:
        prompt, _, visual = request.args
        (image,) = visual["visual"]
        task = request.task_name.removesuffix("_cot").removesuffix("_labelled")
        return self._answer(task, prompt.split("\n")[1], _recognise(task, image))


def _recognise(task: str, image: Any) -> str:
    if len(image.getcolors(2) or ()) == 1:
        return "blank"
    for name, file in BENCHMARKS[task].files.items():
        if image.tobytes() == PILImage.open(io.BytesIO(file)).convert("RGB").tobytes():
            return name
    raise AssertionError(f"{task}: neither one of its images nor a blank one")
