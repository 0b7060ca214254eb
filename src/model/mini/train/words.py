"""Draws every printed word in many fonts.

Makes words.npy (masks, MASK x MASK, uint8) and words-index.npz (each mask's concept, which of the
concept's printed words it is, font and role).
"""

import random
from functools import cache, partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

import concepts as concept_module
from fetch import package_folder
from sources import FAMILIES, TRAIN

MASK = 96  # pixels, as the drawings
MARGIN = 3
LARGEST, SMALLEST = 51, 10  # font sizes: a short word must not fill a mask that a long one cannot
TRIAL = 60  # font size at which a word is measured
LINE_GAP = 2
CORE_FONTS, SECOND_FONTS = 24, 8  # training masks of a concept's first and second printed word
LOWER, TITLE = 0.55, 0.8  # cumulative shares of lower case and Title Case; the rest are capitals
WORKERS = 2

Job = tuple[int, int, str, int, str]  # concept, place, font file, font number, text


def convert_fonts(work: Path) -> list[tuple[Path, str]]:
    """Every font as a TrueType file, with its role."""
    folder = work / "fonts"
    folder.mkdir(exist_ok=True)
    fonts = []
    for family in FAMILIES:
        for name in family.files:
            source = package_folder(work, family.package) / name
            target = folder / f"{source.stem}.ttf"
            if not target.exists():
                font = TTFont(source)
                font.flavor = None
                font.save(target)
            fonts.append((target, family.role))
    return fonts


def in_case(word: str, choice: float) -> str:
    return word if choice < LOWER else word.title() if choice < TITLE else word.upper()


@cache
def load_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def draw(text: str, font_path: str) -> np.ndarray:
    """A mask with the text as large as it fits, centred."""
    canvas = Image.new("L", (MASK, MASK))
    pen = ImageDraw.Draw(canvas)
    box = partial(pen.multiline_textbbox, (0, 0), text, align="center", spacing=LINE_GAP)
    left, top, right, bottom = box(font=load_font(font_path, TRIAL))
    room = MASK - 2 * MARGIN
    scale = min(room / max(right - left, 1), room / max(bottom - top, 1))
    font = load_font(font_path, max(SMALLEST, min(LARGEST, int(TRIAL * scale))))
    left, top, right, bottom = box(font=font)
    corner = ((MASK - (right - left)) / 2 - left, (MASK - (bottom - top)) / 2 - top)
    pen.multiline_text(corner, text, font=font, fill=255, align="center", spacing=LINE_GAP)
    return np.asarray(canvas)


def draw_job(job: Job) -> np.ndarray:
    return draw(job[4], job[2])


def plan(work: Path, fonts: list[tuple[Path, str]], seed: int) -> list[Job]:
    """Which word in which font: a seeded choice of training fonts, and every held-out one."""
    choose = random.Random(seed)
    training = [i for i, (_, role) in enumerate(fonts) if role == TRAIN]
    held_out = [i for i, (_, role) in enumerate(fonts) if role != TRAIN]
    jobs = []
    for c, concept in enumerate(concept_module.load(work)):
        for place, word in enumerate(concept.printed):
            chosen = choose.sample(training, SECOND_FONTS if place else CORE_FONTS)
            for f in [*chosen, *(() if place else held_out)]:
                jobs.append((c, place, str(fonts[f][0]), f, in_case(word, choose.random())))
    return jobs


def make_words(work: Path, seed: int) -> None:
    """Writes words.npy and words-index.npz."""
    fonts = convert_fonts(work)
    jobs = plan(work, fonts, seed)
    with Pool(WORKERS) as pool:
        masks = np.stack(pool.map(draw_job, jobs, chunksize=256))
    np.save(work / "words.npy", masks)
    np.savez(
        work / "words-index.npz",
        concept=[j[0] for j in jobs],
        place=[j[1] for j in jobs],
        role=[fonts[j[3]][1] for j in jobs],
        font=[Path(j[2]).stem for j in jobs],
    )
    roles = [role for _, role in fonts]
    print(f"{len(jobs)} word masks; fonts: { ({role: roles.count(role) for role in sorted(set(roles))}) }")
