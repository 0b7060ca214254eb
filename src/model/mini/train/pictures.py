"""CLIP's normalisation."""

import torch
from torch import Tensor

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def normalise(pictures: Tensor) -> Tensor:
    """Pictures in 0..1 as the image encoder reads them."""
    mean, std = (x.to(pictures.device).view(1, 3, 1, 1) for x in (MEAN, STD))
    return (pictures - mean) / std
