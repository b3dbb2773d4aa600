"""The study in miniature, its text: facts read from human pairs, pairs written from facts, arms and splits."""

import os
from pathlib import Path

import pytest
import yaml

from studies.miniature.arms import ARMS, BLANK, make_arms, part_pairs
from studies.miniature.facts import Fact, read_fact
from studies.miniature.generator import write_all, write_pairs
from studies.miniature.pairs import DATA, Pair, Split, keep_images, read_split
from vrs_lmeval.benchmark.samples import load_benchmark
from vrs_lmeval.benchmark.sources import DatasetSource

STUDY = Path(__file__).parents[2] / "studies" / "miniature"

needs_vqa_rad = pytest.mark.skipif(
    not Path(os.environ.get("VRS_DATA_DIR", "/nowhere"), DATA).is_dir(),
    reason="VRS_DATA_DIR names no folder with flaviagiammarino/vqa-rad: the real VQA-RAD is not in the repository",
)


@pytest.mark.parametrize(
    ("question", "answer", "fact"),
    [
        ("is there evidence of a pneumothorax in this image?", "no", ("finding", "pneumothorax", "no")),
        ("can you appreciate a pleural effusion?", "yes", ("finding", "pleural effusion", "yes")),
        ("is cardiomegaly present?", "yes", ("finding", "cardiomegaly", "yes")),
        ("what pathology is demonstrated?", "cardiomegaly", ("finding", "cardiomegaly", "yes")),
        ("is the heart enlarged?", "no", ("state", "heart|enlarged", "no")),
        ("do the lungs appear hyperinflated?", "yes", ("state", "lungs|hyperinflated", "yes")),
        ("where is the lesion located?", "left kidney", ("place", "lesion", "left kidney")),
        ("what is the location of the mass?", "pineal gland", ("place", "mass", "pineal gland")),
        ("what imaging modality is used?", "xray", ("modality", "", "x-ray")),
        ("is this a saggital section?", "yes", ("plane", "", "sagittal")),
        ("is this an ap or pa film?", "pa", ("plane", "", "pa")),
        ("what organ system is imaged?", "chest", ("organ", "", "chest")),
        ("how many masses are there?", "4", ("count", "masses", "4")),
        ("was contrast used in this image?", "yes", ("finding", "contrast", "yes")),
    ],
)
def test_a_fact_is_read_from_a_question_and_its_answer(question, answer, fact):
    assert read_fact(Pair("image", question, answer, "row")) == Fact(*fact, "row")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("is this an mri?", "no"),  # says what it is not, which no template holds
        ("is this a viral or parasitic process?", "parasitic"),
        ("why is the colon distended?", "obstruction"),
        ("is the mass surrounding the aorta?", "no"),  # an object with an article: not how the mass looks
        ("what pathology is shown?", "a long sentence of more than six words"),
    ],
)
def test_what_no_rule_reads_gives_no_fact(question, answer):
    assert read_fact(Pair("image", question, answer, "row")) is None


def test_the_templates_ask_a_finding_both_ways():
    assert write_all(Fact("finding", "pneumothorax", "no", "row")) == [
        ("does the image reveal pneumothorax?", "no"),
        ("would a radiologist report pneumothorax?", "no"),
        ("is the image free of pneumothorax?", "yes"),
    ]


def test_a_modality_is_also_asked_by_those_that_it_is_not():
    written = dict(write_all(Fact("modality", "", "ct", "row")))
    assert written["which imaging modality produced this image?"] == "ct"
    assert written["was this image made by ct?"] == "yes"
    assert [written[f"was this image made by {other}?"] for other in ("x-ray", "mri", "ultrasound")] == ["no"] * 3


def test_facts_take_turns_and_no_question_is_written_twice():
    facts = [Fact("finding", "edema", "no", "1"), Fact("state", "heart|enlarged", "yes", "2")]
    written = write_pairs(facts, "image", 4, seed=0)
    assert [pair.source for pair in written] in (["1", "2"] * 2, ["2", "1"] * 2)
    twice = write_pairs([facts[0], Fact("finding", "edema", "no", "3")], "image", 99, seed=0)
    assert len(twice) == len({pair.question for pair in twice}) == 3


def human(image, count):
    return tuple(Pair(image, f"is there a finding{n} of {image}?", "no", f"{image}-{n}") for n in range(count))


def test_a_third_of_an_images_pairs_is_held_apart_and_one_of_them_can_be_read():
    unreadable = tuple(Pair("a", f"why is that {n}?", "unknown", f"a-why-{n}") for n in range(5))
    held_apart, kept = part_pairs((*unreadable, *human("a", 1)), seed=0)
    assert (len(held_apart), len(kept)) == (2, 4)
    assert "a-0" in [pair.source for pair in held_apart]
    assert part_pairs(human("b", 1), seed=0) == ([], list(human("b", 1)))


@pytest.fixture
def split():
    test = (Pair("a", "does the image reveal finding0 of a?", "no", "t1"),)
    return Split("official", (*human("a", 6), *human("b", 6), *human("c", 6), *human("d", 1)), test, None)


def test_arms_have_the_same_images_and_as_many_pairs_on_each(split):
    arms = make_arms(split, seed=0)
    assert tuple(arms) == ARMS
    counts = {name: sorted(pair.image_id for pair in arm.pairs) for name, arm in arms.items()}
    assert set(counts["authentic"]) == {"a", "b", "c"}  # of d's one pair nothing can be held apart
    assert counts["authentic"].count("b") == 4
    assert all(count == counts["authentic"] for count in counts.values())


def test_no_arm_trains_on_what_is_held_apart_as_humans_wrote_it(split):
    arms = make_arms(split, seed=0)
    trained = {pair.source for pair in arms["authentic"].pairs}
    facts = {pair.source for pair in arms["synthetic"].pairs}
    assert trained
    assert facts
    assert not trained & facts
    written = {pair.question for pair in split.train}
    assert not written & {pair.question for pair in arms["synthetic"].pairs}


def test_no_arm_trains_on_a_question_that_the_test_asks_of_the_image(split):
    for seed in range(20):  # whichever part is held apart
        for arm in make_arms(split, seed).values():
            assert ("a", "does the image reveal finding0 of a?") not in {(p.image_id, p.question) for p in arm.pairs}


def test_half_of_the_mixed_pairs_are_human(split):
    arms = make_arms(split, seed=0)
    of_b = [pair for pair in arms["mixed"].pairs if pair.image_id == "b"]
    assert sum(pair in arms["authentic"].pairs for pair in of_b) == sum(
        pair in arms["synthetic"].pairs for pair in of_b
    )


def test_controls_differ_in_the_image_alone(split):
    arms = make_arms(split, seed=0)
    assert arms["text-only"].pairs == arms["mispaired"].pairs == arms["authentic"].pairs
    assert set(arms["text-only"].shown.values()) == {BLANK}
    assert all(shown != image for image, shown in arms["mispaired"].shown.items())
    assert sorted(arms["mispaired"].shown.values()) == ["a", "b", "c"]
    assert all(shown == image for image, shown in arms["authentic"].shown.items())


def test_another_seed_draws_another_part_and_a_share_takes_its_part_of_each_image(split):
    assert make_arms(split, 0)["authentic"].pairs != make_arms(split, 1)["authentic"].pairs
    half = make_arms(split, 0, share=0.5)
    assert {name: len(arm.pairs) for name, arm in half.items()} == dict.fromkeys(ARMS, 6)
    assert set(half["synthetic"].pairs) <= set(make_arms(split, 0)["synthetic"].pairs)


def test_few_images_are_kept_with_all_of_their_pairs(split):
    assert {pair.image_id for pair in keep_images(split, 2).train} == {"a", "b"}
    assert len(keep_images(split, 2).train) == 12


@pytest.mark.slow
@needs_vqa_rad
@pytest.mark.parametrize("name", ["official", "by_image"])
def test_the_splits_are_those_that_the_page_tells_of(name):
    split = read_split(name)
    images = {pair.image_id for pair in split.test}
    if name == "official":
        assert (len(split.train), len(split.test), len(images)) == (1793, 451, 203)
        assert len(images - {pair.image_id for pair in split.train}) == 1  # the leak: one image alone is new
    else:
        listed = (STUDY / "held_out_images.txt").read_text().split()
        (task,) = [yaml.safe_load(path.read_text()) for path in (STUDY / "tasks").glob("*_by_image.yaml")]
        files, share = task["dataset_kwargs"]["data_files"], task["image_share"]
        asked = load_benchmark(DatasetSource(DATA, "test", data_files=files, image_share=share)).samples
        assert sorted(images) == listed == sorted({sample.image_id for sample in asked})
        assert {sample.sample_id for sample in asked} == {pair.source for pair in split.test}
        assert not images & {pair.image_id for pair in split.train}
        assert len(split.train) + len(split.test) == 1793 + 451
    asked = {(pair.image_id, pair.question) for pair in split.test}
    for arm in make_arms(split, seed=0).values():
        assert not asked & {(pair.image_id, pair.question) for pair in arm.pairs}
