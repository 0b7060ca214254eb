"""From packages to weights, in one command that can be stopped and started again at will:

    python src/model/mini/train/run.py --work DIR [--device cuda]

Every stage is skipped when what it makes is already in DIR. See README.md.
"""

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

# Read when the libraries load, so before them. Threads that wait must not spin (beside another job
# two spinning threads are slower than one), and freed memory must stay with the process: mapping
# and unmapping each layer's output took a third of a step.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def number(text: str) -> tuple[str, float | int | tuple[float, ...]]:
    """NAME=VALUE, or NAME=VALUE,VALUE for a pair."""
    name, _, values = text.partition("=")
    numbers = tuple(int(v) if v.lstrip("-").isdigit() else float(v) for v in values.split(","))
    return name, numbers if len(numbers) > 1 else numbers[0]


def arguments(settings: type) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains mini.")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--steps", type=int, default=settings.steps, help=f"of training (default {settings.steps})")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that compose pictures (default 1, for two cores)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--width",
        type=int,
        default=24,
        help="of the image encoder; its last block has 32 times as many units",
    )
    parser.add_argument("--resolution", type=int, default=64, help="of the pictures, a multiple of 32")
    parser.add_argument(
        "--set", type=number, action="append", default=[], metavar="NAME=VALUE", help="another of settings.py's numbers"
    )
    parser.add_argument(
        "--until",
        choices=("art", "words", "text", "train", "export", "evaluate", "responses"),
        default="responses",
        help="the last stage to run",
    )
    options = parser.parse_args()
    known = {f.name for f in fields(settings)} - {"model", "steps", "device", "workers", "seed"}
    if unknown := [name for name, _ in options.set if name not in known]:
        parser.error(f"--set {unknown[0]}: there are {', '.join(sorted(known))}")
    return options


def main() -> None:
    from settings import Settings

    options = arguments(Settings)
    import evaluate
    import export
    import responses
    from art import make_art
    from fetch import fetch
    from model import Config
    from pretrain import pretrain
    from train import Trainer
    from words import make_words

    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    config = Config(vision_width=options.width, image_resolution=options.resolution)
    settings = Settings(
        steps=options.steps,
        device=options.device,
        workers=options.workers,
        seed=options.seed,
        model=config,
        **dict(options.set),
    )
    stages = (
        ("art", "concepts.json", lambda: (fetch(work), make_art(work))),
        ("words", "words-index.npz", lambda: make_words(work, settings.seed)),
        ("text", "text.pt", lambda: pretrain(work, settings)),
        ("train", "model.pt", lambda: Trainer(work, settings).run()),
        ("export", "mini/golden.safetensors", lambda: export.export(work)),
        (
            "evaluate",
            "metrics.json",
            lambda: evaluate.evaluate(work, work / "mini/model.safetensors", work / "metrics.json"),
        ),
        ("responses", "mini/held_out.json", lambda: responses.measure(work)),
    )
    for name, made, make in stages:
        if (work / made).exists():
            print(f"{name}: already made", flush=True)
        else:
            print(f"{name}: making {made}", flush=True)
            make()
        if name == options.until:
            break


if __name__ == "__main__":
    if any(os.environ.get(key) != value for key, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    main()
