"""An example of every perturbation, with parameters at which it does something: each stands beside its twin."""

from vrs_lmeval.pixels.reference.families import EXAMPLES
from vrs_lmeval.pixels.reference.image_levels import EXAMPLE_KEY

KEY = EXAMPLE_KEY
NAMES = [f"{example.kind}{example.parameters}" for example in EXAMPLES]
__all__ = ["EXAMPLES", "KEY", "NAMES"]
