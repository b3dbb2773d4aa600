"""The fused op again in plain numpy, written to be read: a function a step, images are (H, W, 3) uint8.

Slow on purpose. `tests/pixels/test_preprocess_parity.py` holds it equal, bit for bit, to the compiled op and to
transformers' `CLIPImageProcessorPil`. `fused_op` conducts; `family_*` has the twin of each perturbation, by the name of
the header in `csrc/perturb` that holds the kind; `draws` and `resize` are what they share.
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
