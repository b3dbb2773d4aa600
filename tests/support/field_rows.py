"""Small stand-ins for the benchmarks beyond the paper's four, made by us: published schema and quirks, no real row.

Written as the hub or the release holds them, below a folder that `VRS_DATA_DIR` can name.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage
from support.oracles import OracleModel
from support.stores import encode, gradient

PICTURES = {name: gradient(16 + 2 * place, 30 - place) for place, name in enumerate("abcdefgh")}

MEDXPERTQA_OPTIONS = {"A": "cyst", "B": "abscess", "C": "tumor", "D": "scar", "E": "normal"}
MEDXPERTQA_CHOICES = "\nAnswer Choices: (A) cyst (B) abscess (C) tumor (D) scar (E) normal"

MMMU_SUBJECTS = {
    # subject: question, options, answer, images in image_1, image_2, ...
    "Basic_Medical_Science": ("<image 1> What tissue is shown?", "['bone', \"muscle or 'fat'\"]", "B", "a"),
    "Clinical_Medicine": ("Compare <image 1> with <image 2>; is <image 1> larger?", "['Yes', 'No']", "A", "bc"),
    "Diagnostics_and_Laboratory_Medicine": ("Which is the MRI?", "['<image 1>', '<image 2>']", "B", "de"),
    "Pharmacy": ("What is the dose in <image 1>?", "[]", "['24/7', '3.43']", "f"),
    "Public_Health": ("Which panel?<image 1>", "[]", "C", "g"),
}


def jpeg(name: str) -> bytes:
    """The picture as a JPEG file."""
    return encode(PICTURES[name], "JPEG")


def write_medxpertqa(data_dir: Path) -> None:
    """JSON lines with options as an object and a list of image names; the pictures in a zip."""
    folder = data_dir / "TsinghuaC3I" / "MedXpertQA"
    (folder / "MM").mkdir(parents=True)
    shared = {"options": MEDXPERTQA_OPTIONS, "medical_task": "Diagnosis", "body_system": "Skin"}
    rows = [
        {
            "id": f"MM-{number}",
            "question": question + MEDXPERTQA_CHOICES,
            "label": label,
            "images": [f"MM-{name}.jpeg" for name in names],
            "question_type": "Reasoning",
            **shared,
        }
        for number, (question, label, names) in enumerate(
            [("Which lesion is shown?", "C", "a"), ("Which lesion is shown?", "A", "bcd")]
        )
    ]
    (folder / "MM" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_zip(folder / "images.zip", {f"images/MM-{name}.jpeg": jpeg(name) for name in "abcd"})


def write_mmmu(data_dir: Path) -> None:
    """Parquet, a folder a subject: options as the text of a list, images amid the text."""
    text = Value("string")
    names = ["id", "question", "options", "explanation", "img_type", "answer", "topic_difficulty", "question_type"]
    features = Features(dict.fromkeys([*names, "subfield"], text) | {f"image_{n}": Image() for n in range(1, 8)})
    for subject, (question, options, answer, pictures) in MMMU_SUBJECTS.items():
        row = dict.fromkeys(features) | {
            "id": f"validation_{subject}_1",
            "question": question,
            "options": options,
            "answer": answer,
            "question_type": "open" if options == "[]" else "multiple-choice",
            "subfield": "Anatomy",
        }
        for place, name in enumerate(pictures, start=1):
            row[f"image_{place}"] = {"bytes": encode(PICTURES[name], "PNG"), "path": f"{name}.png"}
        folder = data_dir / "MMMU" / "MMMU" / subject
        folder.mkdir(parents=True)
        Dataset.from_list([row], features=features).to_parquet(folder / "validation-00000-of-00001.parquet")
        (folder / "test-00000-of-00001.parquet").write_bytes(b"nobody should read it")


def write_omnimedvqa(data_dir: Path) -> None:
    """One zip with JSON files that differ in their keys, and the pictures."""
    folder = data_dir / "foreverbeliever" / "OmniMedVQA"
    folder.mkdir(parents=True)
    eyes = [
        _omnimedvqa_row("E1", "Is this eye healthy?", "a", "Yes, it is", ["No, glaucoma", "Yes, it is"]),
        _omnimedvqa_row("E2", "Is this eye healthy?", "b", "No, glaucoma", ["No, glaucoma", "Yes, it is"]),
    ]
    chests = [_omnimedvqa_row("C1", "Which modality is used?", "a", "MR", ["CT", "MR", "X-Ray", "Ultrasound"])]
    chests[0]["modality"] = chests[0].pop("modality_type")  # as in "Chest CT Scan.json"
    root = "OmniMedVQA/QA_information"
    write_zip(
        folder / "OmniMedVQA.zip",
        {
            f"{root}/Open-access/ACRIMA.json": json.dumps(eyes).encode(),
            f"{root}/Open-access/Chest CT Scan.json": json.dumps(chests).encode(),
            f"{root}/Restricted-access/Other.json": b"nobody should read it",
            "OmniMedVQA/Images/a.png": encode(PICTURES["a"], "PNG"),
            "OmniMedVQA/Images/b.png": encode(PICTURES["b"], "PNG"),
        },
    )


def _omnimedvqa_row(number: str, question: str, picture: str, gold: str, options: list[str]) -> dict[str, Any]:
    return {
        "dataset": "made by us",
        "question_id": number,
        "question_type": "Disease Diagnosis",
        "question": question,
        "gt_answer": gold,
        "image_path": f"Images/{picture}.png",
        **{f"option_{letter}": option for letter, option in zip("ABCD", options, strict=False)},
        "modality_type": "MR (Mag-netic Resonance Imaging)",
    }


def write_probmed(data_dir: Path) -> None:
    """A JSON list beside a folder of pictures; true and hallucinated probes of two pictures."""
    folder = data_dir / "rippleripple" / "ProbMed"
    (folder / "probmed").mkdir(parents=True)
    probes = [
        ("modality_gt", "Is this an X-ray?", "yes"),
        ("modality_hallu", "Is this an MRI?", "no"),
        ("body_part_gt", "Is this of the chest?", "yes"),
        ("body_part_hallu", "Is this of the brain?", "no"),
        ("abnormality", "Is it abnormal?", "yes"),
        ("entity_gt_0", "Is there a nodule?", "yes"),
        ("entity_hallu_0", "Is there a fracture?", "no"),
        ("entity_gt_1", "Is there an effusion?", "yes"),
        ("entity_hallu_1", "Is there a cyst?", "no"),
    ]
    rows = [
        {"id": number, "i": at, "image": f"{name}.jpg", "image_type": "x-ray_chest", "qa_type": qa_type,
         "question": question, "answer": answer, "src_dataset": "made by us"}
        for number, name in ((3, "a"), (4, "b"))
        for at, (qa_type, question, answer) in enumerate(probes)
    ]  # fmt: skip
    (folder / "test.json").write_text(json.dumps(rows))
    for name in "ab":
        (folder / "probmed" / f"{name}.jpg").write_bytes(jpeg(name))


def write_vqa_med_2019(data_dir: Path) -> None:
    """Lines of text beside a zip of pictures, as the release unpacks."""
    folder = data_dir / "VQA-Med-2019" / "VQAMed2019Test"
    folder.mkdir(parents=True)
    lines = [
        "a|modality|what modality is shown?|cta - ct angiography",
        "b|modality|what modality is shown?|xr - plain film#x-ray",
        "a|abnormality|what is wrong?|(angioinvasive aspergillosis with) septic emboli#stroke",
        "b|abnormality|is this image normal?|yes",
    ]
    (folder / "VQAMed2019_Test_Questions_w_Ref_Answers.txt").write_bytes("\r\n".join([*lines, ""]).encode())
    write_zip(
        folder / "VQAMed2019_Test_Images.zip", {f"VQAMed2019_Test_Images/{name}.jpg": jpeg(name) for name in "ab"}
    )


KVASIR_IMAGES = 60


def write_kvasir(data_dir: Path) -> None:
    """One split "raw", two questions on each of KVASIR_IMAGES pictures."""
    folder = data_dir / "SimulaMet-HOST" / "Kvasir-VQA" / "data"
    folder.mkdir(parents=True)
    text = Value("string")
    features = Features({"image": Image(), "source": text, "question": text, "answer": text, "img_id": text})
    rows = [
        {
            "image": {"bytes": encode(gradient(12 + number, 14), "PNG"), "path": None},
            "source": "polyps",
            "question": question,
            "answer": answer,
            "img_id": f"clb{number}",
        }
        for number in range(KVASIR_IMAGES)
        for question, answer in (("Are there any polyps?", "Yes"), ("How many findings are present?", "1"))
    ]
    Dataset.from_list(rows, features=features).to_parquet(folder / "raw-00000-of-00001.parquet")


def write_mediconfusion(data_dir: Path) -> None:
    """A JSON object of pairs; the pictures in a folder of their own, `mediconfusion_images` below `data_dir`."""
    folder = data_dir / "shahab7899" / "MediConfusion"
    folder.mkdir(parents=True)
    pairs = {
        str(number): {
            "im_1": "PMC1_1.jpg", "im_2": "PMC2_1.jpg", "im_1_local": first, "im_2_local": second,
            "cap_1": "the caption says lung", "cap_2": "the caption says liver",
            "category_1": ["Cerebral"], "category_2": ["Vascular"], "question": question,
            "option_A": "lung", "option_B": "liver", "im_1_correct": correct, "im_2_correct": "AB".replace(correct, ""),
        }
        for number, (question, first, second, correct) in enumerate(
            [("Which organ is shown?", "a", "b", "A"), ("Which is it?", "c", "b", "A"), ("What is it?", "d", "e", "B")]
        )
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(pairs))
    images = data_dir / "mediconfusion_images"
    images.mkdir()
    for name in "abcde":
        (images / f"{name}.jpg").write_bytes(jpeg(name))


MMMU_PRO_ROWS = (
    # subject, question, options, answer, images in image_1, image_2
    ("Clinical_Medicine", "<image 1> What is shown?", [f"finding {number}" for number in range(10)], "J", "a"),
    ("Pharmacy", "Compare <image 1> and <image 2>.", ["alike", "unlike"], "B", "bc"),
    ("Physics", "<image 1> How fast is it?", ["slow", "fast"], "A", "d"),
)


def write_mmmu_pro(data_dir: Path) -> None:
    """Parquet, all subjects in one split: options as the text of a list, up to ten."""
    text = Value("string")
    names = ["id", "question", "options", "explanation", "img_type", "answer", "topic_difficulty", "subject"]
    features = Features(dict.fromkeys(names, text) | {f"image_{number}": Image() for number in range(1, 8)})
    rows = []
    for number, (subject, question, options, answer, pictures) in enumerate(MMMU_PRO_ROWS):
        rows.append(
            dict.fromkeys(features)
            | {"id": f"test_{subject}_{number}", "subject": subject, "question": question, "answer": answer}
            | {"options": str(options)}
            | {f"image_{place}": _png(name) for place, name in enumerate(pictures, start=1)}
        )
    folder = data_dir / "MMMU" / "MMMU_Pro" / "standard (10 options)"
    folder.mkdir(parents=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "test-00000-of-00001.parquet")
    (folder.parent / "vision").mkdir()
    (folder.parent / "vision" / "test-00000-of-00001.parquet").write_bytes(b"nobody should read it")


MEDFRAMEQA_ROWS = (
    # question, options, letter, pictures
    ("Which change is seen?", ["growth", "calcification", "healing", "none", "bleeding", "cyst"], "F", "ab"),
    ("Which finding is common to all frames?", ["effusion", "mass", "air", "fracture"], "B", "cdefg"),
)


def write_medframeqa(data_dir: Path) -> None:
    """Parquet in the layout of the authors' copy: a column for each of up to five frames, a letter for an answer."""
    text = Value("string")
    names = ["question_id", "system", "organ", "keyword", "modality", "video_id", "question", "correct_answer"]
    frames = {f"image_{number}": Image() for number in range(1, 6)}
    features = Features(
        dict.fromkeys(names, text) | {"options": [text]} | frames | {"image_url": [text], "reasoning_chain": text}
    )
    rows = [
        dict.fromkeys(features)
        | {"question_id": f"q{number}", "organ": "lung", "modality": "CT", "question": question}
        | {"options": options, "correct_answer": letter}
        | {f"image_{place}": _png(name) for place, name in enumerate(pictures, start=1)}
        for number, (question, options, letter, pictures) in enumerate(MEDFRAMEQA_ROWS)
    ]
    folder = data_dir / "SuhaoYu1020" / "MedFrameQA" / "data"
    folder.mkdir(parents=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "test-00000-of-00001.parquet")


def write_radimagenet_vqa(data_dir: Path) -> None:
    """Parquet: three kinds of questions in one split, what is known of the image in a struct."""
    text = Value("string")
    about = ["content_type", "correct_text", "location", "modality", "pathology", "question_id"]
    features = Features(
        {"image": Image(), "question": text, "choices": [text], "answer": text, "question_type": text}
        | {"metadata": dict.fromkeys(about, text) | {"is_abnormal": Value("bool")}}
    )
    regions = ["hip", "brain", "spine", "ankle foot"]
    rows = [
        {
            "image": _png(name),
            "question": question,
            "choices": choices,
            "answer": answer,
            "question_type": question_type,
            "metadata": dict.fromkeys(about) | {"content_type": asked, "modality": "MRI", "is_abnormal": name == "a"},
        }
        for name, question, choices, answer, question_type, asked in (
            ("a", "What is the anatomical region?", regions, "D", "multiple_choice", "anatomy"),
            ("b", "What is the anatomical region?", regions, "A", "multiple_choice", "anatomy"),
            ("a", "Is an abnormality present?", None, "yes", "closed", "abnormality"),
            ("b", "Is an abnormality present?", None, "no", "closed", "abnormality"),
            ("a", "What pathology is depicted?", None, "plantar fascia tear", "open", "pathology"),
        )
    ]
    folder = data_dir / "raidium" / "RadImageNet-VQA" / "benchmark"
    folder.mkdir(parents=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "test-00000-of-00001.parquet")
    (folder.parent / "instruct").mkdir()
    (folder.parent / "instruct" / "train-00000-of-00001.parquet").write_bytes(b"nobody should read it")


def write_slake(data_dir: Path) -> None:
    """JSON of both languages; the pictures in a zip, each in a folder of its own with its boxes."""
    folder = data_dir / "BoKelvin" / "SLAKE"
    folder.mkdir(parents=True)
    questions = (
        # picture, language, question, answer, answer type, content
        (1, "en", "What modality is used?", "CT", "OPEN", "Modality"),
        (2, "en", "What modality is used?", "MRI", "OPEN", "Modality"),
        (1, "en", "Is the lung healthy?", "Yes", "CLOSED", "Abnormality"),
        (2, "en", "Is this a CT or an MRI?", "MRI", "CLOSED", "Modality"),
        (1, "zh", "图中包含肝脏吗？", "包含", "CLOSED", "Organ"),
        (2, "zh", "图中包含肝脏吗？", "不包含", "CLOSED", "Organ"),
        (1, "zh", "肺部是否异常？", "是", "CLOSED", "Abnormality"),
        (2, "zh", "肺部是否异常？", "否", "CLOSED", "Abnormality"),
        (1, "zh", "图中有没有肿块？", "没有", "CLOSED", "Abnormality"),
        (1, "zh", "这是CT还是MRI？", "CT", "CLOSED", "Modality"),
        (2, "zh", "病变在哪里？", "左肺，右肺", "OPEN", "Position"),
        (1, "zh", "图中有几个肾脏？", "两个", "OPEN", "Quantity"),
    )
    rows = [
        {"img_id": picture, "img_name": f"xmlab{picture}/source.jpg", "question": question, "answer": answer,
         "q_lang": language, "location": "Abdomen", "modality": "CT", "answer_type": answer_type, "base_type": "vqa",
         "triple": ["vhead", "_", "_"], "qid": number, "content_type": content}
        for number, (picture, language, question, answer, answer_type, content) in enumerate(questions)
    ]  # fmt: skip
    (folder / "test.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    (folder / "train.json").write_bytes(b"nobody should read it")
    members = {f"imgs/xmlab{picture}/source.jpg": jpeg(name) for picture, name in ((1, "a"), (2, "b"))}
    boxes = {
        "imgs/xmlab1/detection.json": b'[{"Lung": [2.0, 3.0, 9.0, 12.0]}, {"Liver": [1.0, 18.0, 8.0, 7.0]}]',
        "imgs/xmlab2/detection.json": b"[]",
    }
    write_zip(folder / "imgs.zip", members | boxes)


def _png(name: str) -> dict[str, Any]:
    return {"bytes": encode(PICTURES[name], "PNG"), "path": f"{name}.png"}


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """A zip file of these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_nothing_more(data_dir: Path) -> None:
    """For a task that reads another one's files."""


FIELD: Mapping[str, Callable[[Path], None]] = {
    "vrs_medxpertqa_mm": write_medxpertqa,
    "vrs_mmmu_med": write_mmmu,
    "vrs_omnimedvqa": write_omnimedvqa,
    "vrs_probmed": write_probmed,
    "vrs_vqa_med_2019": write_vqa_med_2019,
    "vrs_kvasir_vqa": write_kvasir,
    "vrs_mediconfusion": write_mediconfusion,
    "vrs_medframeqa": write_medframeqa,
    "vrs_radimagenet_vqa": write_radimagenet_vqa,
    "vrs_mmmu_pro_med": write_mmmu_pro,
    "vrs_slake_original": write_slake,
    "vrs_slake_zh": write_nothing_more,
}


class FieldOracle(OracleModel):
    """Answers by a function of (the request's document, names of the pictures shown, its prompt)."""

    def _answer_one(self, request: Any) -> str:
        prompt, _, visual = request.args
        names = "".join(recognise(image) for image in visual["visual"])
        return self._answer(request.doc, names, prompt)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """By a function of the same: the letter that it gives is certain, the others are as good as impossible."""
        self.requests = list(requests)
        return [(0.0 if self._answer_one(request) == request.args[1].strip() else -99.0, False) for request in requests]


def recognise(image: Any) -> str:
    """Name of the picture with this size, "-" for a uniform one; Kvasir's pictures are all "k"."""
    if len(image.getcolors(2) or ()) == 1:
        return "-"
    names = [name for name, picture in PICTURES.items() if picture.size == image.size]
    return names[0] if names else "k"


def decode(content: bytes) -> PILImage.Image:
    """A file's picture."""
    return PILImage.open(io.BytesIO(content))
