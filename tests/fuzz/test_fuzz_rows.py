"""Any rows of a data set: each gives questions that can be asked and written, or is told by its number."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import for_a_round_or_longer, repeat, search
from support.stores import encode, gradient

from vrs_lmeval.benchmark import samples
from vrs_lmeval.benchmark.images import UnreadableImageError
from vrs_lmeval.benchmark.row_shapes import ROW_SHAPES
from vrs_lmeval.benchmark.sources import Columns, DatasetSource, MalformedDataError
from vrs_lmeval.benchmark.table import Table

pytestmark = pytest.mark.slow

PICTURE = {"bytes": encode(gradient(6, 5), "PNG"), "path": None}

TEXTS = [
    *("yes", "A", "B:MRI", "['x', 'y']", "['x', 1, None]", "<image 1> or <image 2>", "<image>", "", " ", "a.png"),
    *("/", "a\0b", "../../x.png", "何か还是B吗", "\ud800", "1" * 5000),
    *("[" * 3000, "['" + "(" * 3000, "['x'" + "+(" * 3000 + "]", "['x', " + "-" * 5000 + "1]", "['x' * 9]"),
]

SCALARS = st.one_of(
    st.sampled_from(TEXTS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=20),
    st.binary(max_size=8),
)

VALUES = st.recursive(
    SCALARS | st.just(PICTURE),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*"ABCD", "bytes", "path"]), inner, max_size=4)
    ),
    max_leaves=6,
)

SOUND = {
    "image": PICTURE,
    "question": "Is it large or small?",
    "answer": "large",
    "options": ["large", "small"],
    **dict.fromkeys(["answer_type"], "closed"),
    **dict.fromkeys(["question_type", "modality", "paraphrase_group", "row"], "x"),
}
ALL_COLUMNS = Columns(**{field.name: field.name for field in fields(Columns)})

OF_SHAPES = {
    "images": [PICTURE],
    "question": "Which <image 1>?",
    "options": "['large', 'small']",
    "answer": "A",
    "label": "A",
    **{f"image_{number}": PICTURE for number in range(1, 8)},
}
"""Keys that shapes ask for; what lacks is told as a row that is not of the shape, or drawn."""

KEYS_OF_SHAPES = sorted(
    {*OF_SHAPES, *SOUND, "subject", "id", "question_type", "q_lang", "image_path", "img_name", "gt_answer", "option_A"}
    | {"option_B", "qa", "phrase_type", "content_type", "correct_answer", "image_A", "image_B", "qid", "split"}
)


def draw_row(data, sound, keys):
    changed = data.draw(st.dictionaries(st.sampled_from(keys), VALUES, max_size=3))
    return sound | changed


def ask(rows, monkeypatch, **source):
    """The benchmark of these rows, without a data set on a disk; None where no row could be asked."""
    table = Table(rows=rows, read_from="local folder", revision=None, folder=Path("/nonexistent"))
    monkeypatch.setattr(samples, "open_table", lambda source: table)
    try:
        return samples.load_benchmark(DatasetSource("someone/set", "test", on_error="skip", **source))
    except (MalformedDataError, UnreadableImageError) as error:
        said = str(error)
    said.encode()
    assert re.match(r"someone/set, split test(, row .*:|: \d of \d rows cannot be asked:|: no rows)", said, re.DOTALL)
    return None


def check(benchmark, rows):
    if benchmark is None:
        return
    assert len(benchmark.samples) >= 1
    json.dumps(benchmark.evidence).encode()
    for sample in benchmark.samples:
        texts = (sample.question, *sample.golds, *sample.options, sample.sample_id, sample.image_id)
        " ".join(texts).encode()  # as a tokenizer or a results file would
        assert sample.question.strip()
        assert all(gold.strip() for gold in sample.golds)
        assert all(image in list(benchmark.images) for image in sample.images)


@pytest.mark.parametrize("key", sorted(SOUND))
def test_any_odd_text_in_a_row_is_asked_or_told(key, monkeypatch):
    for text in TEXTS:
        for value in (text, [text], [SOUND[key], text], {"path": text}):
            rows = [SOUND | {key: value}]
            check(ask(rows, monkeypatch, columns=ALL_COLUMNS), rows)


def test_a_bad_row_of_any_name_is_told(monkeypatch):
    for name in [*TEXTS, *map(list, TEXTS), None, float("nan"), b"\xff", {"\ud800": "\n"}]:
        rows = [SOUND, SOUND | {"row": name, "answer": []}]
        assert len(ask(rows, monkeypatch, columns=ALL_COLUMNS).samples) == 1
        assert ask(rows[1:], monkeypatch, columns=ALL_COLUMNS) is None


@pytest.mark.whole
@pytest.mark.parametrize("shape", sorted(ROW_SHAPES))
def test_any_odd_text_in_a_row_of_a_shape_is_asked_or_told(shape, monkeypatch):
    for key in KEYS_OF_SHAPES:
        for text in TEXTS:
            for value in (text, [text, text]):
                rows = [OF_SHAPES | {key: value}]
                check(ask(rows, monkeypatch, shape=shape), rows)


@for_a_round_or_longer
def test_any_row_is_asked_or_told(seconds, monkeypatch):
    @search
    @given(st.data())
    def a_round(data):
        rows = [draw_row(data, SOUND, sorted(SOUND)) for _ in range(2)]
        check(ask(rows, monkeypatch, columns=ALL_COLUMNS), rows)

    repeat(a_round, seconds)


@for_a_round_or_longer
def test_any_row_of_a_shape_is_asked_or_told(seconds, monkeypatch):
    @search
    @given(st.data(), st.sampled_from(sorted(ROW_SHAPES)))
    def a_round(data, shape):
        rows = [draw_row(data, OF_SHAPES, KEYS_OF_SHAPES)]
        check(ask(rows, monkeypatch, shape=shape), rows)

    repeat(a_round, seconds)
