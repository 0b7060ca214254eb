"""Chooses between one and two threads, again and again: beside another job one can be faster."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import torch

CYCLE = 80  # steps between trials
TRIAL = 4  # steps a trial takes, the first of which is not counted
REMEMBERED = 3


class ThreadChooser:
    def __init__(self) -> None:
        self.step = 0
        self.count = 1
        self.seconds: dict[int, list[float]] = {1: [], 2: []}

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Sets the number of threads for a step, and times it if it is part of a trial."""
        place = self.step % CYCLE
        trying = place < 2 * TRIAL
        if trying:
            self.count = 1 + place // TRIAL
        elif place == 2 * TRIAL:
            self.count = min((1, 2), key=lambda count: median(self.seconds[count]))
        torch.set_num_threads(self.count)
        start = time.monotonic()
        yield
        if trying and place % TRIAL:
            self.seconds[self.count] = [*self.seconds[self.count], time.monotonic() - start][-REMEMBERED:]
        self.step += 1
