"""VQA-RAD as its authors released it, made by us: published keys and quirks, two pictures, no real row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.oracles import SIZES
from support.stores import encode, gradient

ROWS: tuple[tuple[str, str, str, str, Any, str], ...] = (
    # phrase type, linked id, picture, question, answer, answer type
    ("test_freeform", "l1", "a", "Is the heart enlarged?", "Yes", "CLOSED"),
    ("test_para", "l1", "a", "Is cardiomegaly present ?", "yes", "CLOSED "),  # a blank at the end, another case
    ("test_freeform", "l2", "b", "Is the heart enlarged?", "No", "CLOSED"),
    ("test_para", "l2", "b", "Is cardiomegaly present ?", "No", "CLOSED"),
    ("test_freeform", "l3", "a", "Is this a human?", "Yes", "CLOSED"),
    ("test_freeform", "l4", "b", "Is this a human?", "Yes", "CLOSED"),
    ("test_freeform", "l5", "a", "How many masses are seen?", 2, "OPEN"),  # a number
    ("test_para", "l5", "a", "What is the number of masses?", "2", "OPEN"),
    ("test_freeform", "l6", "a", "What is wrong?", "Mass", "OPEN"),
    ("test_para", "l6", "a", "What is the abnormality?", "Large \tmass", "OPEN"),  # another gold
    ("freeform", "l7", "a", "Is there air?", "No", "CLOSED"),  # of the training split
    ("para", "l3", "a", "Does it show a person?", "Yes", "CLOSED"),
)

SAID: dict[str, dict[str, str]] = {
    # question: what is true of picture "a" and of "b"
    "Is the heart enlarged?": {"a": "Yes", "b": "No"},
    "Is cardiomegaly present ?": {"a": "Yes", "b": "No"},
    "Is this a human?": {"a": "Yes", "b": "Yes"},
    "How many masses are seen?": {"a": "2", "b": "0"},
    "What is the number of masses?": {"a": "two", "b": "none"},
    "What is wrong?": {"a": "Mass", "b": "Nothing"},
    "What is the abnormality?": {"a": "Large mass", "b": "Nothing"},
}


def write_release(data_dir: Path, **changed: Any) -> None:
    """The folder that `VRS_DATA_DIR` holds; `changed` are values of the first row."""
    folder = data_dir / "VQA-RAD"
    images = folder / "VQA_RAD Image Folder"
    images.mkdir(parents=True)
    rows = [
        {"qid": str(number), "phrase_type": phrase_type, "qid_linked_id": link, "image_case_url": "made by us",
         "image_name": f"synpic{picture}.jpg", "image_organ": "CHEST", "evaluation": "not evaluated",
         "question": question, "question_rephrase": "NULL", "question_relation": "NULL", "question_frame": "NULL",
         "question_type": "PRES, ABN", "answer": answer, "answer_type": answer_type}
        for number, (phrase_type, link, picture, question, answer, answer_type) in enumerate(ROWS)
    ]  # fmt: skip
    rows[0] |= changed
    (folder / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    for name, size in SIZES.items():
        (images / f"synpic{name}.jpg").write_bytes(encode(gradient(*size), "PNG"))
