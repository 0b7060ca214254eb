"""Teaches the text encoder, before any picture, that a concept's captions belong together.

Without it the first minutes of training stay at chance. Takes about a minute; makes text.pt. Stopped and started again, it begins anew.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import checkpoint
from dataset import Captions, Data
from losses import contrast
from model import CLIP, build
from settings import Settings

BATCH = 192  # concepts
RATE, WARM_STEPS, WEIGHT_DECAY = 2e-3, 20, 0.05
SCALE = 16.0  # of the logits: fixed, so that the model's own scale starts from its own first value
REPORT_EVERY = 50


def text_parameters(model: CLIP) -> dict[str, torch.nn.Parameter]:
    return {n: p for n, p in model.named_parameters() if not n.startswith("visual.") and n != "logit_scale"}


def pretrain(work: Path, settings: Settings) -> None:
    """Writes text.pt, the text encoder's parameters."""
    torch.manual_seed(settings.seed)
    random = np.random.default_rng((settings.seed, BATCH))
    data = Data(work)
    captions = Captions(data)
    model = build(settings.model)
    parameters = text_parameters(model)
    optimiser = torch.optim.AdamW(
        parameters.values(), lr=RATE, betas=settings.betas, weight_decay=WEIGHT_DECAY
    )
    for step in range(settings.text_steps):
        progress = step / settings.text_steps
        for group in optimiser.param_groups:
            group["lr"] = (
                RATE * min(1, (step + 1) / WARM_STEPS) * (0.15 + 0.85 * math.cos(math.pi / 2 * progress))
            )
        chosen = random.choice(len(data), BATCH, replace=False)
        views = [captions.draw(chosen, random, even) for even in (True, False)]
        first, second = (F.normalize(model.encode_text(ids), dim=-1) for ids in views)
        loss = contrast(first, second, SCALE)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % REPORT_EVERY == 0:
            print(f"text {step} loss {loss.item():.3f}", flush=True)
    checkpoint.save({n: p.detach() for n, p in parameters.items()}, work / "text.pt")
