"""Columns: takes a table's header and what its owner names, gives which column holds what, and how it was told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vrs_lmeval.own_data.problems import OwnDataError
from vrs_lmeval.own_data.tables import Cell, OwnTable, iterate_texts

ROLES = ("image", "question", "answer", "options", "answer_type", "question_type", "modality")
REQUIRED = ("image", "question", "answer")

NAMES: Mapping[str, tuple[str, ...]] = {
    "image": (
        "image", "images", "image_path", "image_file", "image_filename", "image_name", "image_id", "img", "img_path",
        "img_name", "img_id", "picture", "photo", "scan", "dicom", "dicom_path", "dicom_file", "file", "filename",
        "file_name", "path", "file_path",
    ),
    "question": ("question", "questions", "question_text", "query", "prompt", "q"),
    "answer": (
        "answer", "answers", "correct_answer", "right_answer", "correct_letter", "correct_option", "correct", "gold",
        "gold_answer", "ground_truth", "gt", "gt_answer", "reference", "target", "label", "solution",
    ),
    "options": ("options", "choices", "answer_options", "answer_choices", "candidates", "alternatives"),
    "answer_type": ("answer_type", "closed_or_open", "open_or_closed", "type"),
    "question_type": ("question_type", "content_type", "category", "question_category", "topic", "type"),
    "modality": ("modality", "image_modality", "modality_type", "image_type"),
}  # fmt: skip
"""What columns are called in medical VQA data sets and in spreadsheets, the most telling name first; compared in lower
case, with one "_" for what is neither letter nor digit."""

NUMBERED: Mapping[str, tuple[str, ...]] = {
    "image": (r"(?:image|img|picture|scan)_?(?:path_|file_)?(\d+)",),
    "options": (r"(?:option|choice|opt|answer_option)_?([a-z])", r"(?:option|choice|opt)_?(\d+)", r"([a-z])"),
}
"""Roles that several columns can share, one item each: image_1, image_2 ...; option_a ..., A, B, C, D."""

QUESTION_SHARE = 0.5
"""A column without a telling name is the question where so many of its texts end in a question mark."""


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """By role its column, or its columns in order; and by role how that was told: "named by you", "guessed by ..."."""

    columns: Mapping[str, tuple[str, ...]]
    told_by: Mapping[str, str]
    unused: tuple[str, ...]

    def of(self, role: str) -> tuple[str, ...]:
        """The columns of a role; empty where the table has none."""
        return self.columns.get(role, ())


def choose_columns(
    table: OwnTable, named: Mapping[str, Sequence[str]], is_image: Callable[[str], bool]
) -> ChosenColumns:
    """Which column holds what: as `named` by the owner, else by names, else by what the cells look like.

    `is_image` says whether a text names a file of the images' folder. Raises OwnDataError for a named column that is
    not there, and where image, question or answer cannot be told: the message lists the columns and the options.
    """
    columns: dict[str, tuple[str, ...]] = {}
    told: dict[str, str] = {}
    for role, names in named.items():
        columns[role], told[role] = _check_named(table, role, names), "named by you"
    taken = {name for names in columns.values() for name in names}
    guesses = (_guess_by_name, _guess_by_content)
    for guess in guesses:
        for role in ROLES:
            if role not in columns and (found := guess(role, table, taken, is_image)):
                columns[role] = found
                told[role] = "guessed by its name" if guess is _guess_by_name else "guessed by what it holds"
                taken |= set(found)
    missing = [role for role in REQUIRED if role not in columns]
    if missing:
        options = ", ".join(f"--{role}-column" for role in missing)
        raise OwnDataError(
            f"{table.path} ({table.form}): no column could be told to hold the {', the '.join(missing)}; it has "
            f"{', '.join(map(repr, table.columns))}. Name it with {options}"
        )
    return ChosenColumns(columns, told, tuple(name for name in table.columns if name not in taken))


def _check_named(table: OwnTable, role: str, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in table.columns:
            option = f"--{role.replace('_', '-')}-column"
            raise OwnDataError(
                f"{table.path}: {option} {name!r}: no such column; it has {', '.join(map(repr, table.columns))}"
            )
    return tuple(names)


def _fold(name: str) -> str:
    """ "Image Path" and "imagePath" -> "image_path"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _guess_by_name(role: str, table: OwnTable, taken: set[str], is_image: Callable[[str], bool]) -> tuple[str, ...]:
    free = {_fold(name): name for name in reversed(table.columns) if name not in taken}
    called = [free[name] for name in NAMES[role] if name in free and _holds(role, table.column(free[name]))]
    if role == "image":  # "image_id" may be a number of a register, and "file" the one that names files
        called.sort(key=lambda name: not any(map(is_image, iterate_texts(table.column(name)))))
    if called:
        return (called[0],)
    for pattern in NUMBERED.get(role, ()):
        found = {match[1]: free[name] for name in free if (match := re.fullmatch(pattern, name))}
        if (role == "image" and found) or (len(found) > 1 and _are_in_row(sorted(found, key=_place))):
            return tuple(found[item] for item in sorted(found, key=_place))
    return ()


def _place(item: str) -> int:
    """The place that a number or a letter stands for."""
    return int(item) if item.isdigit() else ord(item) - ord("a")


def _are_in_row(items: Sequence[str]) -> bool:
    """Whether these are a, b, c ... or 0, 1 ... or 1, 2 ...: "x" and "y" are columns of something else."""
    places = [_place(item) for item in items]
    starts = (0, 1) if items[0].isdigit() else (0,)
    return places[0] in starts and places == list(range(places[0], places[0] + len(places)))


def _holds(role: str, cells: Sequence[Cell]) -> bool:
    """Whether the cells can be of this role; a column "type" is the answer's only where it says open and closed."""
    texts = list(iterate_texts(cells))
    if role == "answer_type":
        return bool(texts) and all(text.lower() in ("open", "closed") for text in texts)
    return role not in REQUIRED or bool(texts)


def _guess_by_content(role: str, table: OwnTable, taken: set[str], is_image: Callable[[str], bool]) -> tuple[str, ...]:
    """The image by files that exist, the question by its question marks; nothing else can be told by its look."""
    tests: Mapping[str, tuple[Callable[[str], bool], float]] = {
        "image": (is_image, 0.0),
        "question": (lambda text: text.endswith(("?", "\N{FULLWIDTH QUESTION MARK}")), QUESTION_SHARE),
    }
    if role not in tests:
        return ()
    test, least = tests[role]
    shares = {}
    for name in table.columns:
        texts = list(iterate_texts(table.column(name)))
        if name not in taken and texts:
            shares[name] = sum(map(test, texts)) / len(texts)
    best = max(shares, key=lambda name: shares[name], default=None)
    return (best,) if best is not None and shares[best] > least else ()
