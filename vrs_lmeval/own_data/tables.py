"""Tables: takes a CSV, TSV, JSON, JSON lines or Excel file, gives its rows by the numbers that a spreadsheet shows."""

from __future__ import annotations

import ast
import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from vrs_lmeval.own_data.problems import OwnDataError, name_near

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx")
SEPARATORS = (",", ";", "\t", "|")
"""What parts cells: the comma, Excel's semicolon where the comma is the decimal mark, the tab, the pipe."""

INSTALL_XLSX = 'pip install "vrs_lmeval[xlsx]"'

Cell = str | tuple[str, ...]
"""A text without edge spaces, or a list where the file has lists (JSON); "" where nothing stands."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """`where` names the row as its owner counts it: row 2 is the first under a spreadsheet's header."""

    number: int
    where: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class OwnTable:
    """The rows of a file, without empty ones; `form` says how it was read ("CSV, cp1252, separator ';'")."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    form: str
    empty_rows: int = 0

    def column(self, name: str) -> list[Cell]:
        """The cells of one column, in the order of rows."""
        return [row.cells[name] for row in self.rows]


def read_table(path: Path) -> OwnTable:
    """Read a table by the suffix of its file. Raises OwnDataError."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OwnDataError(f"{path}: a table should be one of {', '.join(SUFFIXES)}; save it as CSV UTF-8")
    if not path.is_file():
        raise OwnDataError(f"{path}: there is no such file{name_near(path)}")
    try:
        if suffix == ".xlsx":
            table = _read_excel(path)
        else:
            text, encoding = decode_text(path.read_bytes())
            if suffix in (".json", ".jsonl", ".ndjson"):
                table = _read_json(path, text, is_lines=suffix != ".json")
            else:
                table = _read_separated(path, text, encoding)
    except OSError as error:
        raise OwnDataError(f"{path}: cannot be read: {error}") from error
    if not table.rows:
        raise OwnDataError(f"{path}: holds no rows under its header")
    return table


def decode_text(content: bytes) -> tuple[str, str]:
    """Bytes -> text, and the encoding: by a byte order mark, else UTF-8, else UTF-16 by its zero bytes, else cp1252.

    cp1252 is what Excel's plain "CSV" writes in western Europe and America; nothing in the file tells it from others.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace"), encoding.removesuffix("-sig")
    zeros = [content[start:1000:2].count(0) for start in (0, 1)]
    if max(zeros) > 0:  # text of two bytes a character: those of most letters are zero on one side
        encoding = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        return content.decode(encoding, errors="replace"), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "cp1252"


def _read_separated(path: Path, text: str, encoding: str) -> OwnTable:
    """Lines of cells. Empty lines count, as they do in a spreadsheet; Excel's line "sep=;" does not."""
    begin, _, rest = text.partition("\n")
    stated = begin.strip().lower().removeprefix("sep=") if begin.lower().startswith("sep=") else None
    try:
        if stated:
            separator, records = stated, _parse(rest, stated)
        else:
            separator, records = _find_separator(text)
    except csv.Error as error:
        raise OwnDataError(f"{path}: cannot be read as a table of cells: {error}") from error
    shown = {"\t": "tab"}.get(separator, repr(separator))
    return _make_table(path, records, f"{encoding}, separator {shown}")


def _parse(text: str, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def _find_separator(text: str) -> tuple[str, list[list[str]]]:
    """The separator under which most rows have the header's number of cells, and more than one; of equals the first."""
    best: tuple[float, str, list[list[str]]] = (-1.0, ",", [])
    for separator in SEPARATORS:
        records = _parse(text, separator)
        filled = [record for record in records if any(record)]
        width = len(filled[0]) if filled else 0
        share = sum(len(record) == width for record in filled) / len(filled) if width > 1 else 0.0
        if share > best[0]:
            best = (share, separator, records)
    return best[1], best[2]


def _make_table(path: Path, records: Sequence[Sequence[Any]], form: str) -> OwnTable:
    """Rows of cells, the first filled one the header. Raises OwnDataError for a header or a row that does not fit."""
    filled = [(number, record) for number, record in enumerate(records, start=1) if any(map(_text, record))]
    if not filled:
        raise OwnDataError(f"{path}: is empty")
    start, header = filled[0]
    names = [str(_text(name)) for name in header]
    while names and not names[-1]:
        names.pop()
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise OwnDataError(
            f"{path}, row {start}: two columns are called {twice[0]!r}; the first row should name each once"
        )
    long = [number for number, record in filled[1:] if any(map(_text, record[len(names) :]))]
    if long:
        raise OwnDataError(
            f"{path}, row {long[0]}: has more cells than the {len(names)} columns of its header ({form}), and so have "
            f"{len(long) - 1} others; a text that holds the separator should stand in double quotes"
        )
    rows = []
    for number, record in filled[1:]:
        cells = [*map(_text, record), *[""] * len(names)]
        rows.append(TableRow(number, f"row {number}", dict(zip(names, cells, strict=False))))
    last = filled[-1][0]
    return OwnTable(path, tuple(filter(None, names)), tuple(rows), form, last - start - len(rows))


def _read_json(path: Path, text: str, is_lines: bool) -> OwnTable:
    """A list of objects, or one object a line; numbered as an editor counts lines, and entries from 1."""
    word = "line" if is_lines else "entry"
    found: list[tuple[int, Any]] = []
    try:
        if is_lines:
            for number, line in enumerate(text.split("\n"), start=1):
                if line.strip():
                    found.append((number, json.loads(line)))
        else:
            content = json.loads(text)
            found = list(enumerate(content, start=1)) if isinstance(content, list) else [(0, None)]
    except (ValueError, RecursionError) as error:
        at = f", line {number}" if is_lines else ""
        raise OwnDataError(f"{path}{at}: not valid JSON: {error}") from error
    for number, entry in found:
        if not isinstance(entry, Mapping):
            where = f"{path}, {word} {number}" if number else f"{path}"
            raise OwnDataError(
                f"{where}: expected {'an object' if number else 'a list of objects'} with the columns as keys"
            )
    names = tuple(dict.fromkeys(chain.from_iterable(entry for _, entry in found)))
    try:
        rows = tuple(
            TableRow(number, f"{word} {number}", {name: _text(entry.get(name)) for name in names})
            for number, entry in found
        )
    except RecursionError as error:
        raise OwnDataError(f"{path}: a column holds lists in lists, too deep to be read") from error
    return OwnTable(path, names, rows, "JSON lines" if is_lines else "JSON")


def _read_excel(path: Path) -> OwnTable:
    """The first sheet; cells as Excel shows their values, not their formulas."""
    if find_spec("openpyxl") is None:
        raise OwnDataError(
            f"{path}: reading Excel files needs openpyxl: {INSTALL_XLSX}; or save the table as CSV UTF-8"
        )
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        records = [list(record) for record in sheet.iter_rows(values_only=True)]
    except Exception as error:  # zip, XML and openpyxl raise kinds without a common base
        raise OwnDataError(f"{path}: cannot be read as an Excel file: {error}") from error
    others = f", the first of {len(book.worksheets)} sheets" if len(book.worksheets) > 1 else ""
    return _make_table(path, records, f"Excel, sheet {sheet.title!r}{others}")


def _text(value: Any) -> Cell:
    """A cell as text: None is empty, whole numbers have no ".0", lists keep their items, objects their JSON."""
    if value is None or value != value:  # NaN is the one value that is not itself
        return ""
    if isinstance(value, list | tuple):
        return tuple(str(_text(item)) for item in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value).strip()


def read_list(cell: Cell) -> tuple[str, ...] | None:
    """The items of a cell that is a list, or the text of a JSON or Python list; None for any other text."""
    if isinstance(cell, tuple):
        return cell
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):  # the second as pandas writes lists: ['a', 'b']
        try:
            return tuple(str(_text(item)) for item in read(cell))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def iterate_texts(cells: Sequence[Cell]) -> Iterator[str]:
    """All texts of cells, those in lists one by one, without empty ones."""
    for cell in cells:
        yield from filter(None, cell if isinstance(cell, tuple) else (cell,))
