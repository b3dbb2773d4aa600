"""Trains one control: `python -m tools.controls.train --cache DIR --out controls/sighted` (or --blind)."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import LlavaForConditionalGeneration

from tools.controls.batches import BLANK, IMAGE_TOKENS, Batch, BatchMaker
from tools.controls.model import CLIP_MEAN, CLIP_STD, PATCH, SIDE, WIDTH, build_model, build_processor, build_tokenizer

SEED = 7
PICTURES, QUESTIONS_EACH = 32, 4  # a batch: 128 questions
VALIDATION_PICTURES = 640  # the last of the cache, never trained on
PEAK_RATE, WARMUP = 1e-3, 150
# The vision tower keeps its facts while the language model, which starts from random weights, learns to use them.
AUXILIARY_WEIGHT = 0.3


class AuxiliaryHeads(nn.Module):
    """Linear readings of the mean patch feature; thrown away after training."""

    def __init__(self, classes: dict[str, list[str]]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.heads = nn.ModuleDict({key: nn.Linear(WIDTH, len(names)) for key, names in classes.items()})

    def loss(self, patches: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean cross-entropy of the heads; -100 marks a picture that a question does not apply to."""
        pooled = self.norm(patches).mean(dim=1)
        losses = [
            nn.functional.cross_entropy(head(pooled), targets[key])
            for key, head in self.heads.items()
            if (targets[key] >= 0).any()
        ]
        return torch.stack(losses).mean()


def seed_positions(model: LlavaForConditionalGeneration) -> None:
    """Start the position embedding from 2-D sines: at CLIP's own tiny random start a mark's place is learned late."""
    grid = SIDE // PATCH
    frequency = 1.0 / 100 ** (torch.arange(WIDTH // 4) / (WIDTH // 4))
    angle = torch.arange(grid)[:, None] * frequency
    wave = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows, columns = wave[:, None].expand(-1, grid, -1), wave[None].expand(grid, -1, -1)
    table = torch.cat([rows, columns], dim=2).reshape(grid * grid, WIDTH)
    with torch.no_grad():
        model.model.vision_tower.embeddings.position_embedding.weight[1:] = 0.5 * table


def see(model: LlavaForConditionalGeneration, pixels: torch.Tensor, blind: bool) -> torch.Tensor:
    """Patch features (pictures, patches, width) from uint8 pixels (pictures, side, side, 3)."""
    pictures = len(pixels)
    if blind:  # the blind twin only ever sees one grey picture: compute its features once
        pixels = torch.full_like(pixels[:1], BLANK)
    scaled = pixels.permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    normal = (scaled - mean[:, None, None]) / std[:, None, None]
    patches = model.model.vision_tower(normal, output_hidden_states=True).hidden_states[-1][:, 1:]
    return patches.expand(pictures, -1, -1)


def answer_logits(model: LlavaForConditionalGeneration, patches: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Logits at the labelled places, in the order of batch.labels[batch.labels >= 0]."""
    words = model.get_input_embeddings()(batch.token_ids[:, IMAGE_TOKENS:])
    embedded = torch.cat([model.model.multi_modal_projector(patches), words], dim=1)
    mask = torch.zeros(batch.mask.shape).masked_fill(~batch.mask, torch.finfo(torch.float32).min)
    hidden = model.model.language_model(
        inputs_embeds=embedded, attention_mask=mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    return model.lm_head(hidden[batch.labels >= 0])


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to a fiftieth."""
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    return PEAK_RATE * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * (step - WARMUP) / (steps - WARMUP))))


@torch.no_grad()
def validate(model: LlavaForConditionalGeneration, maker: BatchMaker, blind: bool) -> dict[str, float]:
    """Share of right first answer tokens per question, on pictures that were not trained on."""
    rng = np.random.default_rng(SEED)
    last = len(maker.pixels)
    right: dict[str, list[float]] = {}
    names = {tuple(ids): key for key, ids in maker.prompts.items()}
    for start in range(last - VALIDATION_PICTURES, last, 64):
        batch = maker.draw(rng, np.arange(start, start + 64), QUESTIONS_EACH)
        patches = see(model, batch.pixels, blind)
        hits = answer_logits(model, patches, batch).argmax(-1) == batch.labels[batch.labels >= 0]
        for (row, place), hit in zip(torch.nonzero(batch.labels >= 0).tolist(), hits.tolist(), strict=True):
            for length in {len(ids) for ids in names}:
                key = names.get(tuple(batch.token_ids[row, place + 1 - length : place + 1].tolist()))
                if key:
                    right.setdefault(key, []).append(float(hit))
    return {key: round(float(np.mean(hits)), 2) for key, hits in sorted(right.items())}


def train(maker: BatchMaker, model: LlavaForConditionalGeneration, arguments: argparse.Namespace) -> None:
    """Warm up the vision tower on the auxiliary heads, then train everything together."""
    heads = AuxiliaryHeads(maker.classes)
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    rng = np.random.default_rng(SEED)
    trained = len(maker.pixels) - VALIDATION_PICTURES
    warmup = 0 if arguments.blind else arguments.vision_steps
    began = time.monotonic()
    for step in range(warmup + arguments.steps):
        looking = step < warmup
        size = 2 * PICTURES if looking else PICTURES
        batch = maker.draw(rng, rng.integers(trained, size=size), QUESTIONS_EACH)
        phase, length = (step, warmup) if looking else (step - warmup, arguments.steps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(phase, length)
        patches = see(model, batch.pixels, arguments.blind)
        loss = torch.zeros(())
        if not arguments.blind:
            auxiliary = heads.loss(patches, batch.auxiliary)
            loss = loss + auxiliary * (1.0 if looking else AUXILIARY_WEIGHT)
        if not looking:
            target = batch.labels[batch.labels >= 0]
            loss = loss + nn.functional.cross_entropy(answer_logits(model, patches, batch), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 50 == 0:
            print(f"{time.monotonic() - began:.0f}s step {step} loss {loss.item():.3f}", flush=True)
        if not looking and (phase + 1) % 250 == 0:
            print(json.dumps(validate(model, maker, arguments.blind)), flush=True)
            if arguments.checkpoint:
                save_control(model, arguments.checkpoint)


def save_control(model: LlavaForConditionalGeneration, out: Path) -> None:
    """Write float16 weights (small) under a config that says float32 (what they are computed in)."""
    tokenizer = build_tokenizer()
    build_processor(tokenizer).save_pretrained(out)
    half = build_model(tokenizer)
    half.load_state_dict(model.state_dict())
    half.generation_config.pad_token_id = tokenizer.pad_token_id
    half.generation_config.eos_token_id = tokenizer.eos_token_id
    half.half().save_pretrained(out)
    config = json.loads((out / "config.json").read_text())
    for part in (config, config["text_config"], config["vision_config"]):
        part["dtype"] = "float32"
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    """Train and save one control."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by tools.controls.cache")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--blind", action="store_true", help="train on the same grey picture throughout")
    parser.add_argument("--vision-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, help="also save here at every validation")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    seed_positions(model)
    pixels = np.load(arguments.cache / "pixels.npy", mmap_mode="r")
    labels = json.loads((arguments.cache / "labels.json").read_text())
    train(BatchMaker(tokenizer, pixels, labels), model, arguments)
    save_control(model, arguments.out)


if __name__ == "__main__":
    main()
