"""The table of architectures in docs/vrs_hf.md: it lists what the matrix runs, and its tool writes what it found."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.architectures import ARCHITECTURES

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import write_architecture_table as tool

pytestmark = pytest.mark.models


def test_the_page_lists_the_architectures_of_the_matrix():
    assert tool.list_titles(tool.PAGE.read_text()) == [each.title for each in ARCHITECTURES.values()]


def test_a_row_counts_answers_and_keeps_the_largest_difference():
    info = {"vrs_image_path": "transformers: it cuts tiles", "vrs_prefix_path": "shared"}
    row = tool.Row()
    texts = SimpleNamespace(expected=["a", "b", "c"], answers=["a", "x", "c"], info=info)
    row.add(SimpleNamespace(kind="generate", path="shared"), texts)
    scores = SimpleNamespace(
        expected=[(-1.0, True), (-2.0, False), (-50.0, False)],
        answers=[(-1.00003, True), (-2.0, True), (-50.004, False)],  # equal; another greedy choice; 0.00008 of 50
        info={**info, "vrs_prefix_path": "plain: share_prefixes=False"},
    )
    row.add(SimpleNamespace(kind="loglikelihood", path="plain"), scores)
    assert tool.write_row("llava", row) == "| LLaVA-1.5 | shared | 4 of 6 | 4e-3 | transformers |"


@pytest.mark.parametrize(
    ("difference", "text"), [(0.0, "0"), (2.4e-5, "2e-5"), (9.6e-6, "1e-5"), (0.55, "6e-1"), (3.2, "3e0")]
)
def test_differences_have_one_digit(difference, text):
    assert tool.round_difference(difference) == text


def test_only_what_stands_between_the_markers_changes():
    page = f"before\n{tool.BEGIN}\nold\n{tool.END}\nafter"
    lines = ["", "| name | path |", "|---|---|", "| one | shared |", "| two | plain |", ""]
    changed = tool.replace_table(page, lines)
    assert changed.startswith(f"before\n{tool.BEGIN}\n\n| name")
    assert changed.endswith(f"\n\n{tool.END}\nafter")
    assert tool.list_titles(changed) == ["one", "two"]
    assert tool.replace_table(changed, lines) == changed
    with pytest.raises(ValueError, match="lacks"):
        tool.replace_table("no markers", lines)
