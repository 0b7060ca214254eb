"""Finds a style's drawings of the concepts in its package, by code points or by names."""

import json
import re
from pathlib import Path

from concepts import Concept, code_key
from fetch import package_folder
from plain import MAIN
from sources import NOTO_FLAGS, STYLES, TRAIN, Style

RASTER = 96  # pixels: half as many again as the model reads, so that crops and turns stay sharp

Drawing = tuple[str, ...]  # ("svg", document), ("file", path) or ("glyph", font file, text)

VARIANT = re.compile(  # endings that say how an icon is drawn, not what it shows
    "-(outlined?|fill(ed)?|bold|line(ar)?|light|thin|duotone|broken|regular|solid|sharp|round(ed)?|twotone"
    r"|color|alt|\d\d?)$"
)
SHORTEST_NAME = 3  # letters: shorter icon names are letters and codes

# Icon names that show something else than the concept of that name, mostly.
AMBIGUOUS = set(
    "apple bath bolt bow cancer cat chain chart check cool cow cricket dog engine family first flags fly forward"
    " free hat horse label library mask monkey moon mouse mute nails new notebook phone pig pool rabbit race roll"
    " sand search seal second station third tiger tower tree turkey window zoom".split()
)
# What icon sets call some concepts.
CALLED = {
    "home": "house", "moon": "crescent moon", "bike": "bicycle", "mail": "envelope", "lock": "locked",
    "unlock": "unlocked", "plane": "airplane", "cart": "shopping cart", "truck": "delivery truck",
    "pine tree": "evergreen tree", "tree palm": "palm tree", "flame": "fire", "heart broken": "broken heart",
    "heart crack": "broken heart", "phone": "telephone receiver", "smartphone": "mobile phone",
    "mobile": "mobile phone", "apple whole": "red apple", "shoe prints": "footprints", "search": "magnifying glass tilted left",
    "magnifying glass": "magnifying glass tilted left", "lightning": "high voltage", "cow": "cow face",
    "television classic": "television", "poop": "pile of poo", "thumb up": "thumbs up", "thumb down": "thumbs down",
    "hourglass": "hourglass done", "car side": "automobile", "sword cross": "crossed swords",
}  # fmt: skip


def letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def names_to_codes(work: Path, concepts: list[Concept]) -> dict[str, str]:
    """Names, as other emoji sets write them, to concept codes, for sets without code points."""
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


def icon_names(concepts: list[Concept]) -> dict[str, str]:
    """Names of icons to concept codes: only what is surely the same thing."""
    things = [c for c in concepts if not c.is_flag]
    by_name = {c.name: c.code for c in things}
    names = {letters(called): by_name[name] for called, name in CALLED.items() if name in by_name}
    sure = lambda name: len(letters(name)) >= SHORTEST_NAME and letters(name) not in AMBIGUOUS
    for list_names in (lambda c: (c.name,), lambda c: (MAIN.get(c.name, ""), c.long_name, *c.short_names)):
        for c in things:
            for name in filter(sure, list_names(c)):
                names.setdefault(letters(name), c.code)
    return names


class Reader:
    """Looks drawings up, by concept code."""

    def __init__(self, work: Path, concepts: list[Concept]) -> None:
        self.work = work
        self.flags = {c.code for c in concepts if c.is_flag}
        self.chars = {c.code: c.char for c in concepts}
        self.names = names_to_codes(work, concepts)
        self.icon_names = icon_names(concepts)

    def read(self, style: Style) -> dict[str, Drawing]:
        return getattr(self, style.reader)(style)

    def json(self, style: Style, name: str) -> dict:
        path = package_folder(self.work, style.package) / name
        return json.loads(path.read_text()) if path.exists() else {}

    def emoji(self, style: Style) -> dict[str, Drawing]:
        """An emoji set in Iconify's format."""
        data = self.json(style, "icons.json")
        icons, aliases = data["icons"], data.get("aliases", {})
        listed = self.json(style, "chars.json")
        if not listed and style.name == "fluent-emoji":  # the same names as its flat sister
            listed = self.json(next(s for s in STYLES if s.name == "fluent-emoji-flat"), "chars.json")
        named = [(code_key(code), name) for code, name in listed.items()]
        # Without code points, by name; Streamline numbers its variants ("bus-2").
        known = lambda n: self.names.get(letters(n)) or self.names.get(letters(re.sub(r"-\d$", "", n)))
        named = named or [(known(n), n) for n in (*icons, *aliases)]
        drawings: dict[str, Drawing] = {}
        if style.name == "noto":  # the Iconify package leaves the flags out
            drawings = code_point_files(package_folder(self.work, NOTO_FLAGS), "img/google/64/*.png")
        for code, name in named:
            while name in aliases:
                name = aliases[name]["parent"]
            if code and name in icons and code not in drawings:
                drawings[code] = ("svg", whole_svg(icons[name], data))
        return drawings

    def files(self, style: Style) -> dict[str, Drawing]:
        return code_point_files(package_folder(self.work, style.package), "assets/*.webp")

    def glyphs(self, style: Style) -> dict[str, Drawing]:
        """An emoji font's glyphs, in the weight that the style's name ends with."""
        weight = style.name.rpartition("-")[2]
        font = package_folder(self.work, style.package) / f"files/noto-emoji-emoji-{weight}-normal.woff"
        chars = {code: char for code, char in self.chars.items() if code not in self.flags}
        return {code: ("glyph", str(font), char) for code, char in chars.items()}

    def flags_by_country(self, style: Style) -> dict[str, Drawing]:
        """Flags named by two-letter country codes, or by "us-4x3"."""
        data = self.json(style, "icons.json")
        drawings: dict[str, Drawing] = {}
        for name, icon in data["icons"].items():
            if country := re.fullmatch("([a-z]{2})(-4x3)?", name):
                code = "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in country[1])
                drawings[code] = ("svg", whole_svg(icon, data))
        return drawings

    def icons(self, style: Style) -> dict[str, Drawing]:
        """A set of icons: of those that show a concept, the one with the shortest name."""
        data = self.json(style, "icons.json")
        drawings: dict[str, Drawing] = {}
        for name in sorted(data["icons"], key=lambda n: (len(n), n)):
            thing = name
            while VARIANT.search(thing):
                thing = VARIANT.sub("", thing)
            code = self.icon_names.get(letters(thing))
            if code and code not in drawings:
                drawings[code] = ("svg", whole_svg(data["icons"][name], data))
        return drawings


def whole_svg(icon: dict, data: dict) -> str:
    """A complete document around an Iconify icon's body."""
    width, height = (icon.get(k, data.get(k, 16)) for k in ("width", "height"))
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    body = icon["body"].replace("currentColor", "#000")
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head} viewBox="{box}" width="{RASTER}" height="{RASTER}">{body}</svg>'


def code_point_files(folder: Path, pattern: str) -> dict[str, Drawing]:
    """Drawings of a folder whose files are named by code points."""
    return {code_key(path.stem): ("file", str(path)) for path in sorted(folder.glob(pattern))}
