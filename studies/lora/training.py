"""A base and an arm's examples -> an adapter: AdamW on the answers alone; goes on from the last whole epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn
from transformers import AutoModelForImageTextToText

from studies.lora.configuration import Lora, Schedule, Settings
from studies.miniature.batches import IGNORED

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a training: how many epochs are whole, and the mean loss of each."""

    epochs: int
    losses: list[float]


def load_base(settings: Settings) -> nn.Module:
    """The base in its precision, on the GPU where there is one."""
    model: nn.Module = AutoModelForImageTextToText.from_pretrained(
        settings.base, dtype=getattr(torch, settings.precision)
    )
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def add_adapter(base: nn.Module, lora: Lora, seed: int) -> Any:
    """The base with an adapter that changes nothing yet; its first matrices are drawn by `seed`."""
    torch.manual_seed(seed)
    return get_peft_model(
        base,  # type: ignore[arg-type] # transformers is untyped here
        LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.targets),
    )


def recompute_activations(model: Any) -> None:
    """Keep none of the base's activations for the way back. Before 5.23, transformers has another name for it."""
    base = model.get_base_model()
    enable = getattr(base, "activation_checkpointing_enable", None) or base.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def train(
    model: Any,
    encode: Callable[[Sequence[int]], Inputs],
    draw_epoch: Callable[[np.random.Generator], Sequence[int]],
    schedule: Schedule,
    seed: int,
    kept: Path,
    say: Callable[[str], None] = print,
) -> list[float]:
    """Train the adapter in place; the mean loss a pair's answer token of each epoch.

    `draw_epoch` gives the numbers of an epoch's examples in order, `encode` the inputs of some of them. What a stopped
    training goes on from lies in `kept`.
    """
    model.train()
    if schedule.gradient_checkpointing:
        recompute_activations(model)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    rng = np.random.default_rng(seed)
    order = [list(draw_epoch(rng)) for _ in range(schedule.epochs)]
    total = sum(math.ceil(len(epoch) / schedule.batch_size) for epoch in order)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: find_share(step, total, schedule.warmup))
    torch.manual_seed(seed)  # what drops out
    progress = recall(kept, model, optimizer, rate)
    losses, step = list(progress.losses), rate.last_epoch
    for number in range(progress.epochs, schedule.epochs):
        epoch = []
        for batch in _cut(order[number], schedule.batch_size):
            if schedule.steps is not None and step >= schedule.steps:
                return losses + ([float(np.mean(epoch))] if epoch else [])
            parts = [encode(part) for part in _cut(batch, schedule.pairs_at_once)]
            epoch.append(take_step(model, parts, optimizer, weights))
            rate.step()
            step += 1
        losses.append(float(np.mean(epoch)))
        keep(kept, model, optimizer, rate, Progress(number + 1, losses))
        say(f"epoch {number + 1} of {schedule.epochs}: loss {losses[-1]:.3f}")
    return losses


def _cut(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def find_share(step: int, total: int, warmup: float) -> float:
    """Of the learning rate: rises over the first `warmup` of the steps, then falls along half a cosine to 0."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def take_step(model: Any, parts: Sequence[Inputs], optimizer: torch.optim.Optimizer, weights: Sequence[Any]) -> float:
    """One step on all parts together; the mean loss an answer token, whatever part it is in."""
    tokens = sum(int((part["labels"][:, 1:] != IGNORED).sum()) for part in parts)
    optimizer.zero_grad(set_to_none=True)
    told = 0.0
    for part in parts:
        loss = sum_losses(model, part) / tokens
        loss.backward()
        told += float(loss.detach())
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    return told


def sum_losses(model: Any, inputs: Inputs) -> torch.Tensor:
    """Of the answers' tokens, each foretold by what stands before it."""
    labels = inputs["labels"].to(model.device)
    given = {name: tensor.to(model.device) for name, tensor in inputs.items() if name != "labels"}
    given = {name: t.to(model.dtype) if t.is_floating_point() else t for name, t in given.items()}
    places = labels[:, 1:] != IGNORED
    logits = model(**given, use_cache=False).logits[:, :-1][places]
    return nn.functional.cross_entropy(logits.float(), labels[:, 1:][places], reduction="sum")


def keep(path: Path, model: Any, optimizer: Any, rate: Any, progress: Progress) -> None:
    """All that the next epoch depends on, whole or not at all."""
    state = {
        "adapter": get_peft_model_state_dict(model),
        "optimizer": optimizer.state_dict(),
        "rate": rate.state_dict(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "epochs": progress.epochs,
        "losses": progress.losses,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def recall(path: Path, model: Any, optimizer: Any, rate: Any) -> Progress:
    """Put everything back as it was after the last whole epoch; no epoch where nothing is kept."""
    if not path.is_file():
        return Progress(0, [])
    state = torch.load(path, weights_only=True, map_location="cpu")
    set_peft_model_state_dict(model, state["adapter"])
    optimizer.load_state_dict(state["optimizer"])
    rate.load_state_dict(state["rate"])
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    return Progress(state["epochs"], state["losses"])
