"""The families of perturbations, as `csrc/perturb/families.h` lists them: the twin of each kind, and examples."""

from __future__ import annotations

from vrs_lmeval.pixels.reference import family_covers, family_detail, family_levels, family_noise, family_places
from vrs_lmeval.pixels.reference.image_levels import Change
from vrs_lmeval.records import Perturbation

FAMILIES = (family_places, family_covers, family_levels, family_noise, family_detail)

PERTURBATIONS: dict[str, Change] = {kind: change for family in FAMILIES for kind, change in family.KINDS.items()}
"""Each kind by name; the header of its family has the definition in words."""

EXAMPLES: list[Perturbation] = [example for family in FAMILIES for example in family.EXAMPLES]
"""At least one example of each kind, with parameters that change the image; tests compare every backend with its twin
on them."""
