"""Variants by name: which image a question is shown, changed how, and in what words it is asked.

A new variant is one function in VARIANTS, a new severity one row of `severities.GRADED`.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isinf
from typing import Any

from vrs_lmeval.records import (
    ABSENT,
    BLANK,
    GREY,
    GUESS,
    PARAPHRASE,
    QUESTION_SHUFFLED,
    QUESTION_SHUFFLED_ABSENT,
    REAL,
    REGION_CONTROL,
    REGION_COVERED,
    ROTATED,
    SHUFFLED,
    SHUFFLED_HARD,
    WITHOUT_IMAGES,
    Perturbation,
    Sample,
)
from vrs_lmeval.variants.partners import HardPartner, derange, draw_hard_partners
from vrs_lmeval.variants.prompt_variants import (
    ask_other_question,
    ask_other_question_without_image,
    ask_paraphrase,
    rotate_options,
    show_absent,
    show_guess,
)
from vrs_lmeval.variants.region_variants import cover_equal_box, cover_region
from vrs_lmeval.variants.severities import (
    GRADED,
    PUBLISHED_EDGE,
    STRENGTHS,
    GradedRow,
    find_graded,
    fit_to_image,
    list_graded,
    list_names,
)
from vrs_lmeval.variants.variant import Split, Variant, VariantError, VariantRule, read_colour

TASKS_OWN = "the task's own number"
"""What the results name as the source of a strength that no published severity gives."""


def show_real(split: Split) -> VariantRule:
    """The question's own image, unchanged."""
    return VariantRule()


def show_blank(split: Split, colour: Sequence[int] = GREY) -> VariantRule:
    """A uniform image of the same size. Grey, as in the VRS paper (arXiv 2603.03437; its grey value is not stated)."""
    filled = Perturbation.blank(read_colour(BLANK, colour))
    return VariantRule(change=lambda image_id, sample: filled)


def show_shuffled(split: Split, seed: int = 0) -> VariantRule:
    """The image of another question: never the same pixels, and the same partner for all questions on one image.

    If questions have several images, a partner may have no image that the question lacks; then the partner's own
    partner is taken.
    """
    images = {sample.image_id: set(sample.images) for sample in split.samples}
    partners = derange(images, seed)

    def choose(sample: Sample) -> str:
        partner = partners[sample.image_id]
        while partner != sample.image_id and images[partner] <= set(sample.images):
            partner = partners[partner]
        return partner

    return VariantRule(choose)


def show_shuffled_hard(split: Split, seed: int = 0) -> VariantRule:
    """The image of a question of the same type with another gold (`partners.draw_hard_partners`).

    Questions without such a partner are not asked under this variant, and are counted in the evidence.
    """
    partners: Mapping[str, HardPartner] = draw_hard_partners(split.samples, seed)
    if not partners:
        raise VariantError(f"variant {SHUFFLED_HARD}: no question has a partner of its type with another gold")
    alike = [partner.alike_in for partner in partners.values()]
    evidence = {
        "same_question": alike.count("question"),
        "same_type": alike.count("type"),
        "without_partner": len(split.samples) - len(partners),
    }

    def choose(sample: Sample) -> str | None:
        partner = partners.get(sample.sample_id)
        return None if partner is None else partner.image_id

    return VariantRule(choose, evidence=evidence)


def show_graded(split: Split, name: str, row: GradedRow, published: tuple[float, ...], seed: int = 0) -> VariantRule:
    """The question's own image under a row of the table of graded perturbations.

    Random perturbations use the first 128 bits of SHA-256 of "seed:image id:variant name" as their key, so they are the
    same for any batch, rank or limit.
    """

    def change(image_id: str, sample: Sample) -> Perturbation:
        parameters = fit_to_image(row, published, split.sizes[image_id])
        return Perturbation(row.kind, parameters, make_noise_key(seed, image_id, name) if row.is_random else 0)

    return VariantRule(change=change)


def make_noise_key(seed: int, image_id: str, name: str) -> int:
    """The 128 bits that seed a random perturbation of this image under the variant `name`."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{image_id}:{name}".encode()).digest()[:16], "big")


VARIANTS: Mapping[str, Callable[..., VariantRule]] = {
    REAL: show_real,
    BLANK: show_blank,
    SHUFFLED: show_shuffled,
    SHUFFLED_HARD: show_shuffled_hard,
    ABSENT: show_absent,
    GUESS: show_guess,
    QUESTION_SHUFFLED: ask_other_question,
    QUESTION_SHUFFLED_ABSENT: ask_other_question_without_image,
    PARAPHRASE: ask_paraphrase,
    ROTATED: rotate_options,
    REGION_COVERED: cover_region,
    REGION_CONTROL: cover_equal_box,
}


def read_variants(entries: Sequence[str | Mapping[str, Any]], draws: int = 1) -> tuple[Variant, ...]:
    """A task's `variants:` -> Variants. An entry is a kind, or a mapping `{name, kind, <parameters>}`.

    With `draws` above 1, `shuffled` is followed by `shuffled_2` and so on, each drawn by the next seed.
    """
    if isinstance(entries, str) or not all(isinstance(entry, str | Mapping) for entry in entries):
        raise VariantError(
            f"variants: should be a list of names and of mappings {{name, kind, ...}}, it is {entries!r}"
        )
    variants = tuple(drawn for entry in entries for drawn in _draw_again(_read_entry(entry), draws))
    names = [variant.name for variant in variants]
    if len(set(names)) != len(names):
        raise VariantError(f"variants: each name may stand once, got {', '.join(names)}")
    if REAL not in names and not shows_no_image(variants):
        raise VariantError(f"variants: {REAL!r} is missing; every measure of images compares with it")
    if draws > 1 and SHUFFLED not in names:
        raise VariantError(f"draws: {draws} draws need the variant {SHUFFLED!r}")
    return variants


def shows_no_image(variants: Iterable[Variant]) -> bool:
    """Whether no variant shows an image, so that a model without eyes can be asked."""
    return all(variant.kind in WITHOUT_IMAGES for variant in variants)


def _draw_again(variant: Variant, draws: int) -> list[Variant]:
    if not isinstance(draws, int) or draws < 1:
        raise VariantError(f"draws: a whole number from 1 is needed, not {draws!r}")
    if variant.name != SHUFFLED:
        return [variant]
    seed = variant.parameters["seed"]
    again = [Variant(f"{SHUFFLED}_{draw}", SHUFFLED, {"seed": seed + draw - 1}) for draw in range(2, draws + 1)]
    return [variant, *again]


def _read_entry(entry: str | Mapping[str, Any]) -> Variant:
    parameters: dict[str, Any] = {"name": entry} if isinstance(entry, str) else dict(entry)
    kind: Any = parameters.pop("kind", parameters.get("name"))
    name: str = parameters.pop("name", kind)
    if name != kind and (name in VARIANTS or name in STRENGTHS or find_graded(name)):
        raise VariantError(f"variants: {name!r} is the name of another kind than {kind!r}; metrics go by that name")
    if kind in VARIANTS:
        _, *known_parameters = inspect.signature(VARIANTS[kind]).parameters.values()  # the first takes the split
        defaults = {parameter.name: parameter.default for parameter in known_parameters}
        fixed: dict[str, Any] = {}
    else:
        row, values, told = _read_change(kind, parameters, entry)
        defaults = {"seed": 0} if row.is_random else {}
        scale = {"for_shorter_edge": PUBLISHED_EDGE} if row.has_length else {}
        fixed = {"perturbation": row.kind, "values": values, **scale, **told}
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        raise VariantError(
            f"variants: {name!r} has no parameter {', '.join(unknown)}; it has {', '.join(defaults) or 'none'}"
        )
    return Variant(name, kind, fixed | defaults | parameters)


def _read_change(
    kind: Any, parameters: dict[str, Any], entry: Any
) -> tuple[GradedRow, tuple[float, ...], dict[str, Any]]:
    """A published severity, or a kind with its strength, which is taken out of `parameters`.

    Gives the row, the op's parameters, and what the results say of them.
    """
    if (graded := find_graded(str(kind))) is not None:
        row, published = graded
        return row, published, {"source": row.source}
    if kind not in STRENGTHS:
        raise VariantError(_explain_unknown(kind, entry))
    strength = STRENGTHS[kind]
    if strength.name not in parameters:
        raise VariantError(
            f"variants: unknown {kind!r} in {entry!r}: write {kind}_1 to {kind}_{len(GRADED[kind].severities)}, or "
            f"{{name: ..., kind: {kind}, {strength.name}: NUMBER}}"
        )
    number = parameters.pop(strength.name)
    is_number = isinstance(number, int if strength.is_whole else (int, float)) and not isinstance(number, bool)
    if not is_number or not max(strength.least, sys.float_info.min) <= number <= min(strength.most, sys.float_info.max):
        wanted = "a whole number" if strength.is_whole else "a number"
        least = f"from {strength.least:g}" if strength.least else "above 0"
        most = "" if isinf(strength.most) else f" to {strength.most:g}"
        raise VariantError(f"variants: {strength.name} of {entry!r} should be {wanted} {least}{most}")
    return GRADED[kind], strength.spell(number), {strength.name: number, "source": TASKS_OWN}


def _explain_unknown(kind: Any, entry: Any) -> str:
    told = f"variants: unknown {kind!r}" + ("" if kind == entry else f" in {entry!r}")
    near = difflib.get_close_matches(str(kind), [*VARIANTS, *STRENGTHS, *list_names()], n=2)
    hint = f"; did you mean {' or '.join(near)}? Known are " if near else "; known are "
    return told + hint + ", ".join([*VARIANTS, *list_graded()])


def make_rule(variant: Variant, split: Split) -> VariantRule:
    """Bind a variant to a whole split."""
    seed = variant.parameters.get("seed", 0)
    if variant.kind in STRENGTHS:
        strength = variant.parameters[STRENGTHS[variant.kind].name]
        drawn_as = f"{variant.kind}({strength:g})"  # two strengths are drawn apart, as two severities are
        return show_graded(split, drawn_as, GRADED[variant.kind], variant.parameters["values"], seed)
    graded = find_graded(variant.kind)
    if graded is None:
        return VARIANTS[variant.kind](split, **variant.parameters)
    row, published = graded
    return show_graded(split, variant.kind, row, published, seed)
