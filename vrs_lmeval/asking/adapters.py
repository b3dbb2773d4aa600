"""A model and the name of a PEFT adapter -> the model with its adapter, and with all rows that it was published with.

lm_eval first cuts the embedding to the tokenizer's tokens. Many published models have rows behind these: without them
every probability is another, so that even an adapter that changes nothing would change likelihoods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EMBEDDINGS = ("embed_tokens", "lm_head")


def load_adapter(model: Any, adapter: str, revision: str | None, tokens: int) -> Any:
    """The model with its adapter. Rows are added for a tokenizer of more `tokens`, or as the adapter has them."""
    from peft import PeftModel, load_peft_weights  # takes a second to import

    rows = int(model.get_input_embeddings().weight.shape[0])
    wanted = find_rows(load_peft_weights(adapter, device="cpu", revision=revision)) or max(rows, tokens)
    if wanted != rows:
        model.resize_token_embeddings(wanted)
    return PeftModel.from_pretrained(model, adapter, revision=revision)


def find_rows(weights: Mapping[str, Any]) -> int | None:
    """Of an embedding or output head that an adapter holds whole; None where it holds none."""
    for name, tensor in weights.items():
        if "lora_" not in name and name.endswith(".weight") and any(f".{part}." in name for part in EMBEDDINGS):
            return int(tensor.shape[0])
    return None
