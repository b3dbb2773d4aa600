"""A cache of made-up answers, for the tests that damage it or keep it from being written."""

from vrs_lmeval.asking.answer_cache import AnswerCache

PAGE = 4096
ROWS = 120  # some ten pages, so that the tree has an inner page
ANSWERS = {f"question {number}": f"the answer {number} " + "of many words " * (number % 20) for number in range(ROWS)}


def fill(folder, identity="model"):
    """A cache of ANSWERS."""
    cache = AnswerCache(folder, identity)
    cache.keep({cache.key(question): answer for question, answer in ANSWERS.items()})
    return cache


def find_all(cache):
    return {question: cache.find(cache.key(question)) for question in ANSWERS}
