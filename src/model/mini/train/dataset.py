"""The pictures and captions of a batch, each batch a function of the seed and its number only.

So a run that was stopped goes on with the very batches that it would have had.
"""

from collections import Counter
from collections.abc import Iterator
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import concepts as concept_module
from compose import training_pictures
from settings import Settings
from sources import STYLES, TRAIN
from tokens import Tokenizer, trim

MIRRORED = {
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
}  # still the same thing in a mirror
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PAIRS = 190  # the commonest pairs of letters that the letter loss asks for


class Data:
    """What the data stages made, and who may be drawn with what probability."""

    def __init__(self, work: Path) -> None:
        self.concepts = concept_module.load(work)
        self.art = np.load(work / "art.npy", mmap_mode="r")
        index = np.load(work / "art-index.npz")
        self.art_style, self.art_concept = index["style"], index["concept"]
        self.masks = np.load(work / "words.npy", mmap_mode="r")
        index = np.load(work / "words-index.npz")
        self.mask_concept, self.mask_place, self.mask_role = index["concept"], index["place"], index["role"]
        self.flags = np.array([c.is_flag for c in self.concepts])
        self.core = np.array([bool(c.printed) for c in self.concepts])
        self.mirrored = np.array([c.category in MIRRORED and "clock" not in c.name for c in self.concepts])
        self.monochrome = np.array([STYLES[s].monochrome for s in self.art_style])

    def __len__(self) -> int:
        return len(self.concepts)

    def of_role(self, role: str) -> np.ndarray:
        """Rows of `art` whose style has the role."""
        roles = np.array([style.role for style in STYLES])
        return np.flatnonzero(roles[self.art_style] == role)

    def drawings(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(self.art[rows]).float() / 255

    def words(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(self.masks[rows]).float()[:, None] / 255


class Captions:
    """Tokens of every caption of every concept."""

    def __init__(self, data: Data) -> None:
        tokenizer = Tokenizer()
        lists = [concept_module.captions(c) for c in data.concepts]
        self.ids = [tokenizer([text for text, _ in texts]) for texts in lists]
        self.odds = [np.array([w for _, w in texts]) / sum(w for _, w in texts) for texts in lists]
        self.names = tokenizer([c.name for c in data.concepts])

    def draw(self, chosen: np.ndarray, random: np.random.Generator, even: bool = False) -> Tensor:
        """One caption for each chosen concept; `even` ignores how often each should come."""
        rows = [
            self.ids[c][random.choice(len(self.odds[c]), p=None if even else self.odds[c])] for c in chosen
        ]
        return trim(torch.stack(rows))


class LetterTargets:
    """Which letters and pairs of letters a printed word has."""

    def __init__(self, data: Data) -> None:
        words = [[w.replace("\n", " ") for w in c.printed] for c in data.concepts]
        pairs = Counter(w[i : i + 2] for ws in words for w in ws for i in range(len(w) - 1))
        grams = [*LETTERS, *(p for p, _ in pairs.most_common() if " " not in p)][: len(LETTERS) + PAIRS]
        self.count = len(grams)
        self.table = [torch.tensor([[g in w for g in grams] for w in ws], dtype=torch.uint8) for ws in words]

    def __call__(self, concepts: np.ndarray, places: np.ndarray) -> Tensor:
        return torch.stack([self.table[c][p] for c, p in zip(concepts, places)])


class Batches(torch.utils.data.IterableDataset):
    """An endless stream from batch `first` on; `progress` is shared with the training process."""

    def __init__(self, work: Path, settings: Settings, first: int, progress: Synchronized) -> None:
        self.work, self.settings, self.first, self.progress = work, settings, first, progress

    def prepare(self) -> None:
        self.data = Data(self.work)
        self.captions = Captions(self.data)
        self.letters = LetterTargets(self.data)
        weights = np.array([style.weight for style in STYLES])[self.data.art_style]
        count = range(len(self.data))
        rows = self.data.of_role(TRAIN)
        order = rows[np.argsort(self.data.art_concept[rows], kind="stable")]
        self.art_of = np.split(order, np.searchsorted(self.data.art_concept[order], count[1:]))
        self.art_odds = [weights[r] / weights[r].sum() for r in self.art_of]
        readable = np.flatnonzero(self.data.mask_role == TRAIN)
        self.masks_of = {}
        for c in np.flatnonzero(self.data.core):
            own = readable[self.data.mask_concept[readable] == c]
            place = self.data.mask_place[own]
            self.masks_of[c] = [own[place == p] for p in range(place.max() + 1)]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        torch.set_num_threads(1)  # the other core trains
        self.prepare()
        worker = torch.utils.data.get_worker_info()  # they take turns
        number = self.first + worker.id
        while True:
            yield self.batch(number, self.progress.value)
            number += worker.num_workers

    def pick(self, among: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        """`count` different concepts, at most the flags' share of them flags."""
        shuffled = random.permutation(among)
        flag = self.data.flags[shuffled]
        allowed = ~flag | (np.cumsum(flag) <= round(self.settings.flag_share * count))
        return shuffled[allowed][:count]

    def mask(self, concept: int, random: np.random.Generator) -> int:
        places = self.masks_of[concept]
        second = len(places) > 1 and random.random() < self.settings.second_word
        return random.choice(places[int(second)])

    def batch(self, number: int, progress: float) -> dict[str, Tensor]:
        """Pairs of drawings, then pairs of a drawing and a word; first views, then second views."""
        settings, data = self.settings, self.data
        random = np.random.default_rng((settings.seed, number))
        torch.manual_seed(int(random.integers(2**62)))
        n, worded = settings.concepts, settings.words_at(progress)
        spoken = self.pick(np.flatnonzero(data.core), worded, random)
        drawn = self.pick(np.setdiff1d(np.arange(len(data)), spoken), n - worded, random)
        chosen = np.concatenate([drawn, spoken])
        art = np.array([random.choice(self.art_of[c], p=self.art_odds[c]) for c in (*chosen, *drawn)])
        masks = np.array([self.mask(c, random) for c in spoken])
        pictures = training_pictures(
            data.drawings(art),
            torch.from_numpy(data.monochrome[art]),
            torch.from_numpy(data.mirrored[data.art_concept[art]]),
            data.words(masks),
            settings.model.image_resolution,
            settings.strength(progress),
            settings.restyled,
        )
        return {
            "pictures": (pictures * 255).round().to(torch.uint8),
            "captions": self.captions.draw(chosen, random),
            "concepts": torch.from_numpy(chosen),
            "letters": self.letters(spoken, data.mask_place[masks]),
        }
