"""Runs a batch through an encoder in two halves, each on a core of its own; on a GPU whole.

A layer of a model this small is too little work for two threads, which wait for one another after
every operation; two halves of a batch meet twice a step. On two cores a step takes two thirds of
the time. Batch norm sees a half at a time. The even rows are one half, the odd ones the other, so
that both have their share of first and second views and of words.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

HALVES = 2


def parts(device: torch.device) -> int:
    return HALVES if device.type == "cpu" else 1


def split(batch: Tensor) -> list[Tensor]:
    count = parts(batch.device)
    return [batch[i::count] for i in range(count)]


def join(halves: list[Tensor]) -> Tensor:
    """The reverse of `split`."""
    return torch.stack(halves, 1).flatten(0, 1)


class Halves:
    """An encoder's outputs for both halves, and their pullbacks, for a loss that needs the whole batch."""

    def __init__(
        self, pool: ThreadPoolExecutor, encode: Callable[[Tensor], tuple[Tensor, ...]], halves: list[Tensor]
    ) -> None:
        self.pool = pool
        self.outputs = list(pool.map(encode, halves))
        # The loss stops at these, so that it is differentiated once and the encoder twice, side by side.
        self.leaves = [[y.detach().requires_grad_(True) for y in ys] for ys in self.outputs]

    def values(self) -> tuple[Tensor, ...]:
        """Of the whole batch."""
        return tuple(join(list(pair)) for pair in zip(*self.leaves))

    def pullback(self) -> None:
        """From the loss's gradients, which must have been computed, to what the encoder depends on.

        Gradients of shared parameters add up under PyTorch's own lock.
        """
        list(self.pool.map(self._pullback, self.outputs, self.leaves))

    @staticmethod
    def _pullback(outputs: tuple[Tensor, ...], leaves: list[Tensor]) -> None:
        reached = [(y, leaf.grad) for y, leaf in zip(outputs, leaves) if leaf.grad is not None]
        torch.autograd.backward([y for y, _ in reached], [gradient for _, gradient in reached])


def make_pool(device: torch.device) -> ThreadPoolExecutor:
    """A thread for each half, each computing on its own core only."""
    return ThreadPoolExecutor(parts(device), initializer=torch.set_num_threads, initargs=(1,))
