"""Every number that shapes a training run, and how it changes while the run goes on.

Progress is the share of the run's steps that are done, 0..1: a run of any length goes through
the same stages. A run has two parts with a learning rate of their own each: in the first the model
learns, in the second, the spreading, its units are made to answer to different things. Shares of
stages are of the part they belong to. Figures called v2's are those of this recipe's predecessor.
"""

import math
from dataclasses import dataclass, field

from model import Config

RADIUS_SIDE = 64


def ramp(progress: float, start: float, end: float, first: float = 0.0, last: float = 1.0) -> float:
    """`first` until `start`, `last` from `end`, a line between."""
    share = min(1.0, max(0.0, (progress - start) / max(end - start, 1e-9)))
    return first + (last - first) * share


@dataclass(frozen=True)
class Settings:
    """Defaults are the recipe's."""

    steps: int = 22000
    text_steps: int = 350  # of the text encoder by itself, before
    device: str = "cpu"
    workers: int = 1  # processes that compose batches
    seed: int = 0
    model: Config = field(default_factory=Config)
    bf16: bool = True  # convolutions in bfloat16 where the CPU multiplies in it: almost twice the speed

    # A batch: `concepts` pairs of two views of a concept, the last of them a drawing and a word.
    concepts: int = 64
    word_share: float = 0.6  # of the pairs; v2's value. Lower and the words are not learnt in time
    word_share_early: float = 0.3
    flag_share: float = 0.1  # at most, of both kinds of pair: or a fifth of all units become flags
    second_word: float = 0.25  # how often the second printed word, where there is one
    restyled: float = 1.0  # scales all of stylise.py's shares; 0 switches it off

    # One AdamW and one cosine over the whole run.
    peak_rate: float = 1.5e-3
    last_rate: float = 1e-6
    warm_steps: int = 60
    weight_decay: float = 0.08
    betas: tuple[float, float] = (0.9, 0.98)
    text_rate: float = 0.2  # of the rate: pretrained, so slower
    attnpool_rate: float = 0.5
    clip: float = 2.0

    # The second part: it starts at this share of the run. Without it a unit in three repeated another
    # one (effective rank 35 of the drawings, 58 distinct concepts), whatever the first part's weights;
    # without the loss on peaks there were 91 distinct concepts, with it 274, with its contrast of units over 500.
    spread_from: float = 0.42
    spread_rate: float = 1e-3
    spread_same_channel: float = 3.0
    spread_other_channels: float = 0.15
    spread_peaks: float = 2.0
    spread_contrast: float = 0.3  # of the loss on peaks: no other unit is to answer more
    spread_radius: float = 8.0  # of the perturbation, see `radius`; it goes for the matched units, too

    # Stages of the first part, as shares of it; the second is robust until it settles.
    robust_from: float = 0.41
    settle_from: float = (
        0.96  # clean pictures at almost no rate: batch norm's averages become those of clean pictures
    )

    # Losses. The channel losses' weights are v2's; much more made it diverge, running statistics for
    # the diagonal did too, and the logarithm of the off-diagonal fought the diagonal.
    bank_weight: float = 0.5
    batch_weight: float = 0.25
    bank_every: int = 15  # steps between refreshments of the caption bank
    label_smoothing: float = 0.03
    pooled_weight: float = 1.0
    letter_weight: tuple[float, float] = (1.0, 0.15)
    same_channel: tuple[float, float] = (3.0, 6.0)  # clean, robust
    other_channels: float = 0.03
    other_channels_words: float = 0.7  # of it, for words
    correlation_momentum: float = 0.96

    # Robust stage: one step of the fast gradient method, L2, on normalised pictures. Radii are for
    # RADIUS_SIDE pixels (norm about 133) and grow with the side, as the norm does.
    radius: tuple[float, float] = (1.5, 2.5)
    radius_words: float = 0.5  # of it: letters drown sooner than drawings
    steady_loss: float = 3.0  # the radius grows to the second value only while the clean loss is below

    def learning(self, progress: float) -> float:
        """Progress of the first part."""
        return min(1.0, progress / self.spread_from)

    def spreading(self, progress: float) -> float:
        """Progress of the second part."""
        return ramp(progress, self.spread_from, 1.0)

    def rate(self, progress: float, step: int) -> float:
        if spreading := self.spreading(progress):
            warm, peak, progress = ramp(spreading, 0.0, 0.02), self.spread_rate, spreading
        else:
            warm, peak, progress = (step + 1) / self.warm_steps, self.peak_rate, self.learning(progress)
        return peak * min(1.0, warm) * (0.5 + 0.5 * math.cos(math.pi * progress)) + self.last_rate

    def words_at(self, progress: float) -> int:
        """Pairs of a batch that are a drawing and a word."""
        learning = self.learning(progress)
        share = ramp(learning, 0.0, 0.12, self.word_share_early, self.word_share)
        return round(self.concepts * share)

    def strength(self, progress: float) -> float:
        """Of the augmentation: gentle first."""
        return ramp(self.learning(progress), 0.0, 0.25, 0.15, 1.0)

    def letters(self, progress: float) -> float:
        return ramp(self.learning(progress), 0.20, self.robust_from, *self.letter_weight)

    def decorrelation(self, progress: float) -> float:
        first = ramp(self.learning(progress), 0.05, 0.10, 0.0, self.other_channels)
        more = self.spread_other_channels - self.other_channels
        return first + ramp(self.spreading(progress), 0.02, 0.15, 0.0, more)

    def correlation(self, progress: float) -> float:
        if self.spreading(progress):
            return self.spread_same_channel
        clean, robust = self.same_channel
        learning = self.learning(progress)
        early = ramp(learning, 0.10, 0.25, 0.0, clean)
        return early + ramp(learning, self.robust_from, self.robust_from + 0.05, 0.0, robust - clean)

    def peaks(self, progress: float) -> float:
        return ramp(self.spreading(progress), 0.02, 0.15, 0.0, self.spread_peaks)

    def is_robust(self, progress: float) -> bool:
        part = self.spreading(progress) or self.learning(progress)
        return part < self.settle_from and self.robust_from <= self.learning(progress)

    def attack_radius(self, progress: float, clean_loss: float) -> float:
        """Of the perturbation, at most; each picture draws 0.3..1 of it."""
        first, last = self.radius
        learning = self.learning(progress)
        radius = ramp(learning, self.robust_from, self.robust_from + 0.05, 0.25 * first, first)
        if clean_loss < self.steady_loss:
            radius += ramp(learning, 0.62, 0.75, 0.0, last - first)
            radius += ramp(self.spreading(progress), 0.02, 0.3, 0.0, self.spread_radius - last)
        return radius * self.model.image_resolution / RADIUS_SIDE
