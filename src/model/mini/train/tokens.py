"""CLIP's byte-pair encoding over the first merges of its vocabulary (`../merges.txt`).

Vocabulary: 256 bytes, 256 bytes that end a word, the merges, start of text, end of text.
"""

import html
from functools import cache
from pathlib import Path

import regex
import torch
from torch import Tensor

MERGES = Path(__file__).resolve().parent.parent / "merges.txt"
CONTEXT = 24
PATTERN = regex.compile(
    r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""",
    regex.IGNORECASE,
)


def byte_letters() -> dict[int, str]:
    """CLIP's printable stand-in for each byte, in vocabulary order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    return letters


class Tokenizer:
    def __init__(self, merges: Path = MERGES) -> None:
        lines = merges.read_text(encoding="utf-8").splitlines()[1:]
        pairs = [tuple(line.split()) for line in lines if line.strip()]
        self.letters = byte_letters()
        alphabet = list(self.letters.values())
        words = [*alphabet, *(a + "</w>" for a in alphabet), *("".join(p) for p in pairs)]
        self.ids = {word: i for i, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
        self.rank = {pair: i for i, pair in enumerate(pairs)}
        self.start, self.end = self.ids["<|startoftext|>"], self.ids["<|endoftext|>"]
        self.word_ids = cache(self._word_ids)

    def _word_ids(self, word: str) -> tuple[int, ...]:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pairs = set(zip(parts, parts[1:]))
            first = min(pairs, key=lambda pair: self.rank.get(pair, len(self.rank)))
            if first not in self.rank:
                break
            joined, i = [], 0
            while i < len(parts):
                match = tuple(parts[i : i + 2]) == first
                joined.append("".join(first) if match else parts[i])
                i += 2 if match else 1
            parts = joined
        return tuple(self.ids[part] for part in parts)

    def encode(self, text: str) -> list[int]:
        """Ids with start and end, at most CONTEXT."""
        clean = " ".join(html.unescape(html.unescape(text)).split()).lower()
        words = ("".join(self.letters[b] for b in word.encode()) for word in PATTERN.findall(clean))
        ids = [i for word in words for i in self.word_ids(word)]
        return [self.start, *ids[: CONTEXT - 2], self.end]

    def __call__(self, texts: list[str]) -> Tensor:
        """(texts, CONTEXT), zeros after the end."""
        rows = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
        for row, text in zip(rows, texts):
            ids = self.encode(text)
            row[: len(ids)] = torch.tensor(ids)
        return rows


def trim(ids: Tensor) -> Tensor:
    """Without the columns that are padding in every row."""
    return ids[:, : int(ids.argmax(1).max()) + 1]
