"""An error from loading a processor -> the package to install: transformers names neither our extra nor the reason."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec

NEEDED_BY = {
    "torchvision": "Qwen-VL, InternVL, GLM-V, LLaVA-OneVision, Pixtral, Mistral 3, Gemma 4, Llama 4, Molmo2, LFM2-VL",
    "num2words": "SmolVLM",
}
"""Packages of the extra `models`, and for which models transformers needs them."""

_COMMAND = re.compile(r"pip install (?:-U )?([\w\[\]-]+)")
_LIBRARY = re.compile(r"requires the (?:🤗 )?([\w.-]+) library", re.IGNORECASE)
_MODULE = re.compile(r"No module named '([\w.]+)'")

INSTALL = 'pip install "vrs_lmeval[models]"'


class MissingPackageError(ImportError):
    """A model's processor needs a package that is not installed; the message says what to do."""


def find_fault(package: str) -> str | None:
    """Why a package cannot be imported, "not installed" included; None where it can.

    A torchvision that was built for another torch breaks transformers, and so lm_eval, before anything of ours runs:
    `vrs doctor` says so.
    """
    if find_spec(package) is None:
        return "not installed"
    try:
        import_module(package)
    except Exception as error:  # whatever such a torchvision raises
        return f"{type(error).__name__}: {error}"
    return None


def explain_missing_package(error: Exception) -> MissingPackageError | None:
    """The error to raise in place of `error`, which loading a processor raised; None if no known package is missing."""
    for package in NEEDED_BY:
        if package in str(error).lower() and find_spec(package) is None:
            return MissingPackageError(f"this model's processor needs {package}: {INSTALL}")
    if not isinstance(error, ImportError):
        return None
    named = next(filter(None, (pattern.findall(str(error)) for pattern in (_COMMAND, _LIBRARY, _MODULE))), [])
    packages = list(dict.fromkeys(named))
    if not packages:
        return None
    return MissingPackageError(f"this model needs {', '.join(packages)}: pip install {' '.join(packages)}")
