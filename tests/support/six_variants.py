"""The six variants that the benchmarks of the fused op compute of each image: one of each cost."""

from vrs_lmeval.records import Perturbation

KEY = 0x0123456789ABCDEF_FEDCBA9876543210
SIX_VARIANTS = [
    Perturbation.identity(),
    Perturbation.blank(),
    Perturbation("gaussian_noise", (25.0,), KEY),
    Perturbation("gaussian_blur", (2.0,)),
    Perturbation("occlusion", (0.25, 0.25, 0.5, 0.5, 128.0, 128.0, 128.0)),
    Perturbation("patch_shuffle", (4.0, 4.0), KEY),
]
