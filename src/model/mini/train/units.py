"""What the last block's units answer to: the definitions behind the published figures.

A unit's profile is its mean response to each concept, over positions, then z-scored within each
art style (or over all words) and averaged over styles. Only concepts with a printed word count. Of
a unit:
  exact        its best drawing and its best word are the same concept
  mutual       its best drawing's word is among its first FIRST words, and the reverse
Distinct concepts are those units' best drawings, counted once. The null shuffles which unit's word
profile goes with which drawing profile.
"""

import numpy as np
import torch
from torch import Tensor

FIRST = 5
SHUFFLES = 20


def profiles(units: Tensor, concepts: Tensor, groups: np.ndarray, count: int) -> Tensor:
    """(count, channels); concepts without a picture get -9, below any z-score."""
    total, seen = torch.zeros(count, units.shape[1]), torch.zeros(count, 1)
    for group in np.unique(groups):
        rows = torch.from_numpy(groups == group)
        z = (units[rows] - units[rows].mean(0)) / (units[rows].std(0) + 1e-6)
        total.index_add_(0, concepts[rows], z)
        seen.index_add_(0, concepts[rows], torch.ones(len(z), 1))
    return torch.where(seen > 0, total / seen.clamp(min=1), torch.tensor(-9.0))


def answers(profile: Tensor) -> Tensor:
    """(channels) whether a unit answers to anything: some units' ReLUs never open."""
    return profile.amax(0) > 0


def places(profile: Tensor) -> Tensor:
    """Each concept's place in each channel's order, 0 the best."""
    return profile.argsort(0, descending=True).argsort(0)


def counts(drawings: Tensor, words: Tensor) -> dict[str, int]:
    drawn, said = drawings.argmax(0), words.argmax(0)
    drawing_place, word_place = places(drawings), places(words)
    alive = answers(drawings) & answers(words)
    exact, mutual = alive & (drawn == said), mutual_units(drawings, words)
    both = (alive & (drawing_place < FIRST) & (word_place < FIRST)).any(1)
    return {
        "exact_units": int(exact.sum()),
        "mutual_units": int(mutual.sum()),
        "exact_concepts": len(drawn[exact].unique()),
        "mutual_concepts": len(drawn[mutual].unique()),
        "concepts_among_first_of_both": int(both.sum()),
    }


def standardised(profile: Tensor) -> Tensor:
    return (profile - profile.mean(0)) / (profile.std(0) + 1e-6)


def effective_rank(profile: Tensor) -> float:
    """Exponential of the entropy of the standardised profiles' squared singular values."""
    share = torch.linalg.svdvals(standardised(profile)) ** 2
    share = share / share.sum()
    share = share[share > 0]
    return float(torch.exp(-(share * share.log()).sum()))


def mutual_units(drawings: Tensor, words: Tensor) -> Tensor:
    """(channels) whether a unit is mutual."""
    channel = torch.arange(drawings.shape[1])
    drawn, said = drawings.argmax(0), words.argmax(0)
    found = (places(words)[drawn, channel] < FIRST) & (places(drawings)[said, channel] < FIRST)
    return found & answers(drawings) & answers(words)


def best_units(drawings: Tensor, words: Tensor, names: list[str]) -> list[dict]:
    """One unit for each distinct mutual concept, the surest first."""
    drawn, mutual = drawings.argmax(0), mutual_units(drawings, words)
    sureness = torch.minimum(drawings.amax(0), words.amax(0))
    found: dict[int, dict] = {}
    first = lambda profile, c: [names[i] for i in profile[:, c].topk(FIRST).indices.tolist()]
    for c in sureness.argsort(descending=True).tolist():
        if mutual[c] and int(drawn[c]) not in found:
            entry = {
                "unit": c,
                "concept": names[int(drawn[c])],
                "drawings": first(drawings, c),
                "words": first(words, c),
            }
            found[int(drawn[c])] = entry
    return list(found.values())


def summary(drawings: Tensor, words: Tensor, names: list[str], seed: int = 0) -> dict:
    """All figures of one pair of profile matrices."""
    shuffle = torch.Generator().manual_seed(seed)
    null = [
        counts(drawings, words[:, torch.randperm(words.shape[1], generator=shuffle)]) for _ in range(SHUFFLES)
    ]
    correlations = standardised(drawings).t() @ standardised(words) / (len(drawings) - 1)
    own = correlations.diagonal()
    return {
        "concepts": len(drawings),
        "silent_units": int((~(answers(drawings) & answers(words))).sum()),
        **counts(drawings, words),
        "null": {key: round(float(np.mean([n[key] for n in null])), 1) for key in null[0]},
        "effective_rank_drawings": round(effective_rank(drawings), 1),
        "effective_rank_words": round(effective_rank(words), 1),
        "correlation_drawing_word": round(float(own.mean()), 3),
        "own_word_profile_is_best_match": int((correlations.argmax(1) == torch.arange(len(own))).sum()),
        "best_units": best_units(drawings, words, names),
        "mutual": {c: names[drawings[:, c].argmax()] for c in mutual_units(drawings, words).nonzero()[:, 0].tolist()},
    }
