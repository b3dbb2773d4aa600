"""An arm and its images' features -> a trained model: AdamW on the answers alone, the tower frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import FastVlmForConditionalGeneration

from studies.miniature.batches import CELLS, IGNORED, Batch, BatchMaker
from studies.miniature.configuration import Schedule

GAIN = 0.5
"""Spread of a standardised feature channel as the projector sees it: of .5 and 2 the better one, in one trial."""

SOFT = 0.05
"""Added to a channel's spread, so that one that hardly ever fires is not blown up."""


@dataclass(frozen=True, slots=True)
class Features:
    """The tower's cells of every image, (cells, channels) by image id, and how its channels are spread."""

    cells: Mapping[str, torch.Tensor]
    mean: torch.Tensor
    spread: torch.Tensor

    def stack(self, images: Sequence[str]) -> torch.Tensor:
        """Standardised cells (images, cells, channels): raw ones are all positive, and few of them large."""
        return (torch.stack([self.cells[image] for image in images]) - self.mean) / self.spread * GAIN


def standardise(cells: Mapping[str, torch.Tensor], images: Sequence[str]) -> Features:
    """Features whose channels are standardised over the cells of `images`, those of training."""
    seen = torch.cat([cells[image] for image in images])
    return Features(cells, seen.mean(dim=0), seen.std(dim=0) + SOFT)


def fold_standardisation(model: FastVlmForConditionalGeneration, features: Features) -> None:
    """Make the projector take the tower's raw cells: W ((x - m) / s g) + b = (W g / s) x + (b - W g m / s)."""
    linear = model.model.multi_modal_projector.linear_1
    with torch.no_grad():
        linear.weight.mul_(GAIN / features.spread)
        linear.bias.sub_(linear.weight @ features.mean)


def answer_logits(model: FastVlmForConditionalGeneration, cells: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Logits at the labelled places, in the order of batch.labels[batch.labels != IGNORED]."""
    words = model.get_input_embeddings()(batch.token_ids)
    embedded = torch.cat([model.model.multi_modal_projector(cells), words], dim=1)
    mask = torch.zeros(batch.mask.shape).masked_fill(~batch.mask, torch.finfo(torch.float32).min)
    hidden = model.model.language_model(
        inputs_embeds=embedded, attention_mask=mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state[:, CELLS:]
    return model.lm_head(hidden[batch.labels != IGNORED])


def train(
    model: FastVlmForConditionalGeneration, maker: BatchMaker, features: Features, schedule: Schedule, seed: int
) -> list[float]:
    """Train in place, in evaluation mode throughout (nothing of it drops out); the mean loss of each epoch."""
    model.eval().requires_grad_(True)
    model.model.vision_tower.requires_grad_(False)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    rng = np.random.default_rng(seed)
    total = schedule.epochs * -(-len(maker.asked) // schedule.images_a_step)
    optimizer = torch.optim.AdamW(
        trained, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.learning_rate, total_steps=total, pct_start=0.1)
    losses, step = [], 0
    for _ in range(schedule.epochs):
        epoch = []
        for batch in maker.draw_epoch(rng, schedule.images_a_step):
            if schedule.steps is not None and step >= schedule.steps:
                break
            logits = answer_logits(model, features.stack(batch.images), batch)
            loss = nn.functional.cross_entropy(logits, batch.labels[batch.labels != IGNORED])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            rate.step()
            epoch.append(loss.item())
            step += 1
        losses += [float(np.mean(epoch))] if epoch else []
    return losses
