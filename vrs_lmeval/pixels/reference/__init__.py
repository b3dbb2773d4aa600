"""The fused op again, in plain numpy, written to be read: one function per step; images are (H, W, 3) uint8.

Slow on purpose. `tests/pixels/test_preprocess_parity.py` holds it equal, bit for bit, to the compiled op and to
transformers' `CLIPImageProcessorPil`. `fused_op` runs the steps. `family_*` holds the twin of each perturbation
and has the name of its header in `csrc/perturb`. All of them use `draws` and `resize`.
"""

from vrs_lmeval.pixels.reference.draws import philox, value_words
from vrs_lmeval.pixels.reference.families import EXAMPLES, PERTURBATIONS
from vrs_lmeval.pixels.reference.fused_op import perturb, preprocess_reference
from vrs_lmeval.pixels.reference.resize import exact_coefficients, int16_bits, resize

__all__ = [
    "EXAMPLES",
    "PERTURBATIONS",
    "exact_coefficients",
    "int16_bits",
    "perturb",
    "philox",
    "preprocess_reference",
    "resize",
    "value_words",
]
