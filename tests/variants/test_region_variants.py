"""Variants of a region: which one a question asks about, which pixels are covered, and where the equal box lies."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stores import gradient

from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.pixels.reference import PERTURBATIONS
from vrs_lmeval.records import Region, Sample
from vrs_lmeval.variants.region_variants import (
    NAMES_NONE,
    NAMES_SEVERAL,
    cover,
    cut_to_image,
    draw_other_place,
    find_asked_region,
)
from vrs_lmeval.variants.rules import make_rule, read_variants
from vrs_lmeval.variants.variant import Split, VariantError

LUNG, LEFT_LUNG, LIVER = Region("Lung", 2, 3, 20, 10), Region("Left Lung", 2, 3, 8, 10), Region("Liver", 4, 16, 9, 8)
REGIONS = (LUNG, LEFT_LUNG, LIVER, Region("Nodule", 1, 1, 2, 2), Region("Nodule", 9, 9, 2, 2))


def ask(question, *golds, regions=REGIONS, number=1, image="a"):
    return Sample(f"s{number}", image, question, golds or ("Yes",), "open", regions=regions)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (ask("Does the picture contain liver?"), LIVER),
        (ask("Is the LUNG healthy?"), LUNG),
        (ask("Is the left lung healthy?"), LEFT_LUNG),
        (ask("Which organ is abnormal?", "Liver"), LIVER),
        (ask("Where is the liver?", "Below the lung"), LIVER),  # the question goes before the gold
        (ask("Is the lung larger than the left lung?"), NAMES_SEVERAL),
        (ask("Which is larger, liver or lung?", "Liver"), NAMES_SEVERAL),
        (ask("Is there a nodule?"), NAMES_SEVERAL),  # it has two boxes
        (ask("Where is the abnormality?", "Left Lung, Right"), NAMES_SEVERAL),  # a list
        (ask("Are the lungs healthy?"), NAMES_NONE),  # whole words
        (ask("Does the picture contain spleen?", "No"), NAMES_NONE),
        (ask("Is the liver healthy?", regions=()), NAMES_NONE),
    ],
)
def test_the_region_asked_about_is_the_one_that_question_or_gold_names(sample, expected):
    assert find_asked_region(sample) == expected


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((-2, -3, 4, 5), (0, 0, 2, 2)),
        ((5, 6, 90, 90), (5, 6, 5, 2)),
        ((0, 0, 10, 8), (0, 0, 10, 8)),
        ((10, 0, 4, 4), None),
        ((-4, 0, 4, 4), None),
        ((3, 3, 0, 4), None),
    ],
)
def test_a_box_is_cut_to_its_image(box, expected):
    assert cut_to_image(Region("r", *box), (10, 8)) == (None if expected is None else Region("r", *expected))


def list_other_places(region, size):
    """The naive twin: every place, pixel by pixel."""

    def pixels_of(left, top):
        return set(itertools.product(range(left, left + region.width), range(top, top + region.height)))

    return [
        Region(region.name, left, top, region.width, region.height)
        for top in range(size[1] - region.height + 1)
        for left in range(size[0] - region.width + 1)
        if not pixels_of(left, top) & pixels_of(region.left, region.top)
    ]


@st.composite
def regions_in_images(draw):
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = (left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))
    return Region("r", *box), (width, height)


@given(regions_in_images())
@settings(derandomize=True, max_examples=200, deadline=None)
def test_every_other_place_is_drawn_once_and_none_that_overlaps(drawn):
    region, size = drawn
    places = list_other_places(region, size)
    found = [draw_other_place(region, size, number) for number in range(max(1, len(places)))]
    assert found == (places or [None])
    assert draw_other_place(region, size, len(places) * 7) == found[0], "any number is a draw"


@given(regions_in_images())
@settings(derandomize=True, max_examples=100, deadline=None)
def test_the_fused_op_and_its_twin_cover_the_very_pixels(drawn):
    region, size = drawn
    image = gradient(*size)
    expected = np.asarray(image).copy()
    expected[region.top : region.top + region.height, region.left : region.left + region.width] = (1, 2, 3)
    change = cover(region, size, (1, 2, 3))
    assert np.array_equal(np.asarray(perturb(image, change)), expected)
    assert np.array_equal(PERTURBATIONS[change.kind](np.asarray(image), change), expected)


def test_shares_of_an_edge_give_every_pixel_back():
    """Edges of SLAKE's images and others up to 1,400; the op's rounding is floor(share * edge + 0.5) in doubles."""
    for edge in range(1, 1401):
        pixels = np.arange(edge + 1)
        assert np.array_equal(np.floor(pixels / edge * edge + 0.5), pixels), edge


SAMPLES = (
    ask("Is the liver seen?", number=1),
    ask("Which organ is it?", "Liver", number=2),
    ask("Is the left lung healthy?", number=3),
    ask("What modality is it?", "CT", number=4),
    ask("Is the liver seen?", number=5, image="b"),
)
SIZES = {"a": (40, 30), "b": (14, 25)}


def rule_of(entry, samples=SAMPLES):
    (_, variant) = read_variants(["real", entry])
    return make_rule(variant, Split(samples, SIZES))


def changes_of(rule, samples=SAMPLES):
    return {each.sample_id: None if rule.choose(each) is None else rule.change(each.image_id, each) for each in samples}


def test_the_box_is_that_of_the_question_and_its_own_image_is_shown():
    rule = rule_of("region_covered")
    assert [rule.choose(each) for each in SAMPLES] == ["a", "a", "a", None, "b"]
    changes = changes_of(rule)
    assert changes["s1"] == changes["s2"] == cover(LIVER, (40, 30), (128, 128, 128))
    assert changes["s3"] == cover(LEFT_LUNG, (40, 30), (128, 128, 128))
    assert rule.evidence == {"asked": 4, "names_none": 1, "names_several": 0, "outside_image": 0}
    black = rule_of({"name": "region_covered", "colour": [0, 0, 0]})
    assert changes_of(black)["s1"] == cover(LIVER, (40, 30), (0, 0, 0))


def test_the_control_is_drawn_by_image_region_and_seed_alone():
    rule = rule_of("region_control")
    changes = changes_of(rule)
    assert changes["s1"] == changes["s2"]
    places = list_other_places(LIVER, (40, 30))
    assert len(places) == 32 * 23 - 13 * 14, "of 32 x 23 places, 13 columns and 14 rows overlap"
    digest = int.from_bytes(hashlib.sha256(b"region:0:a:Liver:(4, 16, 9, 8)").digest(), "big")
    assert changes["s1"] == cover(places[digest % 554], (40, 30), (128, 128, 128))
    assert changes_of(rule_of("region_control", SAMPLES[::-1])) == changes
    assert changes_of(rule_of("region_control", SAMPLES[:1]), SAMPLES[:1])["s1"] == changes["s1"]
    assert changes_of(rule_of({"name": "region_control", "seed": 1})) != changes


def test_a_question_without_room_for_an_equal_box_is_counted():
    large = ask("Is the liver seen?", regions=(Region("Liver", 1, 1, 38, 28),), number=6)
    rule = rule_of("region_control", (*SAMPLES, large))
    assert rule.choose(large) is None
    assert rule.evidence == {
        "asked": 4, "names_none": 1, "names_several": 0, "outside_image": 0, "no_other_place": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["region_covered", "region_control"])
def test_what_cannot_be_asked_or_filled_is_an_error(name):
    with pytest.raises(VariantError, match=rf"variant {name}: no question can be asked so .*`regions: <file name>`"):
        rule_of(name, (ask("What modality is it?", "CT"), ask("Is the liver seen?", regions=())))
    with pytest.raises(VariantError, match=rf"variant {name}: colour should be three integers"):
        rule_of({"name": name, "colour": [0, 0, 300]})
