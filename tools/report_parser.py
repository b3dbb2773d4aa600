"""Parser report: takes the corpus of answers, gives a Markdown table of how many the parser reads as a reader does.

A false accept: the parser gives a value, but the reader found none or another. A false reject: the parser gives none,
but the reader found one. `--errors` lists the errors of items that are not held out. The table of remarks
(`report_remarks.py`) follows.
Run: python -m tools.report_parser
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from tests.support.answers_corpus import Item, read_corpus
from tools import report_remarks
from vrs_lmeval.reading.answers import PARSER_VERSION, parse_answer
from vrs_lmeval.reading.image_remarks import REMARKS_VERSION
from vrs_lmeval.reading.option_likelihoods import LETTERS
from vrs_lmeval.records import Answer


def judge(item: Item) -> str:
    """ "right", "false accept" or "false reject"."""
    answer = parse_answer(item.text, item.sample)
    if answer.value is None:
        return "right" if item.label is None else "false reject"
    return "right" if _is_same(answer, item) else "false accept"


def _is_same(answer: Answer, item: Item) -> bool:
    options = item.sample.options
    if item.label is None or not options or item.label in {"yes", "no"}:
        return answer.value == item.label
    named = parse_answer(item.label, item.sample)
    return answer == named and item.label in LETTERS


def describe(name: str, items: Iterable[Item]) -> str:
    """One row of the table: the number of items, and three shares; rejects are shares of the items with a clear
    answer."""
    judged = [(item, judge(item)) for item in items]
    clear = sum(item.label is not None for item, _ in judged)
    accepts = sum(verdict == "false accept" for _, verdict in judged)
    rejects = sum(verdict == "false reject" for _, verdict in judged)
    right = len(judged) - accepts - rejects
    shares = [_share(right, len(judged)), _share(accepts, len(judged)), _share(rejects, clear)]
    return f"| {name} | {len(judged)} | " + " | ".join(shares) + " |"


def _share(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)" if of else "-"


def write_table(items: list[Item]) -> str:
    """The table that docs/metrics.md shows: all, both parts, and every kind."""
    head = "| answers | items | read as the reader did | false accepts | false rejects |\n|---|---:|---:|---:|---:|"
    rows = [
        describe("**all**", items),
        describe("seen while rules were written", [item for item in items if not item.is_held_out]),
        describe("**held out**", [item for item in items if item.is_held_out]),
    ]
    kinds = dict.fromkeys(item.kind for item in items)
    rows += [describe(kind, [item for item in items if item.kind == kind]) for kind in kinds]
    return "\n".join([head, *rows])


def main() -> None:
    """Print both tables, and the errors where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--errors", action="store_true", help="list the errors that are not held out")
    items = read_corpus()
    if arguments.parse_args().errors:
        for item in items:
            if not item.is_held_out and judge(item) != "right":
                got = parse_answer(item.text, item.sample)
                print(f"{judge(item):13} {item.sample.sample_id} {item.kind}: {item.text!r} -> {got}, not {item.label}")
        for error in report_remarks.list_errors():
            print(error)
    print(f"Parser version {PARSER_VERSION}\n\n{write_table(items)}")
    print(f"\nRemarks version {REMARKS_VERSION}\n\n{report_remarks.write_table()}")


if __name__ == "__main__":
    main()
