"""Rasterises every style's drawings of the concepts.

Makes concepts.json (the concepts that enough training styles draw), art.npy (drawings, RGBA,
RASTER x RASTER, uint8) and art-index.npz (each drawing's style and concept).
"""

import io
from functools import cache
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import resvg_py
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

import concepts as concept_module
from plain import add_printed_words
from readers import RASTER, Drawing, Reader
from sources import STYLES

FEWEST_DRAWINGS = 4  # training drawings that a concept needs: one style or two do not show what it is
VISIBLE, LEAST_COVER = 40, 0.02  # a drawing has this alpha on this share of its pixels
GLYPH_SIZE = 76  # font size at which Noto Emoji fills a raster
WORKERS = 2


@cache
def load_font(path: str) -> tuple[ImageFont.FreeTypeFont, frozenset[int]]:
    """A packed web font, and the code points that it has."""
    font, plain = TTFont(path), io.BytesIO()
    font.flavor = None
    font.save(plain)
    plain.seek(0)
    return ImageFont.truetype(plain, GLYPH_SIZE), frozenset(font.getBestCmap())


def draw_glyph(path: str, text: str) -> Image.Image:
    """One glyph in black, centred. Sequences that the font does not join are an error."""
    font, known = load_font(path)
    left, top, right, bottom = font.getbbox(text)
    if not known.issuperset(ord(c) for c in text) or right - left > 1.5 * RASTER:
        raise ValueError(f"{path} has no glyph for {text}")
    mask = Image.new("L", (RASTER, RASTER))
    corner = ((RASTER - (right - left)) / 2 - left, (RASTER - (bottom - top)) / 2 - top)
    ImageDraw.Draw(mask).text(corner, text, font=font, fill=255)
    image = Image.new("RGBA", (RASTER, RASTER))
    image.putalpha(mask)
    return image


def open_drawing(drawing: Drawing) -> Image.Image:
    match drawing:
        case ("svg", document):
            return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=document))))
        case ("file", path):
            return Image.open(path)
        case (_, font, text):
            return draw_glyph(font, text)
    raise ValueError(f"no such drawing: {drawing[0]}")


def rasterise(drawing: Drawing) -> np.ndarray | None:
    """(4, RASTER, RASTER) uint8, or None for what cannot be read or is all but empty."""
    try:
        image = open_drawing(drawing).convert("RGBA")
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
    reader = Reader(work, concepts)
    jobs = []
    for s, style in enumerate(STYLES):
        for code, drawing in reader.read(style).items():
            if code in ids and (style.flags or not concepts[ids[code]].is_flag):
                jobs.append((s, ids[code], drawing))
    with Pool(WORKERS) as pool:
        images = pool.map(rasterise, [drawing for _, _, drawing in jobs], chunksize=64)
    kept = [(s, c, image) for (s, c, _), image in zip(jobs, images) if image is not None]
    training = np.zeros(len(concepts), int)
    for s, c, _ in kept:
        training[c] += STYLES[s].decides
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
