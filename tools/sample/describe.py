"""Prints what the sample asks: `python -m tools.sample.describe --sources DIR`: counts, blind floor, VRS ceiling."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from tools.sample.plan import Picture, choose_questions, plan_files, plan_slices, plan_tissue
from tools.sample.questions import QUESTIONS
from tools.sample.slices import VolumeReader
from tools.sample.sources import open_sources


def count_majority(answers: list[str]) -> int:
    """How many questions the most common answer gets right."""
    return max(Counter(answers).values())


def expect_right_by_luck(picture: Picture, key: str, shown: list[Picture]) -> float:
    """The chance that a model which is always right about the shown image gives the answer of this picture.

    The shown image is drawn evenly from the other pictures. If it has no answer to the question (no mark, no head), the
    model counts as wrong.
    """
    others = [other for other in shown if other.name != picture.name]
    answer = picture.facts[key][0]
    return sum(other.facts.get(key, (None,))[0] == answer for other in others) / len(others)


def main() -> None:
    """Print one row per question type, then the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True)
    read = open_sources(parser.parse_args().sources)
    pictures = [*plan_slices(), *plan_tissue(VolumeReader(read)), *plan_files()]
    chosen = choose_questions(pictures)
    shown = list({picture.name: picture for picture, _ in chosen}.values())
    rows = [
        (QUESTIONS[key].type, key, picture.facts[key][0], expect_right_by_luck(picture, key, shown))
        for picture, key in chosen
    ]
    for kind in [*dict.fromkeys(row[0] for row in rows), "all"]:
        part = [row for row in rows if kind in (row[0], "all")]
        keys = {row[1] for row in part}
        blind = sum(count_majority([row[2] for row in part if row[1] == key]) for key in keys)
        luck = sum(row[3] for row in part) / len(part)
        counts = dict(Counter(row[2] for row in part)) if kind != "all" else f"{len(shown)} pictures"
        print(
            f"{kind:14} n {len(part):3}  blind {blind / len(part):.3f}  perfect, other image {luck:.3f}  "
            f"VRS ceiling {1 - luck:.3f}  {counts}"
        )


if __name__ == "__main__":
    main()
