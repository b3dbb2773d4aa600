"""Variants of a part of the image: the box that a question asks about is covered, or an equal box elsewhere.

A model that looks at the asked place changes its answer more often under the first than under the second
(Lotfinia et al., arXiv 2606.17710; MedVIGIL, arXiv 2605.07919, covers marked regions in grey 128; HEAL-MedVQA, arXiv
2505.00744). Both use the fused op's `occlusion`; its shares of an edge give exactly the pixels of a box.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vrs_lmeval.keyed_draws import make_key
from vrs_lmeval.reading.choices import find_runs
from vrs_lmeval.reading.normalisation import split_words
from vrs_lmeval.records import GREY, REGION_CONTROL, REGION_COVERED, Perturbation, Region, Sample
from vrs_lmeval.variants.variant import Split, VariantError, VariantRule, read_colour

NAMES_NONE, NAMES_SEVERAL, OUTSIDE, NO_OTHER_PLACE = "names_none", "names_several", "outside_image", "no_other_place"
"""Reasons why a question is not asked, as the evidence counts them: it names no region, or several boxes; the box has
no pixel in the image; no box of its size fits beside it."""


def cover_region(split: Split, colour: Sequence[int] = GREY) -> VariantRule:
    """The question's own image, with the box that it asks about filled with one colour.

    Questions that do not name one region of their image are not asked so, and are counted.
    """
    regions, reasons = find_asked_regions(split)
    return _make_rule(REGION_COVERED, split, regions, reasons, colour)


def cover_equal_box(split: Split, colour: Sequence[int] = GREY, seed: int = 0) -> VariantRule:
    """As `cover_region`, with a box of the same size at another place, drawn from all places that do not overlap it.

    The draw depends on the seed, the image and the box, so it is the same for all questions about that box. Questions
    whose image has no such place are not asked so, and are counted.
    """
    regions, reasons = find_asked_regions(split)
    images = {sample.sample_id: sample.image_id for sample in split.samples}
    others: dict[str, Region] = {}
    for sample_id, region in regions.items():
        image_id = images[sample_id]
        box = (region.left, region.top, region.width, region.height)
        draw = int.from_bytes(make_key(f"region:{seed}:{image_id}:{region.name}:{box}"), "big")
        if (other := draw_other_place(region, split.sizes[image_id], draw)) is not None:
            others[sample_id] = other
    reasons[NO_OTHER_PLACE] = len(regions) - len(others)
    return _make_rule(REGION_CONTROL, split, others, reasons, colour)


def _make_rule(
    name: str, split: Split, boxes: Mapping[str, Region], reasons: Mapping[str, int], colour: Sequence[int]
) -> VariantRule:
    if not boxes:
        raise VariantError(
            f"variant {name}: no question can be asked so ({dict(reasons)}); it needs boxes beside the images, which "
            "`regions: <file name>` reads, and questions that name one of them"
        )
    filled = read_colour(name, colour)
    return VariantRule(
        choose=lambda sample: sample.image_id if sample.sample_id in boxes else None,
        change=lambda image_id, sample: cover(boxes[sample.sample_id], split.sizes[image_id], filled),
        evidence={"asked": len(boxes), **reasons},
    )


def find_asked_regions(split: Split) -> tuple[dict[str, Region], Counter[str]]:
    """By sample id, the one region that a question asks about, cut to its image; and counts of why others have none."""
    regions: dict[str, Region] = {}
    reasons = Counter({NAMES_NONE: 0, NAMES_SEVERAL: 0, OUTSIDE: 0})
    for sample in split.samples:
        asked = find_asked_region(sample)
        if isinstance(asked, str):
            reasons[asked] += 1
        elif (region := cut_to_image(asked, split.sizes[sample.image_id])) is None:
            reasons[OUTSIDE] += 1
        else:
            regions[sample.sample_id] = region
    return regions, reasons


def find_asked_region(sample: Sample) -> Region | str:
    """The one region that the question names, or that its golds name if the question names none; else the reason.

    A name with several boxes means several regions. A gold that is a list is not about one region, even if it names
    only one: "Left Lung, Right".
    """
    in_question = _find_named([sample.question], sample.regions)
    named = in_question or _find_named(sample.golds, sample.regions)
    if not named:
        return NAMES_NONE
    is_list = not in_question and any("," in gold for gold in sample.golds)
    return NAMES_SEVERAL if len(named) > 1 or is_list else named[0]


def _find_named(texts: Iterable[str], regions: Sequence[Region]) -> list[Region]:
    """The regions that one of the texts names, by all words of their names in a row.

    Longer names come first and use up their words: "left lung" does not name "Lung" if there is a "Left Lung".
    """
    names = {tuple(split_words(region.name)) for region in regions}
    found: set[tuple[str, ...]] = set()
    for words in map(split_words, texts):
        for name in sorted(names, key=lambda name: (-len(name), name)):
            for place in find_runs(words, list(name)):
                words[place : place + len(name)] = [""] * len(name)
                found.add(name)
    return [region for region in regions if tuple(split_words(region.name)) in found]


def cut_to_image(region: Region, size: tuple[int, int]) -> Region | None:
    """The part of a region that lies in an image of (width, height) pixels; None where there is none."""
    width, height = size
    left, right = max(0, region.left), min(width, region.left + region.width)
    top, bottom = max(0, region.top), min(height, region.top + region.height)
    if left >= right or top >= bottom:
        return None
    return replace(region, left=left, top=top, width=right - left, height=bottom - top)


def draw_other_place(region: Region, size: tuple[int, int], draw: int) -> Region | None:
    """A box of the region's size in an image of (width, height) pixels that shares no pixel with it; None if none fits.

    `draw`, any whole number from 0, chooses among all such places, row by row.
    """
    columns, rows = size[0] - region.width + 1, size[1] - region.height + 1
    first, last = max(0, region.left - region.width + 1), min(columns, region.left + region.width)
    top, bottom = max(0, region.top - region.height + 1), min(rows, region.top + region.height)
    free_beside = columns - (last - first)  # places in a row that would overlap in height
    above, beside = top * columns, (bottom - top) * free_beside
    places = above + beside + (rows - bottom) * columns
    if not places:
        return None
    place = draw % places
    if place < above:
        row, column = divmod(place, columns)
    elif place < above + beside:
        row, column = divmod(place - above, free_beside)
        row, column = row + top, column if column < first else column + last - first
    else:
        row, column = divmod(place - above - beside, columns)
        row += bottom
    return replace(region, left=column, top=row)


def cover(box: Region, size: tuple[int, int], colour: tuple[int, int, int]) -> Perturbation:
    """The pixels of a box inside an image of (width, height) pixels, filled with one colour.

    `occlusion` takes shares of the edges and rounds their products; pixel / edge * edge rounds back to the pixel.
    """
    width, height = size
    shares = (
        *(box.top / height, box.left / width),
        *((box.top + box.height) / height, (box.left + box.width) / width),
    )
    return Perturbation("occlusion", (*shares, *map(float, colour)))
