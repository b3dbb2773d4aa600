"""Which first questions are asked again, and what counts as a change."""

from vrs_lmeval.asking.cold_warm import ColdWarm


def test_a_sample_of_images_that_does_not_hang_on_their_order():
    first = {f"image {number}": number for number in range(50)}
    chosen = ColdWarm(10).choose(first)
    assert len(chosen) == 10
    assert chosen == ColdWarm(10).choose(dict(reversed(first.items())))
    assert ColdWarm(100).choose(first) == set(range(50))
    assert ColdWarm(0).choose(first) == set()


def test_only_answers_from_more_kept_tokens_count_as_warm():
    seen = ColdWarm()
    for name, first, kept, second, kept_again in [
        (0, "left", 0, "left", 64),
        (1, "left", 0, "right", 64),
        (2, "left", 16, "left", 64),
        (3, "left", 0, "right", 0),  # was not kept: says nothing of warm prompts
        (4, "left", 64, "right", 64),  # was warm at first
        (5, "left", None, "left", None),  # this vLLM does not say
    ]:
        seen.note_cold(name, first, kept)
        seen.note_warm(name, second, kept_again)
    assert seen.describe() == {"asked_again": 6, "warm": 3, "changed": 1, "share": 1 / 3}


def test_nothing_warm_gives_no_share():
    assert ColdWarm().describe() == {"asked_again": 0, "warm": 0, "changed": 0, "share": None}
