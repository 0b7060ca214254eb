"""Measures whether pictures of multimodal units can be read, by another model than drew them.

    python src/model/mini/train/legible.py --percept target/release/percept --judge JUDGE/mini/model.safetensors \
        --work DIR --model DIR/mini/model.safetensors DIR/metrics.json [--model ...] --out DIR/legible

The judge is a robust model from this recipe with another seed and another width, which learns from
the same drawings but shares no weight (a run with `--seed 1 --width 20`). Of UNITS random mutual
units (see `units.py`) of each model, rendered by percept with its defaults, it names each among all
concepts; a picture is legible when the unit's concept, its best drawing, is among the first five.
The null gives each picture another unit's concept.
"""

import argparse
import json
import random
import subprocess
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

import concepts as concept_module
from evaluate import load
from pictures import normalise
from tokens import Tokenizer, trim
from watch import rank

UNITS = 64
TAP = "layer4.0.sum"
SHEET_COLUMNS, TILE, LABEL = 16, 96, 12


def render(percept: str, weights: Path, units: list[int], folder: Path) -> dict[int, Path]:
    """Each unit's picture, at the canvas' own size."""
    expression = f"{TAP}:{','.join(map(str, units))}"
    command = [percept, "render", expression, "--model", str(weights), "--scale", "1", "--quiet"]
    subprocess.run([*command, "--out", f"{folder}/"], check=True)
    sidecars = (json.loads(path.read_text()) for path in folder.glob("*.json"))
    return {s["unit"]["channel"]: folder / s["picture"]["file"] for s in sidecars}


def read(paths: list[Path], size: int) -> Tensor:
    """(pictures, 3, size, size) in 0..1."""
    images = (Image.open(path).convert("RGB").resize((size, size), Image.Resampling.LANCZOS) for path in paths)
    return torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2).float() / 255


def write_sheet(paths: list[Path], labels: list[str], out: Path) -> None:
    rows = -(-len(paths) // SHEET_COLUMNS)
    image = Image.new("RGB", (SHEET_COLUMNS * TILE, rows * (TILE + LABEL)), "white")
    pen = ImageDraw.Draw(image)
    for i, (path, label) in enumerate(zip(paths, labels)):
        x, y = i % SHEET_COLUMNS * TILE, i // SHEET_COLUMNS * (TILE + LABEL)
        image.paste(Image.open(path).convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 1, y + TILE), label[:16], fill="black")
    image.save(out)


class Judge:
    """Names pictures among all concepts."""

    def __init__(self, weights: Path, names: list[str]) -> None:
        self.model = load(weights)
        with torch.no_grad():
            self.texts = F.normalize(self.model.encode_text(trim(Tokenizer()(names))), dim=-1)

    @torch.no_grad()
    def scores(self, paths: list[Path]) -> Tensor:
        """(pictures, concepts)."""
        pictures = normalise(read(paths, self.model.config.image_resolution))
        return F.normalize(self.model.visual(pictures), dim=-1) @ self.texts.t()


def judge_model(options: argparse.Namespace, judge: Judge, names: list[str], weights: Path, metrics: Path) -> dict:
    mutual = json.loads(metrics.read_text())["units"]["core, all"]["mutual"]
    units = sorted(random.Random(options.seed).sample(sorted(map(int, mutual)), min(options.units, len(mutual))))
    name = f"{metrics.parent.name}-{metrics.stem}"
    folder = options.out / name
    folder.mkdir(parents=True, exist_ok=True)
    pictures = render(options.percept, weights, units, folder)
    paths, concepts = [pictures[u] for u in units], [mutual[str(u)] for u in units]
    scores, target = judge.scores(paths), torch.tensor([names.index(c) for c in concepts])
    place = rank(scores, target)
    shifted = torch.stack([rank(scores, target.roll(k)) for k in range(1, len(units))])
    write_sheet(paths, [""] * len(units), options.out / f"{name}-unlabelled.png")
    write_sheet(paths, [f"{u} {c}" for u, c in zip(units, concepts)], options.out / f"{name}.png")
    return {
        "units": len(units),
        "of_mutual_units": len(mutual),
        "distinct_concepts": len(set(concepts)),
        **{f"top{k}": round(100 * (place < k).float().mean().item(), 1) for k in (1, 5)},
        "null_top5": round(100 * (shifted < 5).float().mean().item(), 1),
        "places": {u: [c, p] for u, c, p in zip(units, concepts, place.tolist())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Judges pictures of multimodal units.")
    parser.add_argument("--percept", required=True, help="the program")
    parser.add_argument("--judge", type=Path, required=True, help="the judge's weights")
    parser.add_argument("--work", type=Path, required=True, help="the folder with concepts.json")
    parser.add_argument(
        "--model", type=Path, nargs=2, action="append", required=True, metavar=("WEIGHTS", "METRICS")
    )
    parser.add_argument("--units", type=int, default=UNITS, help=f"of each model, at most (default {UNITS})")
    parser.add_argument("--seed", type=int, default=0, help="of their choice")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    options = parser.parse_args()
    names = [c.name for c in concept_module.load(options.work)]
    judge = Judge(options.judge, names)
    options.out.mkdir(parents=True, exist_ok=True)
    figures = {
        str(weights): judge_model(options, judge, names, weights, metrics) for weights, metrics in options.model
    }
    (options.out / "legible.json").write_text(json.dumps(figures, indent=1))
    for weights, values in figures.items():
        print(weights, {k: v for k, v in values.items() if k != "places"})


if __name__ == "__main__":
    main()
