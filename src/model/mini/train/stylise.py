"""Restyles drawings at random, so that a style that training never saw is one more of many.

Line art, flat colours, few colours, greys, thick strokes, other hues, silhouettes. What is drawn
stays; how it is drawn changes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LUMINANCE = torch.tensor([0.30, 0.59, 0.11]).view(1, 3, 1, 1)
INK = 0.12  # the lightest that a drawn outline gets
EDGE_STEP = 0.10  # luminance difference to a neighbour from which an inner edge is drawn
EDGE_GAIN = 6.0

# Shares of all drawings, at full strength.
LINES = 0.30  # gets outlines ...
EMPTIED = 0.45  # ... of these, drawn over white or the background instead of over their colours
POSTERISED, FLATTENED, GREY, HUE, THICKER, SILHOUETTE = 0.12, 0.12, 0.07, 0.06, 0.12, 0.03

GREY_AXIS = torch.full((3, 3), 1 / 3)
CROSS = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)


def spread(x: Tensor, side: int) -> Tensor:
    """The largest value within a square of odd side."""
    return F.max_pool2d(x, side, 1, side // 2)


def edges(luminance: Tensor, alpha: Tensor, side: int) -> Tensor:
    """0..1 where the outline or an inner edge runs, about `side - 1` pixels wide."""
    outline = alpha - (1 - spread(1 - alpha, side))
    inner = spread(luminance, side) + spread(-luminance, side)
    inner = ((inner - EDGE_STEP) * EDGE_GAIN / side).clamp(0, 1) * (1 - spread(1 - alpha, 3))
    return torch.maximum(outline * alpha.gt(0), inner)


def turn_hue(rgb: Tensor) -> Tensor:
    """Rotates the colours about the grey axis."""
    angle = torch.rand(len(rgb), 1, 1) * 2 * math.pi
    turn = angle.cos() * torch.eye(3) + (1 - angle.cos()) * GREY_AXIS + angle.sin() * CROSS
    return torch.einsum("bij,bjhw->bihw", turn, rgb).clamp(0, 1)


def posterise(rgb: Tensor) -> Tensor:
    levels = torch.randint(1, 4, (len(rgb), 1, 1, 1)).float()
    return (rgb * levels).round() / levels


def flatten(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Takes shading and detail away: smooth, then few levels."""
    weight = F.avg_pool2d(alpha, 5, 1, 2).clamp(min=1e-3)
    return (F.avg_pool2d(rgb * alpha, 5, 1, 2) / weight * 5).round() / 5


def draw_lines(rgb: Tensor, alpha: Tensor, ground: Tensor) -> tuple[Tensor, Tensor]:
    """Dark outlines, over the colours, over white, or with the background showing through."""
    n = len(rgb)
    luminance = (rgb * LUMINANCE).sum(1, keepdim=True) * alpha + (1 - alpha)
    thick = torch.rand(n, 1, 1, 1) < 0.5
    line = torch.where(thick, edges(luminance, alpha, 5), edges(luminance, alpha, 3))
    kind = torch.rand(n, 1, 1, 1)
    paper = torch.where(kind < EMPTIED, 0.94 + 0.06 * torch.rand(n, 3, 1, 1), rgb)
    # On a dark ground, half-transparent line art is drawn in light ink.
    dark_ground = (ground * LUMINANCE).sum(1, keepdim=True).mean((2, 3), keepdim=True) < 0.5
    empty = kind < EMPTIED / 2
    ink = INK * torch.rand(n, 3, 1, 1)
    ink = torch.where(empty & dark_ground, 1 - ink, ink)
    rgb = torch.where(empty, ink.expand_as(rgb), paper * (1 - line) + ink * line)
    return rgb, torch.where(empty, line * alpha, alpha)


def restyle(
    rgb: Tensor, alpha: Tensor, ground: Tensor, coloured: Tensor, strength: float
) -> tuple[Tensor, Tensor]:
    """Colours and alphas of drawings after a random choice of the changes; `strength` scales the shares."""
    chance = lambda share, among: (torch.rand(len(rgb)) < share * strength) & among
    everything = torch.ones_like(coloured)
    rgb, alpha = rgb.clone(), alpha.clone()
    if (m := chance(HUE, coloured)).any():
        rgb[m] = turn_hue(rgb[m])
    if (m := chance(FLATTENED, coloured)).any():
        rgb[m] = flatten(rgb[m], alpha[m])
    if (m := chance(POSTERISED, coloured)).any():
        rgb[m] = posterise(rgb[m])
    if (m := chance(GREY, coloured)).any():
        rgb[m] = (rgb[m] * LUMINANCE).sum(1, keepdim=True).expand_as(rgb[m])
    if (m := chance(THICKER, everything)).any():
        grown = spread(alpha[m], 3)
        # New pixels take the darkest colour beside them, as a thicker stroke would.
        darkest = 1 - spread((1 - rgb[m]) * (alpha[m] > 0.5), 3)
        rgb[m], alpha[m] = torch.where(alpha[m] > 0.5, rgb[m], darkest), grown
    if (m := chance(LINES, coloured)).any():
        rgb[m], alpha[m] = draw_lines(rgb[m], alpha[m], ground[m])
    if (m := chance(SILHOUETTE, coloured)).any():
        rgb[m] = INK * torch.rand(int(m.sum()), 3, 1, 1).expand_as(rgb[m])
    return rgb, alpha
