"""Every number that shapes a training run, and how it changes while the run goes on.

Progress is the share of the run's time that has passed, 0..1: a run of any length goes through
the same stages. Figures called v2's are those of this recipe's predecessor.
"""

import math
from dataclasses import dataclass, field

from model import Config


def ramp(progress: float, start: float, end: float, first: float = 0.0, last: float = 1.0) -> float:
    """`first` until `start`, `last` from `end`, a line between."""
    share = min(1.0, max(0.0, (progress - start) / max(end - start, 1e-9)))
    return first + (last - first) * share


@dataclass(frozen=True)
class Settings:
    """Defaults are the published run's."""

    minutes: float = 170.0
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

    # Stages, as shares of the run.
    text_until: float = 0.01
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

    # Robust stage: one step of the fast gradient method, L2, on normalised pictures (norm about 133).
    radius: tuple[float, float] = (1.5, 2.5)
    radius_words: float = 0.5  # of it: letters drown sooner than drawings
    steady_loss: float = 3.0  # the radius grows to the second value only while the clean loss is below

    # Options that are off: see README.md.
    gradient_alignment: float = 0.0
    gradient_every: int = 4

    def rate(self, progress: float, step: int) -> float:
        cosine = 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))
        return self.peak_rate * min(1.0, (step + 1) / self.warm_steps) * cosine + self.last_rate

    def words_at(self, progress: float) -> int:
        """Pairs of a batch that are a drawing and a word."""
        share = ramp(progress, self.text_until, 0.12, self.word_share_early, self.word_share)
        return round(self.concepts * share)

    def strength(self, progress: float) -> float:
        """Of the augmentation: gentle first."""
        return ramp(progress, self.text_until, 0.25, 0.15, 1.0)

    def letters(self, progress: float) -> float:
        return ramp(progress, 0.20, self.robust_from, *self.letter_weight)

    def decorrelation(self, progress: float) -> float:
        return ramp(progress, 0.05, 0.10, 0.0, self.other_channels)

    def correlation(self, progress: float) -> float:
        clean, robust = self.same_channel
        early = ramp(progress, 0.10, 0.25, 0.0, clean)
        return early + ramp(progress, self.robust_from, self.robust_from + 0.05, 0.0, robust - clean)

    def is_robust(self, progress: float) -> bool:
        return self.robust_from <= progress < self.settle_from

    def attack_radius(self, progress: float, clean_loss: float) -> float:
        """Of the perturbation, at most; each picture draws 0.3..1 of it."""
        first, last = self.radius
        radius = ramp(progress, self.robust_from, self.robust_from + 0.05, 0.25 * first, first)
        if clean_loss < self.steady_loss:
            radius += ramp(progress, 0.62, 0.75, 0.0, last - first)
        return radius
