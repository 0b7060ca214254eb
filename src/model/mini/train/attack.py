"""The perturbation of the robust stage."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from halves import Halves, join, split
from losses import Views, bank_loss, pooled_loss, see
from model import CLIP
from settings import Settings

UnitLoss = Callable[[Views], Tensor]  # of the matched units: their pictures are to be readable

LEAST_RADIUS = 0.3  # of the largest: pictures draw their radius evenly from here to 1


class Attack:
    """Raises the bank loss, the units' contrast and the units' own loss, as they are when the model is used."""

    def __init__(self, model: CLIP, settings: Settings, bf16: bool, pool: ThreadPoolExecutor) -> None:
        self.model, self.settings, self.bf16, self.pool = model, settings, bf16, pool

    def gradient(
        self, pictures: Tensor, concepts: Tensor, bank: Tensor, pooled: Tensor, peaks: UnitLoss
    ) -> tuple[Tensor, float]:
        """By the normalised pictures; and the unperturbed bank loss."""
        leaves = [half.detach().requires_grad_(True) for half in split(pictures)]
        halves = Halves(self.pool, lambda x: see(self.model.visual, x, self.bf16), leaves)
        views = Views(*halves.values())
        named = bank_loss(views, bank, concepts, self.model.logit_scale.exp())
        contrast = self.settings.pooled_weight * pooled_loss(views, pooled)
        (named + contrast + peaks(views)).backward()
        halves.pullback()
        return join([leaf.grad for leaf in leaves]), named.item()

    def step(
        self, pictures: Tensor, concepts: Tensor, bank: Tensor, pooled: Tensor, peaks: UnitLoss
    ) -> tuple[Tensor, float]:
        """A step of length 1 up the loss for each picture, with batch norm's averages; and the clean loss."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.model.eval()
        for p in parameters:
            p.requires_grad_(False)
        gradient, clean = self.gradient(pictures, concepts, bank, pooled.detach(), peaks)
        for p in parameters:
            p.requires_grad_(True)
        self.model.train()
        return gradient / (gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-12), clean

    def radii(self, largest: float, count: int, worded: int) -> Tensor:
        """How far each picture is moved; printed words, the last ones, less far."""
        radius = largest * (LEAST_RADIUS + (1 - LEAST_RADIUS) * torch.rand(count, 1, 1, 1))
        radius[count - worded :] *= self.settings.radius_words
        return radius
