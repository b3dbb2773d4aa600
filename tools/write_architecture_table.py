"""Runs the matrix of architectures and writes its table into docs/vrs_hf.md, between the two marker comments.

    python tools/write_architecture_table.py

A row says what was found: the path of prefixes with its reason, how many answers equal the reference's, the largest
difference of log-likelihoods, and what computed the pixels. Differences have one significant digit, since further
digits depend on the machine. If a package that an architecture needs is missing, it writes nothing and exits with 1.
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "vrs_hf.md"
BEGIN, END = "<!-- architectures: begin -->", "<!-- architectures: end -->"
HEAD = ("architecture", "prefix", "equal answers", "log-likelihoods differ by", "pixels")
PACKAGES = ("transformers", "torch", "torchvision", "lm_eval")
TOLERANCE = 1e-4
"""The tolerance of the tests, relative to a log-likelihood, or to 1 if its magnitude is smaller."""

sys.path.insert(0, str(ROOT / "tests"))  # the matrix is the tests' own

if TYPE_CHECKING:
    from support.architecture_matrix import Cell, Outcome


@dataclass
class Row:
    """What the cells of one architecture showed so far. `path` is "plain" if a cell could share but did not."""

    path: str = "shared"
    pixels: str = ""
    equal: int = 0
    asked: int = 0
    difference: float = 0.0
    failures: list[str] = field(default_factory=list)

    def add(self, cell: Cell, outcome: Outcome) -> None:
        """Count one cell's answers."""
        self.pixels = outcome.info["vrs_image_path"].split(":")[0]
        if cell.path == "shared" and outcome.info["vrs_prefix_path"] != "shared":
            self.path = "plain"
        self.asked += len(outcome.expected)
        if cell.kind == "generate":
            self.equal += sum(ours == theirs for ours, theirs in zip(outcome.answers, outcome.expected, strict=True))
            return
        for (ours, ours_greedy), (theirs, theirs_greedy) in zip(outcome.answers, outcome.expected, strict=True):
            difference = abs(ours - theirs)
            self.difference = max(self.difference, difference)
            self.equal += ours_greedy == theirs_greedy and difference <= TOLERANCE * max(1.0, abs(theirs))


def run_architecture(name: str) -> Row:
    """All cells of one architecture."""
    from support.architecture_matrix import ask, list_cells

    row = Row()
    for cell in list_cells(name):
        try:
            row.add(cell, ask(cell))
        except Exception as error:
            row.failures.append(f"{cell}: {type(error).__name__}: {str(error).splitlines()[0]}")
    return row


def write_row(name: str, row: Row) -> str:
    """The line of the table."""
    from support.architectures import ARCHITECTURES

    architecture = ARCHITECTURES[name]
    path = f"plain: {architecture.why_plain or 'see results'}" if row.path == "plain" else row.path
    equal = f"{row.equal} of {row.asked}" + (f", {len(row.failures)} cells failed" if row.failures else "")
    return f"| {architecture.title} | {path} | {equal} | {round_difference(row.difference)} | {row.pixels} |"


def round_difference(difference: float) -> str:
    """One significant digit, as people write it: 2e-5."""
    mantissa, _, exponent = f"{difference:.0e}".partition("e")
    return "0" if difference == 0 else f"{mantissa}e{int(exponent)}"


def describe_run(rows: int) -> str:
    """The line that says with which packages the table was made."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return f"{rows} architectures, float32, Python {platform.python_version()}, {versions}:"


def replace_table(page: str, lines: list[str]) -> str:
    """The page with what stands between the markers replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return before + "\n".join([begin, *lines, end]) + after


def list_titles(page: str) -> list[str]:
    """The architectures that the table of the page names, in order."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows[1:]]


def main() -> int:
    """Writes the page; says what failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="print the rows of these, and write nothing")
    names = parser.parse_args().only
    logging.disable(logging.WARNING)  # of the harness, about models in memory

    from cpu_torchvision import sitecustomize

    sitecustomize.install()
    from support.architectures import ARCHITECTURES

    missing = [reason for each in ARCHITECTURES.values() if (reason := each.reason_to_skip())]
    if missing and not names:
        print("\n".join(missing), file=sys.stderr)
        return 1
    lines = []
    for name in names or ARCHITECTURES:
        row = run_architecture(name)
        lines.append(write_row(name, row))
        print(lines[-1], *row.failures, sep="\n  ", file=sys.stderr, flush=True)
    if not names:
        head = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
        PAGE.write_text(replace_table(PAGE.read_text(), ["", describe_run(len(lines)), "", *head, *lines, ""]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
