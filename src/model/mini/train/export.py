"""Makes what percept embeds, in DIR/mini: weights, config, merges, concept list, golden file."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

import checkpoint
from compose import plain_pictures
from dataset import Data
from evaluate import load
from model import CLIP, causal_mask
from pictures import MEAN, STD, normalise
from sources import STYLES, VALIDATION
from tokens import MERGES, Tokenizer

GOLDEN_DRAWINGS = (
    ("twemoji", "cat face"),
    ("fluent-3d", "cat face"),
    ("fluent-emoji-high-contrast", "cat face"),
    ("noto", "red heart"),
    ("emojione", "flag of japan"),
)
GOLDEN_WORDS = ("cat face", "pizza")
GOLDEN_CAPTIONS = (
    "cat face",
    "a cat face",
    "red heart",
    "flag of japan",
    "pizza",
    "the word pizza",
    "a photo of a dog",
    "keycap 4",
)
LARGE = 2  # pictures that are also read at twice the side


def half(tensor: Tensor) -> Tensor:
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor.clone()


def write_config(saved: dict, path: Path) -> None:
    shapes, tokenizer = saved["config"], Tokenizer()
    channels = saved["model"]["visual.attnpool.k_proj.weight"].shape[0]
    config = {
        "model": {**shapes, "vision_heads": channels // 64},
        "image_mean": MEAN.tolist(),
        "image_std": STD.tolist(),
        "bn_eps": 1e-5,
        "ln_eps": 1e-5,
        "activation_text": "quick_gelu",
        "activation_image": "relu",
        "layer4_channels": channels,
        "bos": tokenizer.start,
        "eos": tokenizer.end,
        "pad": 0,
        "text_pool": "argmax(ids) (= eos)",
        "steps": saved["state"]["step"],
        "images_seen": saved["state"]["step"] * 2 * saved["settings"]["concepts"],
        "train_seconds": round(saved["state"]["elapsed"]),
    }
    path.write_text(json.dumps(config, indent=1))


def golden_layers(data: Data) -> list[Tensor]:
    """The golden pictures, each drawing or word as its own batch of layers."""
    number = {c.name: i for i, c in enumerate(data.concepts)}
    style = {s.name: i for i, s in enumerate(STYLES)}
    drawings = [
        np.flatnonzero((data.art_style == style[s]) & (data.art_concept == number[n]))[:1]
        for s, n in GOLDEN_DRAWINGS
    ]
    held_out = data.mask_role == VALIDATION
    words = [np.flatnonzero(held_out & (data.mask_concept == number[n]))[:1] for n in GOLDEN_WORDS]
    return [*map(data.drawings, drawings), *map(data.words, words)]


@torch.no_grad()
def golden(model: CLIP, data: Data) -> dict[str, Tensor]:
    """Inputs and activations, in single precision from the stored half-precision weights."""
    size, visual = model.config.image_resolution, model.visual
    pictures = torch.cat([plain_pictures(layer, size) for layer in golden_layers(data)])
    bytes_ = (pictures * 255).round()
    x = normalise(bytes_ / 255)
    tensors = {"image.rgb_u8": bytes_.byte(), "image.input": x, "image.stem": (h := visual.stem(x))}
    for name in ("layer1", "layer2", "layer3", "layer4"):
        tensors[f"image.{name}"] = h = getattr(visual, name)(h)
    tensors["image.embed"] = visual.attnpool(h)
    large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)[:LARGE]
    tensors["image128.input"], tensors["image128.layer4"] = large, visual.trunk(large)
    ids = Tokenizer()(list(GOLDEN_CAPTIONS))
    tensors["text.ids"], t = ids.int(), model.embed_tokens(ids)
    tensors["text.embedded"] = t
    for i, block in enumerate(model.transformer.resblocks):
        tensors[f"text.resblock{i}"] = t = block(t, causal_mask(ids.shape[1]))
    tensors["text.embed"] = model.encode_text(ids)
    seen, said = (F.normalize(tensors[k], dim=-1) for k in ("image.embed", "text.embed"))
    tensors["logits_per_image"] = model.logit_scale.exp() * seen @ said.t()
    with torch.enable_grad():
        leaf = x[:LARGE].clone().requires_grad_(True)
        units = visual.trunk(leaf).mean((2, 3))
        channel = int(units[0].argmax())
        (tensors["grad.input"],) = torch.autograd.grad(units[:, channel].sum(), leaf)
    tensors["grad.channel"] = torch.tensor([channel], dtype=torch.int32)
    return tensors


def export(work: Path) -> None:
    folder = work / "mini"
    folder.mkdir(exist_ok=True)
    saved = checkpoint.load(work / "model.pt")
    weights = {k: half(v) for k, v in saved["model"].items() if not k.endswith("num_batches_tracked")}
    save_file(
        weights,
        folder / "model.safetensors",
        metadata={"format": "pt", "trained_on": "openly licensed emoji art and rendered words"},
    )
    if not all(torch.isfinite(v).all() for v in load_file(folder / "model.safetensors").values()):
        raise ValueError("a weight does not fit half precision")
    write_config(saved, folder / "config.json")
    shutil.copy(MERGES, folder / "merges.txt")
    data = Data(work)
    listed = [
        {"code": c.code, "name": c.name, "words": [p.replace("\n", " ") for p in c.printed]}
        for c in data.concepts
    ]
    (folder / "concepts.json").write_text(json.dumps(listed, ensure_ascii=False, separators=(",", ":")))
    tensors = golden(load(folder / "model.safetensors"), data)
    images = [*map(list, GOLDEN_DRAWINGS), *(["word", n] for n in GOLDEN_WORDS)]
    metadata = {"captions": json.dumps(GOLDEN_CAPTIONS), "images": json.dumps(images)}
    save_file(
        {k: v.contiguous() for k, v in tensors.items()}, folder / "golden.safetensors", metadata=metadata
    )
