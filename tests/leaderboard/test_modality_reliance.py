"""Reliance on the image beside reliance on the text, over the same questions: by hand."""

from types import SimpleNamespace

import pytest

from vrs_lmeval.leaderboard.modality_reliance import find_modality_reliance


def sample(image, vrs, text_reliance):
    return SimpleNamespace(image_id=image, values={"vrs": vrs, "text_reliance": text_reliance}, answers={})


def test_only_questions_that_were_asked_in_anothers_words_count():
    run = SimpleNamespace(
        samples=[sample("a", 1, 1), sample("a", 0, -1), sample("b", 1, 0), sample("c", 0, 1), sample("c", 1, None)]
    )
    found = find_modality_reliance(run)
    assert (found.image.estimate, found.image.n, found.image.clusters) == (pytest.approx(2 / 4), 4, 3)
    assert (found.text.estimate, found.text.n) == (pytest.approx(1 / 4), 4)
    assert found.image.low < 2 / 4 < found.image.high


def test_a_run_without_such_questions_has_none():
    assert find_modality_reliance(SimpleNamespace(samples=[sample("a", 1, None)])) is None
