"""Measures weights: zero-shot by style, words in unseen fonts, multimodal units. Writes a JSON file.

    python src/model/mini/train/evaluate.py --work DIR --weights model.safetensors --out metrics.json

The style and fonts that were kept apart are measured with --final, and only then: once, when
nothing is chosen any more.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

import units
from compose import plain_pictures
from dataset import Data
from model import CLIP, Config, build
from pictures import normalise
from plain import is_line
from sources import FINAL, STYLES, TRAIN, VALIDATION
from tokens import Tokenizer, trim
from watch import rank

BATCH = 128
TRAINED_MASKS = 3  # masks in trained fonts of each core word that count for the units


def load(weights: Path) -> CLIP:
    """A model from its weights and the config.json beside them."""
    shapes = json.loads(weights.with_name("config.json").read_text())["model"]
    known = {f.name for f in fields(Config)}
    model = build(
        Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in shapes.items() if k in known})
    )
    missing, unexpected = model.load_state_dict(
        {k: v.float() for k, v in load_file(weights).items()}, strict=False
    )
    if unexpected or any(not k.endswith("num_batches_tracked") for k in missing):
        raise ValueError(f"{weights}: missing {missing}, unexpected {unexpected}")
    return model.eval()


@torch.no_grad()
def look(model: CLIP, layers: Tensor) -> tuple[Tensor, Tensor]:
    """The units' means and the embedding of pictures on white."""
    pictures = normalise(plain_pictures(layers, model.config.image_resolution))
    last = model.visual.trunk(pictures.contiguous(memory_format=torch.channels_last))
    return last.mean((2, 3)), F.normalize(model.visual.attnpool(last), dim=-1)


def look_at_all(model: CLIP, read, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    parts = [look(model, read(rows[i : i + BATCH])) for i in range(0, len(rows), BATCH)]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def shares(embeddings: Tensor, names: Tensor, concepts: Tensor) -> dict:
    place = rank(embeddings @ names.t(), concepts)
    top = {f"top{k}": round(100 * (place < k).float().mean().item(), 1) for k in (1, 5)}
    return {"pictures": len(place), **top}


def chosen_masks(data: Data, held_out: str) -> tuple[np.ndarray, np.ndarray]:
    """Masks of core words: all in the held-out fonts, and TRAINED_MASKS of each in trained ones."""
    core = data.mask_place == 0
    trained = np.flatnonzero(core & (data.mask_role == TRAIN))
    _, first, count = np.unique(data.mask_concept[trained], return_index=True, return_counts=True)
    few = np.concatenate([trained[f : f + min(TRAINED_MASKS, n)] for f, n in zip(first, count)])
    return np.flatnonzero(core & (data.mask_role == held_out)), few


def evaluate(work: Path, weights: Path, out: Path, final: bool = False) -> dict:
    data, model, tokenizer = Data(work), load(weights), Tokenizer()
    held_out = FINAL if final else VALIDATION
    with torch.no_grad():
        names = F.normalize(model.encode_text(trim(tokenizer([c.name for c in data.concepts]))), dim=-1)
    rows = np.sort(np.concatenate([data.of_role(TRAIN), data.of_role(held_out)]))
    seen, embeddings = look_at_all(model, data.drawings, rows)
    concepts, styles = torch.from_numpy(data.art_concept[rows]), data.art_style[rows]
    figures: dict = {"zero_shot": {}, "units": {}}
    for s in np.unique(styles):
        chosen = torch.from_numpy(styles == s)
        style = STYLES[s]
        figures["zero_shot"][style.name] = {
            "role": style.role,
            **shares(embeddings[chosen], names, concepts[chosen]),
        }
    held_style = torch.from_numpy(np.isin(rows, data.of_role(held_out)))
    flags = torch.from_numpy(data.flags)[concepts]
    for name, chosen in (("held-out flags", held_style & flags), ("held-out but flags", held_style & ~flags)):
        if chosen.any():
            figures["zero_shot"][name] = shares(embeddings[chosen], names, concepts[chosen])

    held_masks, trained_masks = chosen_masks(data, held_out)
    masks = np.concatenate([held_masks, trained_masks])
    said, word_embeddings = look_at_all(model, data.words, masks)
    word_concepts = torch.from_numpy(data.mask_concept[masks])
    in_held_font = torch.arange(len(masks)) < len(held_masks)
    core = np.flatnonzero(data.core)
    # v2's core: concepts whose name is one short word. Measured too, so that v2 can be compared.
    short = np.array(
        [
            i
            for i in core
            if data.concepts[i].printed[0] == data.concepts[i].plain and is_line(data.concepts[i].plain)
        ]
    )
    for name, subset in (("core", core), ("one-word names", short)):
        chosen = torch.from_numpy(np.isin(data.mask_concept[masks], subset))
        for fonts, those in (("held-out fonts", in_held_font), ("trained fonts", ~in_held_font)):
            figures["zero_shot"][f"words, {name}, {fonts}"] = shares(
                word_embeddings[chosen & those], names, word_concepts[chosen & those]
            )
        one = np.zeros(len(masks), int)
        kinds = {
            "all": (torch.ones_like(held_style), torch.ones_like(in_held_font)),
            held_out: (held_style, in_held_font),
        }
        for kind, (d, w) in kinds.items():
            drawn = units.profiles(seen[d], concepts[d], styles[d.numpy()], len(data))[subset]
            printed = units.profiles(said[w], word_concepts[w], one[w.numpy()], len(data))[subset]
            figures["units"][f"{name}, {kind}"] = units.summary(
                drawn, printed, [data.concepts[i].name for i in subset]
            )
    out.write_text(json.dumps(figures, ensure_ascii=False, indent=1))
    return figures


def show(figures: dict) -> None:
    for group in figures.values():
        for name, values in group.items():
            print(f"{name}: { ({k: v for k, v in values.items() if k not in ('best_units', 'mutual')}) }")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures weights of mini.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--final",
        action="store_true",
        help="the style and fonts that were kept apart, instead of the watched ones",
    )
    options = parser.parse_args()
    show(evaluate(options.work, options.weights, options.out, options.final))


if __name__ == "__main__":
    main()
