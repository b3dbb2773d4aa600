"""Row shapes: takes a row as a benchmark publishes it, gives its questions as plain rows; one function a benchmark.

Only benchmarks that `columns` cannot describe have such a function. A plain row has `image` (one, or a list in the
prompt's order), `question` and `answer` (one, or a list of alternatives). It may have `options`, `answer_type`,
`question_type`, `modality`, `paraphrase_group` and `set` (it names the questions that the benchmark scores together). A
row that does not belong to the benchmark (another language, subject or split) gives no question. If the prompt shows an
image inside the text, the question or option holds "<image 1>", "<image 2>" and so on, one for each entry of `image`.

Schemas are those of the data sets' cards and of their own evaluation code; a missing key raises KeyError, which
`samples.py` reports with the row.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from string import ascii_uppercase
from typing import Any

PlainRow = dict[str, Any]
Row = Mapping[str, Any]

MMMU_HEALTH = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)
"""MMMU's discipline "Health and Medicine" (its `eval/utils/data_utils.py`, DOMAIN_CAT2SUB_CAT)."""

VQA_RAD_SPLITS = {"freeform": "train", "para": "train", "test_freeform": "test", "test_para": "test"}
"""VQA-RAD's `phrase_type`: how a question came about, and its split."""

PROBMED_KINDS = ("modality", "body_part", "abnormality", "entity", "grounding")


def shape_medxpertqa(row: Row) -> list[PlainRow]:
    """MedXpertQA-MM: `options` is {letter: text} on the hub and [{letter, content}] on GitHub, `label` a letter or a
    list of one, and the question repeats its options after "Answer Choices:"."""
    published = row["options"]
    pairs = published.items() if isinstance(published, Mapping) else [(o["letter"], o["content"]) for o in published]
    options = [text for _, text in sorted(pairs) if text is not None]
    label = row["label"][0] if isinstance(row["label"], list) else row["label"]
    return [
        {
            "image": list(row["images"]),
            "question": re.split(r"\s*\bAnswer Choices:", row["question"])[0],
            "options": options,
            "answer": take_option(options, label),
            "question_type": row.get("question_type"),
        }
    ]


def shape_mmmu(row: Row) -> list[PlainRow]:
    """MMMU: `options` is the text of a Python list, `answer` a letter, or text if there are no options; images stand
    in `image_1` to `image_7`, and the text calls for them, in any order and more than once."""
    options = list(ast.literal_eval(row["options"] or "[]"))
    called = re.findall(r"<image (\d)>", "\n".join((row["question"], *options)))
    shown = called or [str(number) for number in range(1, 8) if row.get(f"image_{number}") is not None]
    question = row["question"] if called else " ".join((*(f"<image {number}>" for number in shown), row["question"]))
    return [
        {
            "image": [row[f"image_{number}"] for number in shown],
            "question": question,
            "options": options,
            "answer": take_option(options, row["answer"]) if options else _read_list(row["answer"]),
            "question_type": row.get("subfield"),
        }
    ]


def shape_mmmu_pro_health(row: Row) -> list[PlainRow]:
    """MMMU-Pro, "standard (10 options)": MMMU's row with `subject` for `subfield`, all disciplines in one file."""
    if row["subject"] not in MMMU_HEALTH:
        return []
    return [{**shaped, "question_type": row["subject"]} for shaped in shape_mmmu(row)]


def shape_medframeqa(row: Row) -> list[PlainRow]:
    """MedFrameQA: its authors' copy has `image_1` to `image_5` and `correct_answer`, a letter; OctoMed's has a list
    `image` and `answer`. Questions have up to six options."""
    in_columns = "image_1" in row
    images = [row.get(f"image_{number}") for number in range(1, 6)] if in_columns else list(row["image"])
    options = list(row["options"])
    answer = row["correct_answer"] if "correct_answer" in row else row["answer"]
    return [
        {
            "image": [image for image in images if image is not None],
            "question": row["question"],
            "options": options,
            "answer": take_option(options, answer) if len(answer.strip()) == 1 else answer,
            "question_type": row.get("organ"),
            "modality": row.get("modality"),
        }
    ]


def shape_radimagenet_vqa(row: Row) -> list[PlainRow]:
    """RadImageNet-VQA, its benchmark: `choices` and a letter where `question_type` says so, else yes, no or words.

    A question's type is what it asks about (`metadata.content_type`: abnormality, anatomy, pathology).
    """
    options = list(row["choices"] or [])
    return [
        {
            "image": row["image"],
            "question": row["question"],
            "options": options,
            "answer": take_option(options, row["answer"]) if options else row["answer"],
            "answer_type": "open" if row["question_type"] == "open" else "closed",
            "question_type": row["metadata"].get("content_type"),
            "modality": row["metadata"].get("modality"),
        }
    ]


def shape_slake(row: Row, language: str) -> list[PlainRow]:
    """SLAKE as its authors hold it: both languages ("en", "zh") in one file, `img_name` a path in `imgs.zip`."""
    if row["q_lang"] != language:
        return []
    return [
        {
            "image": row["img_name"],
            "question": row["question"],
            "answer": row["answer"],
            "answer_type": row["answer_type"],
            "question_type": row["content_type"],
            "modality": row["modality"],
        }
    ]


def shape_omnimedvqa(row: Row) -> list[PlainRow]:
    """OmniMedVQA: two to four options in keys of their own; one of its 42 files says `modality` for `modality_type`."""
    modality = row["modality_type"] if "modality_type" in row else row.get("modality")
    return [
        {
            "image": row["image_path"],
            "question": row["question"],
            "options": [row[key] for key in (f"option_{letter}" for letter in "ABCD") if row.get(key) is not None],
            "answer": row["gt_answer"],
            "question_type": row.get("question_type"),
            "modality": modality.replace("Mag-netic", "Magnetic") if modality else None,  # as published
        }
    ]


def shape_probmed(row: Row) -> list[PlainRow]:
    """ProbMed: a set holds all probes of one kind on one image, true and hallucinated; its own script scores it as a
    whole (`eval/calculate_score.py`). `qa_type` begins with the kind: "entity_gt_2", "body_part_hallu"."""
    kind = next((kind for kind in PROBMED_KINDS if row["qa_type"].startswith(kind)), None)
    if kind is None:
        raise ValueError(f"qa_type should begin with one of {', '.join(PROBMED_KINDS)}, it is {row['qa_type']!r}")
    return [
        {
            "image": row["image"],
            "question": row["question"],
            "answer": row["answer"],
            "question_type": kind,
            "modality": row.get("image_type"),
            "set": f"{row['id']} {kind}",
        }
    ]


def shape_vqa_med_2019(row: Row) -> list[PlainRow]:
    """VQA-Med 2019: lines "image|category|question|answer"; "#" separates alternative answers, and an answer
    may leave out what stands in brackets (the test set's README)."""
    image, category, question, answer = row["line"].split("|", maxsplit=3)
    golds = [gold for alternative in answer.split("#") for gold in _with_and_without_brackets(alternative)]
    return [{"image": f"{image}.jpg", "question": question, "answer": golds, "question_type": category}]


def shape_vqa_rad_original(row: Row) -> list[PlainRow]:
    """VQA-RAD as its authors released it, the test split alone: `qid_linked_id` links a question to its paraphrases.

    Case is kept as published; an answer may be a number, and an answer type may end with a blank.
    """
    if row["phrase_type"] not in VQA_RAD_SPLITS:
        raise ValueError(f"phrase_type should be one of {', '.join(VQA_RAD_SPLITS)}, it is {row['phrase_type']!r}")
    if VQA_RAD_SPLITS[row["phrase_type"]] == "train":
        return []
    return [
        {
            "image": row["image_name"],
            "question": row["question"],
            "answer": row["answer"],
            "answer_type": row["answer_type"],
            "question_type": row.get("question_type"),
            "paraphrase_group": row["qid_linked_id"] or None,
        }
    ]


def shape_mediconfusion(row: Row) -> list[PlainRow]:
    """MediConfusion: one question and two options, asked of two images with opposite answers. The captions reveal the
    answer and are left out."""
    options = [row["option_A"], row["option_B"]]
    return [
        {
            "image": f"{row[f'im_{number}_local']}.jpg",
            "question": row["question"],
            "options": options,
            "answer": take_option(options, row[f"im_{number}_correct"]),
            "question_type": _join(row.get(f"category_{number}")),
            "set": str(row["key"]),
        }
        for number in (1, 2)
    ]


ROW_SHAPES: Mapping[str, Callable[[Row], list[PlainRow]]] = {
    "medxpertqa": shape_medxpertqa,
    "mmmu": shape_mmmu,
    "mmmu_pro_health": shape_mmmu_pro_health,
    "medframeqa": shape_medframeqa,
    "radimagenet_vqa": shape_radimagenet_vqa,
    "slake_en": partial(shape_slake, language="en"),
    "slake_zh": partial(shape_slake, language="zh"),
    "omnimedvqa": shape_omnimedvqa,
    "probmed": shape_probmed,
    "vqa_med_2019": shape_vqa_med_2019,
    "vqa_rad_original": shape_vqa_rad_original,
    "mediconfusion": shape_mediconfusion,
}


def take_option(options: Sequence[str], letter: str) -> str:
    """The option that a letter stands for. Raises ValueError if there is no such option."""
    place = ascii_uppercase.find(letter.strip()) if len(letter.strip()) == 1 else -1
    if not 0 <= place < len(options):
        raise ValueError(f"the answer should be a letter of {len(options)} options, it is {letter!r}")
    return options[place]


def _read_list(answer: str) -> list[str]:
    """Alternatives where `answer` is the text of a Python list of texts, else `answer` alone ("[0, 1]" is one)."""
    is_list = re.fullmatch(r"\[\s*['\"].*\]", answer.strip(), re.DOTALL)
    return list(ast.literal_eval(answer.strip())) if is_list else [answer]


def _with_and_without_brackets(answer: str) -> list[str]:
    whole = re.sub(r"[()]", "", answer)
    short = re.sub(r"\([^)]*\)", "", answer)
    return [whole, short] if short.strip() and short.split() != whole.split() else [whole]


def _join(value: Any) -> str | None:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
