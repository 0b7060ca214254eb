"""A quick look, during training, at the validation style and fonts: nothing is chosen by it automatically."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from compose import plain_pictures
from dataset import Captions, Data
from model import CLIP
from pictures import normalise
from sources import STYLES, VALIDATION

EVERY_DRAWING, EVERY_WORD = 2, 16
BATCH = 128


class Watch:
    def __init__(self, data: Data, captions: Captions, size: int, device: torch.device) -> None:
        rows = data.of_role(VALIDATION)
        rows = rows[[STYLES[s].name == "fxemoji" for s in data.art_style[rows]]][::EVERY_DRAWING]
        words = np.flatnonzero(data.mask_role == VALIDATION)[::EVERY_WORD]
        self.names = captions.names.to(device)
        sets = {
            "drawings": (plain_pictures(data.drawings(rows), size), torch.from_numpy(data.art_concept[rows])),
            "words": (plain_pictures(data.words(words), size), torch.from_numpy(data.mask_concept[words])),
        }
        self.sets = {kind: tuple(part.to(device) for part in parts) for kind, parts in sets.items()}

    @torch.no_grad()
    def __call__(self, model: CLIP) -> dict[str, list[float]]:
        """Top-1 and top-5 in percent, among all concepts by name."""
        model.eval()
        names = F.normalize(model.encode_text(self.names), dim=-1)
        shares = {}
        for kind, (pictures, concepts) in self.sets.items():
            parts = [
                model.visual(normalise(p).contiguous(memory_format=torch.channels_last))
                for p in pictures.split(BATCH)
            ]
            place = rank(torch.cat(parts) @ names.t(), concepts)
            shares[kind] = [round(100 * (place < k).float().mean().item(), 1) for k in (1, 5)]
        model.train()
        return shares


def rank(scores: Tensor, target: Tensor) -> Tensor:
    """How many scores of a row are above the target's."""
    return (scores > scores.gather(1, target[:, None])).sum(1)
