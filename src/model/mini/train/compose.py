"""Puts drawings and words on backgrounds, for training (at random) and for evaluation (on white)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from stylise import restyle

LUMINANCE = torch.tensor([0.30, 0.59, 0.11])
LEAST_CONTRAST = 0.38  # between the luminances of a one-coloured layer and its background
FILL = 0.94  # share of the side that an evaluation picture's layer fills
OCTAVES = ((2, 1.0), (4, 0.7), (8, 0.5), (16, 0.35), (32, 0.2))  # sides and weights of the 1/f clouds


def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape)


def per_picture(values: Tensor) -> Tensor:
    return values.view(-1, *[1] * 3)


def random_affine(
    n: int, turn: float, scale: tuple[float, float], shift: float, shear: float, aspect: float, flip: Tensor
) -> Tensor:
    """(n, 2, 3) sampling maps: turn in degrees, shift in half sides."""
    angle, size = uniform(n) * math.radians(turn), uniform(n, low=scale[0], high=scale[1])
    stretch, slant = 1 + uniform(n) * aspect, uniform(n) * shear
    sign = torch.where(flip, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    rows = [
        torch.stack([cos / (size * stretch) * sign, slant - sin / size], 1),
        torch.stack([sin / size, cos * stretch / size], 1),
    ]
    linear = torch.stack(rows, 1)
    return torch.cat([linear, -linear @ (uniform(n, 2) * shift)[:, :, None]], 2)


def sample(layer: Tensor, theta: Tensor, size: int) -> Tensor:
    grid = F.affine_grid(theta, [len(layer), layer.shape[1], size, size], align_corners=False)
    return F.grid_sample(layer, grid, align_corners=False)


def colours(n: int) -> Tensor:
    """(n, 3): a quarter greys, a fifth dark, a fifth light, the rest any."""
    colour, kind, grey = torch.rand(n, 3), torch.rand(n, 1), torch.rand(n, 1).expand(-1, 3)
    colour = torch.where(kind < 0.25, grey, colour)
    colour = torch.where((kind > 0.25) & (kind < 0.45), colour * 0.35, colour)
    return torch.where((kind > 0.45) & (kind < 0.65), 1 - (1 - colour) * 0.3, colour)


def gradients(n: int, size: int, base: Tensor) -> Tensor:
    axis = torch.linspace(-1, 1, size)
    angle = torch.rand(n, 1, 1) * 2 * math.pi
    ramp = (0.5 + 0.5 * (axis[None, None] * angle.cos() + axis[None, :, None] * angle.sin())).clamp(0, 1)[
        :, None
    ]
    return base * (1 - ramp) + colours(n)[:, :, None, None] * ramp


def clouds(n: int, size: int, base: Tensor) -> Tensor:
    """1/f noise, grey and coloured: as near to a photograph as a background gets here."""
    total = torch.zeros(n, 3, size, size)
    for side, weight in OCTAVES:
        noise = torch.randn(n, 3, side, side) * 0.6 + torch.randn(n, 1, side, side) * 0.8
        total += weight * F.interpolate(noise, size=(size, size), mode="bilinear")
    return (base * 0.6 + 0.2 + 0.16 * total * uniform(n, 1, 1, 1, low=0.3, high=1.2)).clamp(0, 1)


def clutter(n: int, size: int, base: Tensor, others: Tensor) -> Tensor:
    """Blown-up, blurred and faded parts of other drawings."""
    layer = F.avg_pool2d(torch.cat([others[:, :3] * others[:, 3:], others[:, 3:]], 1), 3)
    theta = random_affine(n, 180, (1.2, 2.5), 0.8, 0.2, 0.12, torch.rand(n) < 0.5)
    layer = sample(layer, theta, size)
    return (base * (1 - layer[:, 3:]) + layer[:, :3]) * 0.7 + 0.3 * colours(n)[:, :, None, None]


def backgrounds(n: int, size: int, strength: float, others: Tensor) -> Tensor:
    """One kind of background a picture; the busier kinds come with strength (0..1)."""
    ground = colours(n)[:, :, None, None].expand(-1, -1, size, size).clone()
    kind = torch.rand(n) * (0.6 + 0.4 * strength)
    white = kind < 0.22
    ground[white] = 1 - 0.04 * torch.rand(int(white.sum()), 1, 1, 1)
    for low, high, make in ((0.40, 0.58, gradients), (0.58, 0.80, clouds)):
        chosen = (kind >= low) & (kind < high)
        ground[chosen] = make(int(chosen.sum()), size, ground[chosen])
    chosen = kind >= 0.80
    if chosen.any():
        count = int(chosen.sum())
        ground[chosen] = clutter(count, size, ground[chosen], others[torch.randint(len(others), (count,))])
    return ground


def readable(colour: Tensor, ground: Tensor) -> Tensor:
    """The colours, pushed to white or black where they would not stand out."""
    light, dark = (colour * LUMINANCE).sum(1), (ground.mean((2, 3)) * LUMINANCE).sum(1)
    close, on_dark = ((light - dark).abs() < LEAST_CONTRAST)[:, None], (dark < 0.5)[:, None]
    return torch.where(close & on_dark, 1 - 0.25 * colour, torch.where(close, 0.25 * colour, colour))


def jitter_colours(rgb: Tensor) -> Tensor:
    """Mixes the channels a little, changes contrast and brightness."""
    n = len(rgb)
    mix = torch.eye(3) + 0.12 * torch.randn(n, 3, 3)
    rgb = torch.einsum("bij,bjhw->bihw", mix / mix.sum(2, keepdim=True), rgb)
    return ((rgb - 0.5) * uniform(n, 1, 1, 1, low=0.75, high=1.25) + 0.5 + 0.12 * uniform(n, 1, 1, 1)).clamp(
        0, 1
    )


def drawing_layers(
    art: Tensor, monochrome: Tensor, may_flip: Tensor, ground: Tensor, strength: float, restyled: float
) -> Tensor:
    """Drawings as premultiplied RGBA layers, moved, recoloured and restyled at random."""
    n, size = len(art), ground.shape[-1]
    flip = may_flip & (torch.rand(n) < 0.5)
    scale = (0.9 - 0.22 * strength, 1.06)
    theta = random_affine(
        n,
        5 + 9 * strength,
        scale,
        0.04 + 0.08 * strength,
        0.03 + 0.05 * strength,
        0.05 + 0.05 * strength,
        flip,
    )
    layer = sample(torch.cat([art[:, :3] * art[:, 3:], art[:, 3:]], 1), theta, size)
    alpha = layer[:, 3:]
    rgb = jitter_colours(layer[:, :3] / alpha.clamp(min=1e-3))
    ink = readable(colours(n), ground)[:, :, None, None]
    black = (torch.rand(n) < 0.35) & (ground.mean((1, 2, 3)) > 0.5)  # as published, where that can be seen
    rgb = torch.where(per_picture(monochrome & ~black), ink, rgb)
    rgb, alpha = restyle(rgb, alpha, ground, ~monochrome, restyled * strength)
    return torch.cat([rgb * alpha, alpha], 1)


def word_layers(masks: Tensor, ground: Tensor, strength: float) -> Tensor:
    """Words as premultiplied RGBA layers: gentler moves, they have to stay readable."""
    n, move = len(masks), 0.6 * strength
    none = torch.zeros(n, dtype=torch.bool)
    scale = (0.96 - 0.18 * move, 1.02 + 0.02 * move)
    theta = random_affine(
        n, 1 + 5 * move, scale, 0.02 + 0.07 * move, 0.01 + 0.05 * move, 0.02 + 0.06 * move, none
    )
    alpha = sample(masks, theta, ground.shape[-1])
    return torch.cat([readable(colours(n), ground)[:, :, None, None] * alpha, alpha], 1)


def spoil(pictures: Tensor, strength: float) -> Tensor:
    """Blur, contrast, brightness and noise of a whole picture."""
    n = len(pictures)
    blurred = torch.rand(n) < 0.15
    if blurred.any():
        pictures[blurred] = F.avg_pool2d(F.pad(pictures[blurred], (1, 1, 1, 1), mode="replicate"), 3, 1)
    pictures = (pictures - 0.5) * uniform(n, 1, 1, 1, low=0.8, high=1.2) + 0.5 + 0.1 * uniform(n, 1, 1, 1)
    noise = 0.11 * strength * torch.rand(n, 1, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.55)
    return (pictures + noise * torch.randn_like(pictures)).clamp(0, 1)


def training_pictures(
    art: Tensor,
    monochrome: Tensor,
    may_flip: Tensor,
    masks: Tensor,
    size: int,
    strength: float,
    restyled: float,
) -> Tensor:
    """Drawings, then words, (n, 3, size, size) in 0..1. `art` is RGBA and `masks` one channel, 0..1."""
    ground = backgrounds(len(art) + len(masks), size, strength, art)
    layers = [drawing_layers(art, monochrome, may_flip, ground[: len(art)], strength, restyled)]
    if len(masks):
        layers.append(word_layers(masks, ground[len(art) :], strength))
    layer = torch.cat(layers)
    return spoil(ground * (1 - layer[:, 3:]) + layer[:, :3], strength)


def plain_pictures(layers: Tensor, size: int) -> Tensor:
    """RGBA drawings, or one-channel words in black, on white, for evaluation."""
    if layers.shape[1] == 1:
        layers = torch.cat([torch.zeros(len(layers), 3, *layers.shape[2:]), layers], 1)
    theta = torch.tensor([[[1 / FILL, 0, 0], [0, 1 / FILL, 0]]]).expand(len(layers), -1, -1)
    layer = sample(torch.cat([layers[:, :3] * layers[:, 3:], layers[:, 3:]], 1), theta, size)
    return 1 - layer[:, 3:] + layer[:, :3]
