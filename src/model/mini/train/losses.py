"""The losses of a batch.

A batch has n concepts, two views each: pictures 0..n-1 are the first views, n..2n-1 the second.
The last `w` second views are printed words, all others are drawings.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

MOST_SCALE = 100.0  # CLIP's limit
MOST_POOLED_SCALE = 20.0
FEW_LETTERS = 12.0  # divides the letter loss: about as many targets as a word has
PEAK = 5.0  # deviations, about the most that one picture of forty can have
CONTRAST_SCALE = 2.5  # of deviations: a peak stands out from hundreds of channels of noise
PEAK_FROM = 0.5  # deviations above a channel's mean from which on a matched concept is driven
MATCH_EVERY = 50  # steps
PROFILE_MOMENTUM = 0.7  # a concept is met about every thirtieth step
SPREAD_FLOOR = 0.05  # of a channel's mean, added to its deviation: rare channels must not be blown up


class Views(NamedTuple):
    """What the image encoder made of a batch."""

    third: Tensor  # the third stage's maps
    last: Tensor  # the last block's maps, the units
    embedding: Tensor  # unit length

    @property
    def units(self) -> Tensor:
        """(pictures, channels): the units' means over positions."""
        return self.last.mean((2, 3))


def see(visual: nn.Module, pictures: Tensor, bf16: bool) -> Views:
    """Runs the image encoder; what follows the convolutions is in single precision."""
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    with torch.autocast(pictures.device.type, torch.bfloat16, enabled=bf16):
        third = visual.third(pictures)
        last = visual.layer4(third)
    third, last = third.float(), last.float()
    return Views(third, last, F.normalize(visual.attnpool(last), dim=-1))


def contrast(a: Tensor, b: Tensor, scale: Tensor | float) -> Tensor:
    """CLIP's loss: each row finds its partner among the other's rows, both ways."""
    logits, target = scale * a @ b.t(), torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2


def bank_loss(views: Views, bank: Tensor, concepts: Tensor, scale: Tensor, smoothing: float = 0.0) -> Tensor:
    """Each picture finds its concept among captions of all concepts.

    The bank is detached and refreshed now and then. Live captions must not be mixed into it: the
    loss then falls by telling live columns from stale ones.
    """
    return F.cross_entropy(scale * views.embedding @ bank.t(), concepts.repeat(2), label_smoothing=smoothing)


def batch_loss(views: Views, captions: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss within the batch, for either view."""
    first, second = views.embedding.chunk(2)
    return (contrast(first, captions, scale) + contrast(second, captions, scale)) / 2


def pooled_loss(views: Views, scale: Tensor) -> Tensor:
    """The units' own contrast: the two views of a concept find each other."""
    first, second = F.normalize(views.units, dim=-1).chunk(2)
    return contrast(first, second, scale)


class LetterHead(nn.Module):
    """Reads letters and pairs of letters off the third stage, to get words started; thrown away later."""

    def __init__(self, channels: int, letters: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * channels, letters)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.constant_(self.linear.bias, -2.0)

    def forward(self, views: Views, letters: Tensor) -> Tensor:
        maps = views.third[-len(letters) :]
        logits = self.linear(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))
        loss = F.binary_cross_entropy_with_logits(logits, letters.float(), reduction="none")
        return loss.sum(1).mean() / FEW_LETTERS


def standardise(units: Tensor) -> Tensor:
    """Each channel's deviations from its mean over the batch."""
    floor = SPREAD_FLOOR * units.mean().detach() + 1e-4
    return (units - units.mean(0)) / (units.std(0) + floor)


class PeakLoss(nn.Module):
    """Makes each unit answer more to one concept of its own, drawn and written.

    Correlation alone is content with units that answer a little to many concepts, and with several
    units for one concept. This keeps a running profile of every unit, its deviations for each concept
    drawn and for each concept written. Units and concepts are matched one to one so that the matched
    units' profiles, the lesser of both, are largest in sum; both views of a concept are driven towards
    PEAK deviations in its own unit, the more it stands out there already, and by a cross-entropy over
    all units' deviations to be its own unit's more than any other's.
    """

    def __init__(self, concepts: int, channels: int, contrast: float) -> None:
        super().__init__()
        self.contrast = contrast
        for kind in ("drawings", "words"):
            self.register_buffer(kind, torch.zeros(concepts, channels))
        self.register_buffer("owned", torch.full((concepts,), -1))  # the concept's unit
        self.until_match = 0

    def match(self) -> None:
        concepts, units = linear_sum_assignment(torch.minimum(self.drawings, self.words).cpu().numpy(), maximize=True)
        owned = torch.full(self.owned.shape, -1)
        owned[torch.from_numpy(concepts)] = torch.from_numpy(units)
        self.owned.copy_(owned)

    @torch.no_grad()
    def learn(self, views: Views, concepts: Tensor) -> None:
        """Updates the profiles, and every MATCH_EVERY steps the matching."""
        drawings, words = (standardise(v[-len(concepts) :]) for v in views.units.chunk(2))
        for kind, now in (("drawings", drawings), ("words", words)):
            profile = getattr(self, kind)
            profile[concepts] = torch.lerp(now, profile[concepts], PROFILE_MOMENTUM)
        if self.until_match == 0:
            self.match()
        self.until_match = (self.until_match or MATCH_EVERY) - 1

    def forward(self, views: Views, concepts: Tensor) -> Tensor:
        """`concepts`: of the pairs of a drawing and a word, the last of the batch."""
        first, second = (standardise(v[-len(concepts) :]) for v in views.units.chunk(2))
        unit = self.owned[concepts]
        rows = torch.arange(len(concepts), device=unit.device)[unit >= 0]
        unit, owner = unit[rows], concepts[rows]
        weight = F.relu(torch.minimum(self.drawings[owner, unit], self.words[owner, unit]) - PEAK_FROM)
        missing = F.relu(PEAK - first[rows, unit]) + F.relu(PEAK - second[rows, unit])
        loss = missing / (2 * PEAK)
        if self.contrast:
            others = [F.cross_entropy(CONTRAST_SCALE * v[rows], unit, reduction="none") for v in (first, second)]
            loss = loss + self.contrast * (others[0] + others[1]) / 2
        return (weight * loss).sum() / (weight.sum() + 1.0)


class ChannelLoss(nn.Module):
    """Makes each unit answer alike to both views of a concept, and unlike every other unit.

    Same channel: its correlation between two views, over the batch, goes to 1, for drawing and
    word and for drawing and drawing. Other channels: the batch's correlations times a running,
    detached correlation matrix, one for drawings and one for words, go to 0. Without the second
    term a handful of concepts takes hundreds of units. Statistics of the first are the batch's:
    with running ones it diverged.
    """

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        for kind in ("drawings", "words"):
            self.register_buffer(kind, torch.zeros(channels, channels))
        self.register_buffer("started", torch.tensor(False))

    def decorrelate(self, kind: str, units: Tensor) -> Tensor:
        now = units.t() @ units / len(units)
        running = getattr(self, kind)
        with torch.no_grad():
            running.copy_(torch.lerp(running, now, torch.where(self.started, 1 - self.momentum, 1.0)))
        others = running - torch.diag(running.diagonal())
        return 2 * (others * now).sum() / len(now)

    def forward(self, views: Views, worded: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Same-channel loss, other-channel losses (drawings, words), and the correlation drawing-word."""
        first, second = views.units.chunk(2)
        drawn = len(first) - worded
        a, b = standardise(first[:drawn]), standardise(second[:drawn])
        pictured, printed = standardise(first[drawn:]), standardise(second[drawn:])
        across, within = (pictured * printed).mean(0), (a * b).mean(0)
        same = (1 - across).pow(2).mean() + 0.5 * (1 - within).pow(2).mean()
        drawings = self.decorrelate("drawings", torch.cat([pictured, a, b]))
        words = self.decorrelate("words", printed)
        self.started.fill_(True)
        return same, drawings, words, across.mean().detach()
