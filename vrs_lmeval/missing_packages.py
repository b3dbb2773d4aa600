"""An import error of transformers while it loads a model or its processor -> one that says what to install."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

MODELS_EXTRA = 'pip install "vrs_lmeval[models]"'
"""Brings torchvision in a release that pairs with torch; its build must be torch's too (CPU, CUDA ...)."""

NEEDS_TORCHVISION = "Qwen-VL, InternVL, GLM-V, LLaVA-OneVision, SmolVLM, Pixtral, Gemma 4 and others"
"""Families whose processors transformers does not load without torchvision (tried with 5.23)."""

_LIBRARY = re.compile(r"requires the (?:🤗 )?([\w .-]+?) library", re.IGNORECASE)
_COMMAND = re.compile(r"pip install (?:-U )?([\w\[\]-]+)")
_MODULE = re.compile(r"No module named '([\w.]+)'")


class MissingPackageError(ImportError):
    """A package that this model needs is missing or does not work; the message says what to install."""


def explain_missing_package(error: ImportError, model: str) -> ImportError:
    """The error to raise instead of `error`, which came while `model` was loaded: `raise ... from error`.

    `error` itself where it names no package that could be missing.
    """
    chain = _list_causes(error)
    text = "\n".join(map(str, chain))
    if "torchvision" in text.lower():
        return MissingPackageError(f"{model} {_explain_torchvision(chain[-1])}")
    packages = _find_packages(error, text)
    if not packages:
        return error
    return MissingPackageError(f"{model} needs {', '.join(packages)}: pip install {' '.join(packages)}")


def find_torchvision_fault() -> str | None:
    """Why torchvision cannot be used here; None where it can. Imports it."""
    if find_spec("torchvision") is None:
        return "not installed"
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:  # RuntimeError: its operators were built for another torch
        return f"installed, but it fails to import: {error}"
    return None


def _explain_torchvision(cause: BaseException) -> str:
    if find_spec("torchvision") is None:
        return f"cannot be loaded without torchvision: {MODELS_EXTRA}"
    torch, torchvision = _find_version("torch"), _find_version("torchvision")
    return (
        f"cannot be loaded: torchvision {torchvision} does not work beside torch {torch} ({cause}); "
        "install the two from the same place, in releases that pair (https://pytorch.org/get-started/locally)"
    )


def _find_packages(error: ImportError, text: str) -> list[str]:
    """Names for pip: those of the commands in the message, else the libraries or modules that it names."""
    named = _COMMAND.findall(text) or [name.strip() for name in _LIBRARY.findall(text)] or _MODULE.findall(text)
    if not named and error.name and isinstance(error, ModuleNotFoundError):
        named = [error.name]
    return list(dict.fromkeys(named))


def _list_causes(error: BaseException) -> list[BaseException]:
    """The error and what caused it, in turn."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
