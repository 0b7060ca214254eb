"""The training itself: clean stage, robust stage, settling. Makes checkpoint.pt, in the end model.pt.

May be stopped at any moment: the checkpoint, written every CHECKPOINT_SECONDS, holds model,
optimiser, running statistics, step, elapsed time and random state; batches depend on the
seed, their number and the progress. The same command goes on.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from multiprocessing import Value
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import checkpoint
from attack import Attack
from dataset import Batches, Captions, Data, LetterTargets
from halves import Halves, make_pool, split
from losses import (
    MOST_POOLED_SCALE,
    MOST_SCALE,
    ChannelLoss,
    LetterHead,
    PeakLoss,
    Views,
    bank_loss,
    batch_loss,
    pooled_loss,
    see,
)
from model import build
from optimiser import make_optimiser
from pictures import normalise
from settings import Settings
from watch import Watch

CHECKPOINT_SECONDS = 120
LONGEST_STEP = 10.0  # seconds: more means that the run was stopped, or the computer asleep
WATCH_SECONDS = 400
REPORT_EVERY = 50  # steps
PREFETCH = 6  # batches, so that the trainer does not wait while other jobs hold a core
FIRST_POOLED_SCALE = 10.0
CLEAN_MEMORY = 0.98  # momentum of the clean loss that decides on the radius
BANK_PART = 256  # captions encoded at a time


@dataclass
class State:
    """How far a run is."""

    step: int = 0
    elapsed: float = 0.0  # seconds of training, over all starts
    clean_loss: float = math.inf  # moving average of the unperturbed bank loss


class Trainer:
    def __init__(self, work: Path, settings: Settings) -> None:
        self.work, self.settings = work, settings
        torch.manual_seed(settings.seed)
        self.device = torch.device(settings.device)
        is_fast = self.device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
        self.bf16 = settings.bf16 and is_fast
        self.data = Data(work)
        self.captions = Captions(self.data)
        self.model = build(settings.model)
        self.pool = make_pool(self.device)
        self.attack = Attack(self.model, settings, self.bf16, self.pool)
        self.letter_head = LetterHead(16 * settings.model.vision_width, LetterTargets(self.data).count)
        self.channel_loss = ChannelLoss(settings.model.last_channels, settings.correlation_momentum)
        self.peak_loss = PeakLoss(
            len(self.data), settings.model.last_channels, settings.spread_contrast
        )
        self.pooled_scale = nn.Parameter(torch.tensor(math.log(FIRST_POOLED_SCALE)))
        self.model.load_state_dict(torch.load(work / "text.pt"), strict=False)
        for part in (self.model, self.letter_head, self.channel_loss, self.peak_loss):
            part.to(self.device)
        self.pooled_scale.data = self.pooled_scale.data.to(self.device)
        self.optimiser = make_optimiser(self.model, self.letter_head, self.pooled_scale, settings)
        self.state = State()
        self.bank = torch.empty(0)
        self.sums: dict[str, float | Tensor] = {}
        if (work / "checkpoint.pt").exists():
            self.resume()

    @property
    def progress(self) -> float:
        return self.state.step / self.settings.steps

    def parts(self) -> dict:
        """Everything with a state_dict."""
        return {
            "model": self.model,
            "optimiser": self.optimiser,
            "letter_head": self.letter_head,
            "channel_loss": self.channel_loss,
            "peak_loss": self.peak_loss,
        }

    def save(self, name: str) -> None:
        saved = {key: part.state_dict() for key, part in self.parts().items()}
        saved |= {
            "pooled_scale": self.pooled_scale.detach(),
            "bank": self.bank,
            "random": torch.get_rng_state(),
            "state": asdict(self.state),
            "config": self.settings.model.as_dict(),
            "settings": asdict(self.settings),
        }
        checkpoint.save(saved, self.work / name)

    def resume(self) -> None:
        saved = checkpoint.load(self.work / "checkpoint.pt")
        for key, part in self.parts().items():
            part.load_state_dict(saved[key])
        self.pooled_scale.data.copy_(saved["pooled_scale"])
        self.bank = saved["bank"].to(self.device)
        torch.set_rng_state(saved["random"])
        self.state = State(**saved["state"])
        print(f"goes on at step {self.state.step}, {self.state.elapsed / 60:.1f} min", flush=True)

    def pooled(self) -> Tensor:
        return self.pooled_scale.exp().clamp(max=MOST_POOLED_SCALE)

    def refresh_bank(self) -> None:
        random = np.random.default_rng((self.settings.seed, self.state.step, 1))
        ids = self.captions.draw(np.arange(len(self.data)), random)
        with_no_graph = torch.no_grad()(self.read)  # each thread has its own switch for graphs
        parts = ids.to(self.device).split(BANK_PART)
        self.bank = torch.cat([part for (part,) in self.pool.map(with_no_graph, parts)])

    def look(self, pictures: Tensor) -> Views:
        return see(self.model.visual, pictures, self.bf16)

    def read(self, ids: Tensor) -> tuple[Tensor]:
        return (F.normalize(self.model.encode_text(ids), dim=-1),)

    def perturb(self, pictures: Tensor, concepts: Tensor, worded: int) -> Tensor:
        """One step of the fast gradient method, its length set by the progress."""
        state = self.state
        share = self.settings.peaks(self.progress)
        direction, clean = self.attack.step(
            pictures,
            concepts,
            self.bank,
            self.pooled(),
            lambda views: share * self.peak_loss(views, concepts[-worded:]),
        )
        known = math.isfinite(state.clean_loss)
        state.clean_loss = CLEAN_MEMORY * state.clean_loss + (1 - CLEAN_MEMORY) * clean if known else clean
        radius = self.attack.radii(
            self.settings.attack_radius(self.progress, state.clean_loss), len(pictures), worded
        )
        self.note(radius=radius.mean(), clean=clean)
        return pictures + radius.to(self.device) * direction

    def loss(self, views: Views, captions: Tensor, batch: dict[str, Tensor]) -> Tensor:
        settings, progress = self.settings, self.progress
        worded, scale = len(batch["letters"]), self.model.logit_scale.exp()
        bank = bank_loss(views, self.bank, batch["concepts"], scale, settings.label_smoothing)
        pairs = batch_loss(views, captions, scale)
        pooled = pooled_loss(views, self.pooled())
        letters = self.letter_head(views, batch["letters"])
        same, drawings, words, correlation = self.channel_loss(views, worded)
        self.peak_loss.learn(views, batch["concepts"][-worded:])
        peaks = self.peak_loss(views, batch["concepts"][-worded:])
        found = (views.embedding[-worded:] @ self.bank.t()).argmax(1) == batch["concepts"][-worded:]
        self.note(
            bank=bank,
            pairs=pairs,
            pooled=pooled,
            letters=letters,
            corr=correlation,
            peaks=peaks,
            offd=drawings,
            offw=words,
            words=found.float().mean(),
        )
        others = drawings + settings.other_channels_words * words
        return (
            settings.bank_weight * bank
            + 2 * settings.batch_weight * pairs
            + settings.pooled_weight * pooled
            + settings.letters(progress) * letters
            + settings.correlation(progress) * same
            + settings.decorrelation(progress) * others
            + settings.peaks(progress) * peaks
        )

    def train_step(self, batch: dict[str, Tensor]) -> None:
        settings = self.settings
        batch = {key: value.to(self.device) for key, value in batch.items()}
        if self.state.step % settings.bank_every == 0 or not len(self.bank):
            self.refresh_bank()
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate(self.progress, self.state.step) * group["share"]
        clean = normalise(batch["pictures"].float() / 255)
        is_robust = settings.is_robust(self.progress)
        pictures = self.perturb(clean, batch["concepts"], len(batch["letters"])) if is_robust else clean
        seen = Halves(self.pool, self.look, split(pictures))
        said = Halves(self.pool, self.read, split(batch["captions"]))
        loss = self.loss(Views(*seen.values()), *said.values(), batch)
        self.optimiser.zero_grad()
        loss.backward()
        seen.pullback()
        said.pullback()
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimiser.step()
        self.model.logit_scale.data.clamp_(max=math.log(MOST_SCALE))
        self.state.step += 1

    def note(self, **values: Tensor | float) -> None:
        for key, value in values.items():
            value = value.detach() if isinstance(value, Tensor) else value
            self.sums[key] = self.sums.get(key, 0.0) + value

    def report(self, steps: int, seconds: float) -> None:
        rate = steps * 2 * self.settings.concepts / seconds
        figures = {k: round(float(v) / steps, 3) for k, v in self.sums.items()}
        line = {
            "step": self.state.step,
            "minutes": round(self.state.elapsed / 60, 2),
            **figures,
            "images/s": round(rate),
        }
        print(" ".join(f"{k} {v}" for k, v in line.items()), flush=True)
        with (self.work / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        self.sums = {}

    def run(self) -> None:
        """Trains to the end of the settings' steps."""
        share = Value("d", self.progress)
        stream = Batches(self.work, self.settings, self.state.step, share)
        batches = iter(
            torch.utils.data.DataLoader(
                stream, batch_size=None, num_workers=self.settings.workers, prefetch_factor=PREFETCH
            )
        )
        watch = Watch(self.data, self.captions, self.settings.model.image_resolution, self.device)
        self.model.train()
        last = saved = watched = time.monotonic()
        reported = (self.state.step, last)
        while self.progress < 1:
            batch = next(batches)
            self.train_step(batch)
            now = time.monotonic()
            self.state.elapsed += min(now - last, LONGEST_STEP)
            share.value, last = self.progress, now
            if self.state.step % REPORT_EVERY == 0:
                self.report(self.state.step - reported[0], now - reported[1])
                reported = (self.state.step, now)
            if now - watched > WATCH_SECONDS:
                print(f"watch {watch(self.model)}", flush=True)
                watched = now
            if now - saved > CHECKPOINT_SECONDS:
                self.save("checkpoint.pt")
                saved = now
        print(f"watch {watch(self.model)}", flush=True)
        self.save("model.pt")
