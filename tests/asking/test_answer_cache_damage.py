"""The file of kept answers, damaged: never a wrong answer, never an error.

Damage is drawn by a key: single bits, cut files, overwritten pages. `make test` takes some hundreds, `make test-all`
thousands.
"""

import logging
import os
import random
import shutil

import pytest
from support.kept_answers import ANSWERS, PAGE, ROWS, fill, find_all

from vrs_lmeval.asking.answer_cache import FILE_NAME, AnswerCache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a cache of ANSWERS."""
    folder = tmp_path_factory.mktemp("written")
    fill(folder)
    return (folder / FILE_NAME).read_bytes()


def flip_a_bit(content, draw):
    damaged = bytearray(content)
    damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def cut(content, draw):
    return content[: draw.randrange(len(content))]


def overwrite_a_page(content, draw):
    place = draw.randrange(len(content) // PAGE) * PAGE
    filling = draw.choice([bytes(PAGE), draw.randbytes(PAGE), b"\xff" * PAGE, content[:PAGE]])
    return content[:place] + filling + content[place + PAGE :]


def swap_two_pages(content, draw):
    pages = [content[place : place + PAGE] for place in range(0, len(content), PAGE)]
    one, other = draw.sample(range(len(pages)), 2)
    pages[one], pages[other] = pages[other], pages[one]
    return b"".join(pages)


def append_noise(content, draw):
    return content + draw.randbytes(draw.randrange(1, 3 * PAGE))


DAMAGE = (flip_a_bit, cut, overwrite_a_page, swap_two_pages, append_noise)
CASES = 100
"""Damaged files in one test."""

PARTS = [0, *(pytest.param(part, marks=pytest.mark.whole) for part in range(1, 12))]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_gives_no_wrong_answer_and_no_error(tmp_path, written, damage, part):
    """After a run of it, too: what could be kept is right in the next one."""
    intact = 0
    for case in range(CASES):
        (tmp_path / FILE_NAME).write_bytes(damage(written, random.Random(f"{damage.__name__} {part} {case}")))
        (tmp_path / f"{FILE_NAME}-journal").unlink(missing_ok=True)
        for _ in range(2):
            cache = AnswerCache(tmp_path, "model")
            found = find_all(cache)
            assert all(answer in (None, ANSWERS[question]) for question, answer in found.items())
            missing = {cache.key(question): ANSWERS[question] for question, answer in found.items() if answer is None}
            cache.keep(missing)
            counts = cache.describe()
            assert counts["hits"] + len(missing) == ROWS
            assert counts["answers_kept"] + counts["answers_not_kept"] == len(missing)
            assert counts["rows_not_verified"] <= len(missing)
            assert bool(counts["problems"]) or counts["answers_not_kept"] == 0
            cache._close(OSError("the run ends"))
        intact += len(missing) == 0
    assert damage is not flip_a_bit or intact > CASES // 2  # a bit costs a row, which the first run asks again


@pytest.mark.parametrize("bit", [7, *(pytest.param(bit, marks=pytest.mark.whole) for bit in range(7))])
def test_every_flipped_bit_of_header_and_schema(tmp_path, written, bit):
    """SQLite quotes the schema in its messages, where the upper bits make text that is no UTF-8."""
    for place in [place for place in range(PAGE) if place < 120 or written[place]]:
        damaged = bytearray(written)
        damaged[place] ^= 1 << bit
        (tmp_path / FILE_NAME).write_bytes(damaged)
        (tmp_path / f"{FILE_NAME}-journal").unlink(missing_ok=True)
        cache = AnswerCache(tmp_path, "model")
        assert all(answer in (None, ANSWERS[question]) for question, answer in find_all(cache).items())
        cache.keep({cache.key("new"): "new"})
        assert cache.find(cache.key("new")) in (None, "new")
        assert all(problem.isprintable() for problem in cache.describe()["problems"])
        cache._close(OSError("the run ends"))


def test_a_flipped_bit_of_an_answer_is_counted_and_mended(tmp_path, written):
    place = written.index(b"the answer 57 ") + 12
    (tmp_path / FILE_NAME).write_bytes(written[:place] + b"8" + written[place + 1 :])
    cache = AnswerCache(tmp_path, "model")
    assert cache.find(cache.key("question 57")) is None
    assert (cache.describe()["rows_not_verified"], cache.describe()["problems"]) == (1, [])
    cache.keep({cache.key("question 57"): ANSWERS["question 57"]})
    assert find_all(AnswerCache(tmp_path, "model")) == ANSWERS


def test_a_damaged_page_costs_its_rows_alone_and_nothing_is_written(tmp_path, written, caplog):
    place = written.index(b"the answer 57 ") // PAGE * PAGE
    (tmp_path / FILE_NAME).write_bytes(written[:place] + bytes(PAGE) + written[place + PAGE :])
    before = (tmp_path / FILE_NAME).read_bytes()
    cache = AnswerCache(tmp_path, "model")
    found = find_all(cache)
    lost = sum(answer is None for answer in found.values())
    assert 0 < lost < ROWS // 2
    assert cache.describe()["rows_not_verified"] == lost
    cache.keep({cache.key("new"): "new"})
    assert cache.describe()["answers_not_kept"] == 1
    assert "rows that verify are read, and nothing is written to it" in caplog.text
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_file_cut_under_an_open_cache(tmp_path, written):
    cache = fill(tmp_path)
    os.truncate(tmp_path / FILE_NAME, len(written) // 2)
    found = find_all(cache)
    assert all(answer in (None, ANSWERS[question]) for question, answer in found.items())
    cache.keep({cache.key("new"): "new"})
    assert cache.find(cache.key("new")) in (None, "new")


def test_a_copy_without_its_journal_is_no_danger(tmp_path, caplog):
    """As a backup makes it in the middle of a write: the pages of two batches."""
    caplog.set_level(logging.CRITICAL)
    cache = fill(tmp_path)
    half = (tmp_path / FILE_NAME).read_bytes()
    cache.keep({cache.key(question): answer + " again" for question, answer in ANSWERS.items()})
    whole = (tmp_path / FILE_NAME).read_bytes()
    for place in range(PAGE, len(half), PAGE):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / FILE_NAME).write_bytes(whole[:place] + half[place:])
        found = find_all(AnswerCache(tmp_path / "copy", "model"))
        assert all(a in (None, ANSWERS[q], ANSWERS[q] + " again") for q, a in found.items())
