"""Questions: takes a table, its columns and the images' folder, gives the task's rows, or every cell that is wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vrs_lmeval.benchmark.images import ImageStore, UnreadableImageError
from vrs_lmeval.benchmark.row_checks import check_encodable, check_question, is_unanswerable
from vrs_lmeval.benchmark.row_text import collapse_spaces, drop_option_letters, find_gold_option
from vrs_lmeval.benchmark.samples import decide_answer_type
from vrs_lmeval.benchmark.sources import MalformedDataError
from vrs_lmeval.own_data.columns import ChosenColumns
from vrs_lmeval.own_data.image_folder import ImageFileError, ImageFolder
from vrs_lmeval.own_data.problems import OwnDataError, Problem, explain
from vrs_lmeval.own_data.tables import Cell, OwnTable, TableRow, read_list
from vrs_lmeval.records import AnswerType, Sample

OPTION_SEPARATORS = ("|", ";", "\n", ",")
"""What parts options that stand in one cell: the one that most of these cells have; of equals the first, and so the
comma last, since options may hold it."""

IMAGE_SEPARATORS = re.compile(r"\s*[;|]\s*")
"""What parts several images in one cell. The comma stands in file names."""


@dataclass(frozen=True, slots=True)
class OwnQuestions:
    """The rows of a task, in the order of the table, with what was told of them and of their images."""

    rows: tuple[Mapping[str, Any], ...]
    images: int
    notes: tuple[str, ...]
    always_wrong: tuple[str, ...] = ()
    """The rows whose answer would be wrong even if a model said it word by word."""


@dataclass(slots=True)
class _Reader:
    """Reads row by row and keeps what is wrong, so that all of it can be told at once."""

    table: OwnTable
    columns: ChosenColumns
    folder: ImageFolder
    separator: str
    images: ImageStore = field(default_factory=ImageStore)
    problems: list[Problem] = field(default_factory=list)
    checked: dict[Path, str] = field(default_factory=dict)  # why an image cannot be read; "" where it can

    def add_problem(self, row: TableRow, role: str, what: str, place: int = 0) -> None:
        self.problems.append(Problem(row.where, self.columns.of(role)[place], what))

    def text(self, row: TableRow, role: str) -> str:
        """The one text of an optional role; "" where the table has none."""
        names = self.columns.of(role)
        return _as_text(row.cells[names[0]]) if names else ""


def _as_text(cell: Cell) -> str:
    return collapse_spaces(cell if isinstance(cell, str) else "; ".join(cell))


def read_questions(table: OwnTable, columns: ChosenColumns, folder: ImageFolder) -> OwnQuestions:
    """Every row as the task's file holds it. Raises OwnDataError with the rows, MissingDicomPackageError."""
    reader = _Reader(table, columns, folder, _find_option_separator(table, columns))
    made = [_make_row(reader, row) for row in table.rows]
    if reader.problems:
        raise explain(str(table.path), reader.problems)
    rows = [row for row in made if row is not None]
    if len(reader.images) < 2:
        raise OwnDataError(
            f"{table.path}: all rows show the same picture; VRS swaps a question's image for another one"
        )
    several = any(len(row["image"]) > 1 for row in rows)
    wrong = [row.where for row, one in zip(table.rows, rows, strict=True) if is_unanswerable(_as_sample(one))]
    shown = [row if several else {**row, "image": row["image"][0]} for row in rows]
    return OwnQuestions(tuple(shown), len(reader.images), tuple(_list_notes(reader)), tuple(wrong))


def _list_notes(reader: _Reader) -> list[str]:
    """What its owner should know of how the table was read, each once with its count."""
    notes = [f"{count} image names: {remark}; found all the same" for remark, count in reader.folder.remarks.items()]
    notes += [f"{count} DICOM files have {remark}" for remark, count in sorted(reader.images.remarks.items())]
    if reader.table.empty_rows:
        notes.append(f"{reader.table.empty_rows} empty rows are left out")
    return notes


def _make_row(reader: _Reader, row: TableRow) -> Mapping[str, Any] | None:
    """The row of the task's file; None where something is wrong, which the reader then knows."""
    before = len(reader.problems)
    images = _read_images(reader, row)
    question = reader.text(row, "question")
    if not question:
        reader.add_problem(row, "question", "is empty")
    options = _read_options(reader, row)
    golds = _read_golds(reader, row, options)
    answer_type = _read_answer_type(reader, row, question, golds, options)
    _check_texts(reader, row, question, golds, options)
    if len(reader.problems) > before:
        return None
    made: dict[str, Any] = {"row": row.number, "image": images, "question": question, "answer": list(golds)}
    made |= {"options": list(options)} if options else {}
    made["answer_type"] = answer_type
    return made | {role: text for role in ("question_type", "modality") if (text := reader.text(row, role))}


def _check_texts(reader: _Reader, row: TableRow, question: str, golds: Sequence[str], options: Sequence[str]) -> None:
    """Adds what of a row could not be asked or written, each problem under its own column."""
    columns = reader.columns.of("options")
    places = range(len(options)) if len(columns) > 1 else [0] * len(options)
    texts = [("question", 0, question), *(("answer", 0, gold) for gold in golds)]
    texts += [("options", place, option) for place, option in zip(places, options, strict=True)]
    texts += [(role, 0, reader.text(row, role)) for role in ("question_type", "modality")]
    for role, place, text in texts:
        try:
            check_encodable((text,), "")
            if role == "question":
                check_question(text, (), "")
            elif role == "options":
                check_question("", (text,), "")
        except MalformedDataError as error:
            reader.add_problem(row, role, str(error).removeprefix(": "), place)


def _read_images(reader: _Reader, row: TableRow) -> list[str]:
    """The images of a row as the task names them; each file is decoded once, to know that it can be."""
    names = reader.columns.of("image")
    found = []
    for place, column in enumerate(names):
        for name in _split_images(reader, row.cells[column]):
            try:
                path = reader.folder.find(name)
            except ImageFileError as error:
                reader.add_problem(row, "image", str(error), place)
                continue
            if fault := _check_image(reader, path):
                reader.add_problem(row, "image", f"{name!r} cannot be read: {fault}", place)
            found.append(reader.folder.relate(path))
    if not any(row.cells[column] for column in names):
        reader.add_problem(row, "image", "is empty")
    return found


def _split_images(reader: _Reader, cell: Cell) -> list[str]:
    if isinstance(cell, tuple):
        return list(filter(None, cell))
    if not cell or reader.folder.has(cell):
        return [cell] if cell else []
    listed = read_list(cell)
    return list(filter(None, listed if listed is not None else IMAGE_SEPARATORS.split(cell)))


def _check_image(reader: _Reader, path: Path) -> str:
    if path not in reader.checked:
        try:
            reader.images.add(lambda: path, "")
            reader.checked[path] = ""
        except UnreadableImageError as error:
            reader.checked[path] = str(error.__cause__)
    return reader.checked[path]


def _find_option_separator(table: OwnTable, columns: ChosenColumns) -> str:
    names = columns.of("options")
    texts = table.column(names[0]) if len(names) == 1 else []
    cells = [cell for cell in texts if isinstance(cell, str) and read_list(cell) is None]
    return max(OPTION_SEPARATORS, key=lambda mark: sum(mark in cell for cell in cells))


def _read_options(reader: _Reader, row: TableRow) -> tuple[str, ...]:
    """The options in order, without their letters; empty where the row has none."""
    names = reader.columns.of("options")
    if len(names) > 1:
        texts = [_as_text(row.cells[name]) for name in names]
        while texts and not texts[-1]:  # questions may have fewer options than the table has columns
            texts.pop()
    elif names:
        texts = _split_options(reader, row.cells[names[0]])
    else:
        return ()
    if texts and (len(texts) == 1 or not all(texts)):
        place = next((place for place, text in enumerate(texts) if not text), 0) if len(names) > 1 else 0
        reader.add_problem(
            row, "options", f"a question has two options or more, none of them empty; here are {texts}", place
        )
    return drop_option_letters(tuple(map(collapse_spaces, texts)))


def _split_options(reader: _Reader, cell: Cell) -> list[str]:
    if not cell:
        return []
    listed = read_list(cell)
    if listed is not None:
        return list(listed)
    return [part.strip() for part in str(cell).split(reader.separator)]


def _read_golds(reader: _Reader, row: TableRow, options: Sequence[str]) -> tuple[str, ...]:
    """The right answers, of a question with options in the options' own words."""
    cell = row.cells[reader.columns.of("answer")[0]]
    listed = read_list(cell)
    golds = [collapse_spaces(text) for text in (listed if listed is not None else (str(cell),))]
    if not golds or not all(golds):
        reader.add_problem(row, "answer", "is empty")
        return ()
    if not options:
        return tuple(golds)
    found = [find_gold_option(gold, tuple(options)) or find_gold_option(gold.upper(), tuple(options)) for gold in golds]
    if None in found:
        given = golds[found.index(None)]
        reader.add_problem(
            row, "answer", f"{given!r} is none of the options {', '.join(map(repr, options))}, nor a letter"
        )
        return ()
    return tuple(filter(None, found))


def _read_answer_type(
    reader: _Reader, row: TableRow, question: str, golds: tuple[str, ...], options: tuple[str, ...]
) -> AnswerType:
    """As the table says; else closed where options, yes or no, or one of the question's "a or b" are the answer."""
    said = reader.text(row, "answer_type").lower()
    if said:
        if said in ("open", "closed"):
            return "closed" if said == "closed" else "open"
        reader.add_problem(row, "answer_type", f"should be open or closed, it is {said!r}")
        return "open"
    if not golds or decide_answer_type(question, golds, "yes_no_or_choice", options) == "open":
        return "open"
    offered = Sample("", "", question, golds, "closed", options)
    return "open" if not options and is_unanswerable(offered) else "closed"


def _as_sample(row: Mapping[str, Any]) -> Sample:
    return Sample("", "", row["question"], tuple(row["answer"]), row["answer_type"], tuple(row.get("options", ())))


CLOSED = 'closed (yes or no, or one of "a or b?")'


def count_types(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """How many questions are "with options", "closed (...)" and "open"."""
    return Counter(
        "with options" if row.get("options") else CLOSED if row["answer_type"] == "closed" else "open" for row in rows
    )
