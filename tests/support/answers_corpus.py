"""The corpus of answers: takes `tests/data/answers_corpus.txt`, gives its items, and which of them are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vrs_lmeval.records import Sample

CORPUS = Path(__file__).parents[1] / "data" / "answers_corpus.txt"


@dataclass(frozen=True, slots=True)
class Item:
    """A text, the question that it answers, what a reader understands (None: nothing that is clear), and its kind."""

    sample: Sample
    kind: str
    text: str
    label: str | None
    is_held_out: bool


def read_corpus(path: Path = CORPUS) -> list[Item]:
    """Every item in the file's order; the file's head says how it is written."""
    return list(_read_items(path.read_text(encoding="utf-8").split("\n")))


def _read_items(lines: list[str]) -> Iterator[Item]:
    sample, kind = None, ""
    for line in lines:
        if line.startswith("@"):
            key, answer_type, question, options = (part.strip() for part in line[1:].split("|", 3))
            offered = tuple(options.split(" ;; ")) if options else ()
            sample = Sample(key, "image", question, ("yes",), "open" if answer_type == "open" else "closed", offered)
        elif line.startswith("="):
            kind = line[1:].strip()
        elif line.strip() and not line.startswith("#"):
            assert sample is not None, f"no question stands before {line!r}"
            label, _, text = line.partition(" ")
            text = text.replace("⏎", "\n")
            understood = None if label == "-" else label.replace("_", " ")
            yield Item(sample, kind, text, understood, is_held_out(sample.question, text))


def is_held_out(question: str, text: str) -> bool:
    """A fixed fifth, by the words alone: an item that is added moves no other."""
    return hashlib.sha256(f"{question}\n{text}".encode()).digest()[0] % 5 == 0
