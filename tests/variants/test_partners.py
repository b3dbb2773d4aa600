"""Hard partners and several draws: who is shown whose image, by hand, as properties, and through the harness."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import OracleModel, evaluate, gold, write_benchmark

from vrs_lmeval.benchmark.question_types import find_question_form, find_question_type, read_golds
from vrs_lmeval.records import Sample
from vrs_lmeval.variants.partners import draw_hard_partners
from vrs_lmeval.variants.rules import make_rule, read_variants
from vrs_lmeval.variants.variant import Split, VariantError


def ask(name, image, question, answer, kind="closed", **fields):
    return Sample(name, image, question, (answer,), kind, **fields)


def test_the_same_question_with_another_answer_comes_before_the_same_type():
    samples = [
        ask("1", "a", "Is there a mass?", "yes"),
        ask("2", "b", "is there a mass", "no"),  # the same after normalisation
        ask("3", "c", "is there a mass?", "yes"),
        ask("4", "d", "is there a fracture?", "no"),
    ]
    partners = draw_hard_partners(samples, seed=0)
    assert (partners["1"].image_id, partners["1"].alike_in) == ("b", "question")
    assert (partners["3"].image_id, partners["3"].alike_in) == ("b", "question")
    assert partners["2"].image_id in {"a", "c"}
    assert (partners["4"].alike_in, partners["4"].image_id in {"a", "c"}) == ("type", True)


RECEPTORS = ("ER+/PR-", "ER-/PR+", "HER2")
OTHER_ORDER = ("ER-/PR+", "ER+/PR-", "HER2")


@pytest.mark.parametrize(
    ("options", "gold", "is_partner"),
    [
        (RECEPTORS, "ER-/PR+", True),
        (RECEPTORS, "ER+/PR-", False),
        (OTHER_ORDER, "ER-/PR+", True),  # the first of its words, as ER+/PR- is there
        (OTHER_ORDER, "ER+/PR-", False),
        (("ER-/PR+", "HER2"), "ER-/PR+", True),
        (("er+/pr-", "HER2"), "er+/pr-", False),
    ],
)
def test_options_that_signs_tell_apart_are_other_answers_in_any_order(options, gold, is_partner):
    samples = [
        ask("1", "a", "which receptors?", "ER+/PR-", options=RECEPTORS),
        ask("2", "b", "which receptors?", gold, options=options),
    ]
    assert ("1" in draw_hard_partners(samples, seed=0)) == is_partner


def test_options_in_other_words_are_the_same_answer():
    samples = [
        ask("1", "a", "which scan?", "The MRI.", options=("The MRI.", "CT")),
        ask("2", "b", "which scan?", "mri", options=("PET", "mri")),
        ask("3", "c", "which scan?", "CT", options=("CT", "mri")),
    ]
    partners = draw_hard_partners(samples, seed=0)
    assert {name: partner.image_id for name, partner in partners.items() if name != "3"} == {"1": "c", "2": "c"}


def test_an_image_on_which_the_same_question_has_the_same_answer_is_no_partner():
    samples = [
        ask("1", "a", "is there a mass?", "yes"),
        ask("2", "b", "is there a mass?", "yes"),
        ask("3", "b", "is there a fracture?", "no"),  # of the type, but on an image that has a mass
    ]
    assert "1" not in draw_hard_partners(samples, seed=0)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (ask("1", "a", "q", "yes"), "yes/no"),
        (ask("1", "a", "mri or ct?", "ct"), "alternatives"),
        (ask("1", "a", "q", "x", options=("x", "y")), "options"),
        (ask("1", "a", "Where is the mass?", "lung", "open"), "open where"),
        (ask("1", "a", "Where is the mass?", "lung", "open", question_type="organ"), "type organ, open"),
        (ask("1", "a", "Is it the lung?", "yes", question_type="organ"), "type organ, yes/no"),
    ],
)
def test_question_types_by_hand(sample, kind):
    assert find_question_type(sample) == kind


@pytest.mark.parametrize(
    ("sample", "form"),
    [
        (ask("1", "a", "Is it?", "Yes."), "yes/no"),
        (ask("1", "a", "mri or ct?", "ct"), "alternatives"),
        (ask("1", "a", "which?", "x", options=("x", "y")), "options"),
        (ask("1", "a", "In which lobe is the mass?", "upper", "open", question_type="position"), "which"),
        (ask("1", "a", "How many what?", "2", "open"), "how"),
        (ask("1", "a", "Describe the lesion.", "round", "open"), "other"),
    ],
)
def test_question_forms_by_hand(sample, form):
    assert find_question_form(sample) == form


@st.composite
def splits(draw):
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from("abcdef"), st.sampled_from(["p?", "q?", "where?"]), st.booleans()), max_size=14
        )
    )
    return [ask(f"s{index}", image, text, "yes" if right else "no") for index, (image, text, right) in enumerate(rows)]


@given(splits(), st.integers(0, 3), st.randoms(use_true_random=False))
@settings(derandomize=True, max_examples=200)
def test_a_partner_is_of_the_type_with_another_gold_and_depends_on_the_set_of_rows_alone(samples, seed, generator):
    partners = draw_hard_partners(samples, seed)
    by_image = {}
    for sample in samples:
        by_image.setdefault(sample.image_id, []).append(sample)
    for sample in samples:
        fitting = {
            other.image_id
            for other in samples
            if other.image_id != sample.image_id
            and find_question_type(other) == find_question_type(sample)
            and not read_golds(other) & read_golds(sample)
            and not any(
                same.question == sample.question and read_golds(same) & read_golds(sample)
                for same in by_image[other.image_id]
            )
        }
        drawn = partners.get(sample.sample_id)
        assert (drawn is None) == (not fitting)
        assert drawn is None or drawn.image_id in fitting
    again = samples.copy()
    random.Random(generator.random()).shuffle(again)
    assert draw_hard_partners(again, seed) == partners


def test_a_benchmark_without_any_hard_partner_is_refused():
    split = Split([ask("1", "a", "is it?", "yes"), ask("2", "b", "is it?", "yes")], {"a": (8, 8), "b": (8, 8)})
    with pytest.raises(VariantError, match="no question has a partner of its type with another gold"):
        make_rule(read_variants(["real", "shuffled_hard"])[1], split)


@pytest.mark.parametrize(
    ("entries", "draws", "message"),
    [
        (["real"], 3, "3 draws need the variant 'shuffled'"),
        (["real", "shuffled"], 0, "a whole number from 1"),
        (["real", "shuffled"], "3", "a whole number from 1"),
    ],
)
def test_wrong_draws_are_refused(entries, draws, message):
    with pytest.raises(VariantError, match=message):
        read_variants(entries, draws)


def test_each_draw_has_a_seed_of_its_own_and_moves_every_image():
    samples = [ask(str(index), f"i{index}", "is it?", "yes") for index in range(30)]
    split = Split(samples, {sample.image_id: (8, 8) for sample in samples})
    draws = [v for v in read_variants([{"name": "shuffled", "seed": 5}, "real"], 3) if v.kind == "shuffled"]
    assert [(v.name, v.parameters["seed"]) for v in draws] == [("shuffled", 5), ("shuffled_2", 6), ("shuffled_3", 7)]
    shown = [[make_rule(draw, split).choose(sample) for sample in samples] for draw in draws]
    assert len({tuple(images) for images in shown}) == 3
    assert all(image != sample.image_id for images in shown for image, sample in zip(images, samples, strict=True))


@pytest.fixture
def _benchmark(tmp_path, monkeypatch):
    write_benchmark(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("_benchmark")
def test_the_partners_task_asks_only_questions_that_have_a_hard_partner():
    model = OracleModel(lambda question, image, own: gold(question, image))
    results = evaluate(model, task="vrs_vqa_rad_partners")
    # Of four questions on each of two images, the two whose answers differ have the other image as hard partner.
    assert len(model.requests) == 8 * 4 + 4
    measured = {name.removesuffix(",none"): v for name, v in results["results"]["vrs_vqa_rad_partners"].items()}
    assert (measured["acc"], measured["acc_shuffled"], measured["acc_shuffled_hard"]) == (1, 0.5, 0)
    assert (measured["vrs"], measured["vrs_hard"]) == (0.5, 1)
    assert (measured["vrs_mean_of_draws"], measured["vrs_sd_of_draws"]) == (0.5, 0)  # two images have one derangement
    evidence = results["configs"]["vrs_vqa_rad_partners"]["vrs"]["partners"]
    assert evidence["shuffled_hard"] == {"same_question": 4, "same_type": 0, "without_partner": 4}
