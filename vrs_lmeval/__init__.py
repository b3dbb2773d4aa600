"""Visual Reliance Scores for lm-evaluation-harness: does a medical vision-language model look at the image?

Kept free of heavy imports: on Python >= 3.15 the start-up file of the bridge imports this package in every process.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would be most of this package's
if TYPE_CHECKING:
    from vrs_lmeval.bridge import register
    from vrs_lmeval.leaderboard.tables import load_runs
    from vrs_lmeval.pixels.image_processors import register_image_processors
    from vrs_lmeval.pixels.named_perturbation import perturb
    from vrs_lmeval.uncertainty.reliance_interval import reliance

__all__ = ["load_runs", "perturb", "register", "register_image_processors", "reliance"]

_MODULES = {
    "load_runs": "leaderboard.tables",
    "perturb": "pixels.named_perturbation",
    "register": "bridge",
    "register_image_processors": "pixels.image_processors",
    "reliance": "uncertainty.reliance_interval",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
