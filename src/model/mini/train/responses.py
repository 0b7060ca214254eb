"""Measures how the units respond, and makes what ships beside the weights, in DIR/mini.

  statistics.safetensors  TAP.mean, TAP.sd: of each channel's mean over positions, over the training
                          drawings on white, for every tap that percept knows
  units.safetensors       drawings, line_art, words (channels, units.FIRST): the concepts, as places in
                          concepts.json, that each unit of the last block answers to most strongly,
                          best first
  held_out.png, .json     drawings in a style that training never saw, for tests: a sheet of
                          SHEET_COLUMNS columns, and each picture's concept; the first HELD_OUT are
                          spread evenly over the style, then come those of the examples
                          (unit and concept, from metrics.json), units that answer to both the
                          drawing and the word
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import units
from compose import plain_pictures
from dataset import Data
from evaluate import BATCH, load
from model import CLIP, ModifiedResNet
from pictures import normalise
from sources import STYLES, TRAIN

SHEET_STYLE = "fxemoji"  # Apache-2.0: may be shipped, which share-alike art may not
HELD_OUT, SHEET_COLUMNS, EXAMPLES = 40, 8, 12


def taps(visual: ModifiedResNet, x: Tensor) -> dict[str, Tensor]:
    """Activations by percept's names; computed without the model's in-place shortcuts."""
    found = {"stem": (x := visual.stem(x))}
    for stage in range(1, 5):
        for number, block in enumerate(getattr(visual, f"layer{stage}")):
            name = f"layer{stage}.{number}"
            found[f"{name}.conv1"] = y = F.relu(block.bn1(block.conv1(x)))
            found[f"{name}.conv2"] = y = F.relu(block.bn2(block.conv2(y)))
            shortcut = x if block.downsample is None else block.downsample(x)
            found[f"{name}.sum"] = y = block.bn3(block.conv3(block.avgpool(y))) + shortcut
            found[name] = x = F.relu(y)
        found[f"layer{stage}"] = x
    found["embedding"] = visual.attnpool(x)
    return found


@torch.no_grad()
def channel_means(model: CLIP, layers: Tensor) -> dict[str, Tensor]:
    """(pictures, channels) for every tap, of layers laid on white."""
    x = normalise(plain_pictures(layers, model.config.image_resolution))
    found = taps(model.visual, x.contiguous(memory_format=torch.channels_last))
    return {tap: y.mean((2, 3)) if y.ndim == 4 else y for tap, y in found.items()}


def over_all(model: CLIP, read, rows: np.ndarray, wanted: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Channel means of many pictures, at the wanted taps or at all."""
    parts = [channel_means(model, read(rows[i : i + BATCH])) for i in range(0, len(rows), BATCH)]
    return {tap: torch.cat([p[tap] for p in parts]) for tap in wanted or parts[0]}


def first_concepts(profile: Tensor) -> Tensor:
    """(channels, units.FIRST): concepts in the order of a profile (concepts, channels); -1 for units that
    answer to nothing."""
    first = profile.topk(units.FIRST, dim=0).indices.t().to(torch.int64)
    return torch.where(units.answers(profile)[:, None], first, -1).contiguous()


def sheet(data: Data, pictures: np.ndarray, size: int) -> Image.Image:
    """Rows of `art`, on white, in reading order."""
    tiles = (plain_pictures(data.drawings(pictures), size) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    rows = -(-len(tiles) // SHEET_COLUMNS)
    image = Image.new("RGB", (SHEET_COLUMNS * size, rows * size), "white")
    for i, tile in enumerate(tiles):
        image.paste(Image.fromarray(tile), (i % SHEET_COLUMNS * size, i // SHEET_COLUMNS * size))
    return image


def write_held_out(data: Data, folder: Path, best_units: list[dict], size: int) -> None:
    style = next(i for i, s in enumerate(STYLES) if s.name == SHEET_STYLE)
    own = np.flatnonzero(data.art_style == style)
    spread = own[np.linspace(0, len(own) - 1, HELD_OUT).round().astype(int)]
    names = [data.concepts[c].name for c in data.art_concept]
    row_of = {names[row]: row for row in own}
    # A button's drawing is a word already: a unit that answers to both proves nothing.
    telling = (u for u in best_units if u["concept"] in row_of and not u["concept"].endswith("button"))
    examples = [{"unit": u["unit"], "concept": u["concept"]} for u in telling][:EXAMPLES]
    rows = np.array(list(dict.fromkeys([*spread, *(row_of[e["concept"]] for e in examples)])))
    sheet(data, rows, size).save(folder / "held_out.png", optimize=True)
    listed = {"pictures": [names[row] for row in rows], "examples": examples}
    (folder / "held_out.json").write_text(json.dumps(listed, indent=1))


def measure(work: Path) -> None:
    """Writes everything that this module's head lists."""
    folder = work / "mini"
    data, model = Data(work), load(folder / "model.safetensors")
    drawings = data.of_role(TRAIN)
    found = over_all(model, data.drawings, drawings)
    statistics = {f"{tap}.mean": y.mean(0) for tap, y in found.items()}
    statistics |= {f"{tap}.sd": y.std(0, correction=0) for tap, y in found.items()}
    save_file(statistics, folder / "statistics.safetensors", metadata={"pictures": str(len(drawings))})

    concepts, styles = torch.from_numpy(data.art_concept[drawings]), data.art_style[drawings]
    line_art = data.monochrome[drawings]
    profiles = {
        name: units.profiles(found["layer4"][chosen], concepts[chosen], styles[chosen], len(data))
        for name, chosen in (("drawings", ~line_art), ("line_art", line_art))
    }
    masks = np.flatnonzero((data.mask_place == 0) & (data.mask_role == TRAIN))
    said = over_all(model, data.words, masks, ("layer4",))["layer4"]
    one = np.zeros(len(masks), int)
    profiles["words"] = units.profiles(said, torch.from_numpy(data.mask_concept[masks]), one, len(data))
    save_file({k: first_concepts(v) for k, v in profiles.items()}, folder / "units.safetensors")

    best = json.loads((work / "metrics.json").read_text())["units"]["core, validation"]["best_units"]
    write_held_out(data, folder, best, model.config.image_resolution)
