"""Loads a model as transformers does, and keeps the names of weights that its checkpoint lacks."""

from __future__ import annotations

from typing import Any

from transformers import AutoModelForImageTextToText

MISSING = "_vrs_missing_weights"


class ReportingAutoModel(AutoModelForImageTextToText):  # type: ignore[misc] # transformers is untyped here
    """`AutoModelForImageTextToText` whose models can be asked for `find_missing_weights`.

    transformers draws missing weights at random, and says so only in its log. A checkpoint from a newer release can
    have names that an older release does not know; the model then still answers, like any other model.
    """

    @classmethod
    def from_pretrained(cls, *args: Any, **settings: Any) -> Any:
        """The same model."""
        model, report = super().from_pretrained(*args, **{**settings, "output_loading_info": True})
        setattr(model, MISSING, tuple(sorted(report["missing_keys"])))
        return model


def find_missing_weights(model: Any) -> tuple[str, ...]:
    """Names of the weights that the checkpoint lacks, drawn at random; empty for a model that was made otherwise."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model  # of an adapter
    return tuple(getattr(base, MISSING, ()))
