"""Every common encoding and separator gives the same rows, by the numbers that a spreadsheet shows."""

import json

import pytest

from vrs_lmeval.own_data import tables
from vrs_lmeval.own_data.problems import OwnDataError
from vrs_lmeval.own_data.tables import decode_text, read_list, read_table

HEADER = ("image", "question", "answer")
ROWS = [("a.png", "Où est la lésion, à gauche ?", "à gauche"), ("b.png", "Größe; normal?", "yes")]


def write(path, rows=(HEADER, *ROWS), separator=",", encoding="utf-8", begin="", end="\r\n"):
    def quote(cell):
        return f'"{cell}"' if separator in cell or "\n" in cell else cell

    text = begin + end.join(separator.join(map(quote, row)) for row in rows) + end
    path.write_bytes(text.encode(encoding))
    return path


def cells(table):
    return [tuple(row.cells.values()) for row in table.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_separators_are_told_apart(tmp_path, encoding, separator, end):
    table = read_table(write(tmp_path / "questions.csv", separator=separator, encoding=encoding, end=end))
    assert table.columns == HEADER
    assert cells(table) == ROWS
    assert [row.where for row in table.rows] == ["row 2", "row 3"]
    assert table.form.startswith(encoding.removesuffix("-sig"))


def test_utf_8_is_not_taken_for_cp1252_nor_the_reverse():
    assert decode_text("é".encode()) == ("é", "utf-8")
    assert decode_text("é".encode("cp1252")) == ("é", "cp1252")
    assert decode_text("naïve – “x”".encode("cp1252"))[0] == "naïve – “x”"  # noqa: RUF001


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path):
    """A cell over two lines is one row; an empty line is a row; "sep=;" is none."""
    path = tmp_path / "questions.csv"
    path.write_bytes(b'sep=;\r\nimage;question\r\na.png;"one\r\ntwo"\r\n\r\nb.png;three\r\n;\r\n')
    table = read_table(path)
    assert [(row.number, row.cells["question"]) for row in table.rows] == [(2, "one\r\ntwo"), (4, "three")]
    assert table.empty_rows == 1  # the one between the others


def test_the_kind_of_file_does_not_change_the_rows(tmp_path):
    objects = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    (tmp_path / "q.json").write_text(json.dumps(objects))
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, objects)) + "\n")
    excel(tmp_path / "q.xlsx", [HEADER, *ROWS])
    write(tmp_path / "q.tsv", separator="\t")
    read = {path.suffix: read_table(path) for path in sorted(tmp_path.iterdir())}
    assert {suffix: cells(table) for suffix, table in read.items()} == dict.fromkeys(read, ROWS)
    assert {suffix: table.rows[1].where for suffix, table in read.items()} == {
        ".json": "entry 2", ".jsonl": "line 2", ".tsv": "row 3", ".xlsx": "row 3",
    }  # fmt: skip


def excel(path, rows):
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("second")
    book.save(path)


def test_numbers_of_excel_have_no_point_and_empty_cells_no_word(tmp_path):
    excel(tmp_path / "q.xlsx", [("image", "answer", "note"), (7, 3.0, None), ("x", 0.5, "y")])
    table = read_table(tmp_path / "q.xlsx")
    assert cells(table) == [("7", "3", ""), ("x", "0.5", "y")]
    assert table.form == "Excel, sheet 'Sheet', the first of 2 sheets"


def test_lists_stay_lists():
    assert read_list('["a", "b, c"]') == read_list("['a', 'b, c']") == read_list(("a", "b, c")) == ("a", "b, c")
    assert read_list("[unclosed") is read_list("a, b") is read_list("[a or b]") is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.csv", b"", "q.csv: is empty"),
        ("q.csv", b"image,question\n", "q.csv: holds no rows under its header"),
        ("q.csv", b"image,image\na,b\n", "q.csv, row 1: two columns are called 'image'"),
        ("q.csv", b"image,question\na,b\nc,d,e\n", "q.csv, row 3: has more cells than the 2 columns"),
        ("q.jsonl", b'{"a": 1}\n{"a": \n', "q.jsonl, line 2: not valid JSON"),
        ("q.json", b"[" * 100_000, "q.json: not valid JSON"),
        ("q.jsonl", b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "q.jsonl: a column holds lists in lists, too deep"),
        ("q.json", b'{"a": 1}', "q.json: expected a list of objects"),
        ("q.json", b'[{"a": 1}, 2]', "q.json, entry 2: expected an object"),
        ("q.xlsx", b"no zip", "q.xlsx: cannot be read as an Excel file"),
        ("q.xls", b"", "q.xls: a table should be one of .csv"),
    ],
)
def test_what_is_no_table_is_said_with_file_and_row(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OwnDataError) as raised:
        read_table(tmp_path / name)
    assert message in str(raised.value)


def test_without_openpyxl_the_extra_is_named(tmp_path, monkeypatch):
    excel(tmp_path / "q.xlsx", [HEADER])
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(OwnDataError, match=r'pip install "vrs_lmeval\[xlsx\]"; or save the table as CSV'):
        read_table(tmp_path / "q.xlsx")
