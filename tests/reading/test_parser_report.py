"""The corpus of answers: large enough, a fifth held out, and read with few false accepts; the report counts by hand."""

from tests.support.answers_corpus import Item, read_corpus
from tools.report_parser import describe, judge
from vrs_lmeval.records import Sample

YES_NO = Sample("s", "i", "is there a mass?", ("yes",), "closed")


def test_the_corpus_has_four_hundred_different_answers_and_holds_out_about_a_fifth():
    items = read_corpus()
    assert len({(item.sample.sample_id, item.kind, item.text) for item in items}) >= 400
    assert 0.15 < sum(item.is_held_out for item in items) / len(items) < 0.25


def test_answers_seen_while_rules_were_written_are_read_as_the_reader_did():
    assert [item.text for item in read_corpus() if not item.is_held_out and judge(item) != "right"] == []


def test_accepts_are_shares_of_all_and_rejects_of_those_with_a_clear_answer():
    texts = [("yes", "yes"), ("yes", "no"), ("no", None), ("nothing", "yes"), ("nothing", None)]
    items = [Item(YES_NO, "kind", text, label, False) for text, label in texts]
    assert describe("name", items) == "| name | 5 | 2 (40.0 %) | 2 (40.0 %) | 1 (33.3 %) |"
