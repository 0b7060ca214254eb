"""Finds every style's drawings of the concepts and rasterises them.

Makes concepts.json (the concepts that enough training styles draw), art.npy (drawings, RGBA,
RASTER x RASTER, uint8) and art-index.npz (each drawing's style and concept).
"""

import io
import json
import re
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

import concepts as concept_module
from concepts import Concept, code_key
from fetch import package_folder
from plain import add_printed_words
from sources import NOTO_FLAGS, STYLES, TRAIN, Style

RASTER = 96  # pixels: half as many again as the model reads, so that crops and turns stay sharp
FEWEST_DRAWINGS = 4  # training drawings that a concept needs: one style or two do not show what it is
VISIBLE, LEAST_COVER = 40, 0.02  # a drawing has this alpha on this share of its pixels
WORKERS = 2

Drawing = tuple[str, str]  # ("svg", text) or ("file", path)


def letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def names_to_codes(work: Path, concepts: list[Concept]) -> dict[str, str]:
    """Names, as other sets write them, to concept codes, for sets without code points."""
    codes = {c.code for c in concepts}
    names: dict[str, str] = {}
    for style in STYLES:
        if style.role == TRAIN or style.name == "openmoji":
            path = package_folder(work, style.package) / "chars.json"
            for code, name in json.loads(path.read_text()).items() if path.exists() else ():
                if code_key(code) in codes:
                    names.setdefault(letters(name), code_key(code))
    for c in concepts:
        for name in (c.name, c.long_name, *c.short_names):
            names.setdefault(letters(name), c.code)
        if c.is_flag:
            for name in (f"flag for {c.plain}", f"flag of {c.plain}", f"{c.plain} flag"):
                names.setdefault(letters(name), c.code)
    return names


def iconify_drawings(work: Path, style: Style, names: dict[str, str]) -> dict[str, Drawing]:
    """Drawings by code of a package in Iconify's format."""
    folder = package_folder(work, style.package)
    data = json.loads((folder / "icons.json").read_text())
    icons, aliases = data["icons"], data.get("aliases", {})
    listed = {}
    if (folder / "chars.json").exists():
        listed = json.loads((folder / "chars.json").read_text())
    if not listed and style.name == "fluent-emoji":  # the same names as its flat sister
        flat = next(s for s in STYLES if s.name == "fluent-emoji-flat")
        listed = json.loads((package_folder(work, flat.package) / "chars.json").read_text())
    named = [(code_key(code), name) for code, name in listed.items()]
    # Without code points, by name; Streamline numbers its variants ("bus-2").
    named = named or [
        (names.get(letters(n)) or names.get(letters(re.sub(r"-\d$", "", n))), n) for n in (*icons, *aliases)
    ]
    drawings: dict[str, Drawing] = {}
    for code, name in named:
        while name in aliases:
            name = aliases[name]["parent"]
        if code and name in icons and code not in drawings:
            drawings[code] = ("svg", whole_svg(icons[name], data))
    return drawings


def whole_svg(icon: dict, data: dict) -> str:
    """A complete document around an Iconify icon's body."""
    width, height = (icon.get(k, data.get(k, 16)) for k in ("width", "height"))
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    body = icon["body"].replace("currentColor", "#000")
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head} viewBox="{box}" width="{RASTER}" height="{RASTER}">{body}</svg>'


def file_drawings(folder: Path, pattern: str) -> dict[str, Drawing]:
    """Drawings by code of a folder whose files are named by code points."""
    return {code_key(path.stem): ("file", str(path)) for path in sorted(folder.glob(pattern))}


def style_drawings(work: Path, style: Style, names: dict[str, str]) -> dict[str, Drawing]:
    if style.name == "fluent-3d":
        return file_drawings(package_folder(work, style.package), "assets/*.webp")
    drawings = iconify_drawings(work, style, names)
    if style.name == "noto":  # the Iconify package leaves the flags out
        drawings = file_drawings(package_folder(work, NOTO_FLAGS), "img/google/64/*.png") | drawings
    return drawings


def rasterise(drawing: Drawing) -> np.ndarray | None:
    """(4, RASTER, RASTER) uint8, or None for what cannot be read or is all but empty."""
    kind, source = drawing
    try:
        data = bytes(resvg_py.svg_to_bytes(svg_string=source)) if kind == "svg" else Path(source).read_bytes()
        image = Image.open(io.BytesIO(data)).convert("RGBA")
    except (ValueError, OSError):
        return None
    if image.size != (RASTER, RASTER):
        image = image.resize((RASTER, RASTER), Image.Resampling.LANCZOS)
    pixels = np.asarray(image).transpose(2, 0, 1)
    return pixels if (pixels[3] > VISIBLE).mean() > LEAST_COVER else None


def make_art(work: Path) -> None:
    """Writes concepts.json, art.npy and art-index.npz."""
    concepts = concept_module.candidates(work)
    ids = {c.code: i for i, c in enumerate(concepts)}
    names = names_to_codes(work, concepts)
    jobs = []
    for s, style in enumerate(STYLES):
        for code, drawing in style_drawings(work, style, names).items():
            if code in ids and (style.flags or not concepts[ids[code]].is_flag):
                jobs.append((s, ids[code], drawing))
    with Pool(WORKERS) as pool:
        images = pool.map(rasterise, [drawing for _, _, drawing in jobs], chunksize=64)
    kept = [(s, c, image) for (s, c, _), image in zip(jobs, images) if image is not None]
    training = np.zeros(len(concepts), int)
    for s, c, _ in kept:
        training[c] += STYLES[s].role == TRAIN
    enough = np.flatnonzero(training >= FEWEST_DRAWINGS)
    new = {int(old): i for i, old in enumerate(enough)}
    kept = [(s, new[c], image) for s, c, image in kept if c in new]
    concepts = [concepts[i] for i in enough]
    add_printed_words(concepts)
    np.save(work / "art.npy", np.stack([image for _, _, image in kept]))
    np.savez(work / "art-index.npz", style=[s for s, _, _ in kept], concept=[c for _, c, _ in kept])
    concept_module.save(concepts, work / "concepts.json")
    for s, style in enumerate(STYLES):
        print(f"{style.name}: {sum(k[0] == s for k in kept)} drawings ({style.role})")
    print(
        f"{len(concepts)} concepts, {len(kept)} drawings, {sum(bool(c.printed) for c in concepts)} with a printed word"
    )
