"""Where everything comes from: npm packages at exact versions, with role, licence and attribution.

Roles, and what may look at them:
  train       the training of `mini`
  validation  never trained on; watched while choices are made
  final       never trained on; evaluated once, by `evaluate.py --final`, for the published figure
  names       code points, names and keywords only, no pictures

Share-alike art and any font or style that a licence question hangs over stay out of training.
The packages' own licence fields were read (`info.json` of @iconify-json, `package.json` and
LICENSE of the others).
"""

from dataclasses import dataclass

TRAIN, VALIDATION, FINAL, NAMES = "train", "validation", "final", "names"


@dataclass(frozen=True)
class Package:
    """One npm package."""

    name: str
    version: str
    role: str
    licence: str
    attribution: str

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> str:
        return f"{self.name.replace('/', '__').lstrip('@')}-{self.version}"


@dataclass(frozen=True)
class Style:
    """One art style: a package, how often its drawings are drawn, and whether it is one-coloured."""

    name: str
    package: Package
    weight: float = 1.0
    monochrome: bool = False
    flags: bool = True  # whether its country flags are used
    reader: str = "emoji"  # how `readers.py` finds the drawings: a method of `Reader`

    @property
    def decides(self) -> bool:
        """Whether its drawings count towards which concepts there are: those of whole emoji sets do."""
        return self.role == TRAIN and self.reader in ("emoji", "files")

    @property
    def role(self) -> str:
        return self.package.role


def _iconify(name: str, version: str, role: str, licence: str, attribution: str) -> Package:
    return Package(f"@iconify-json/{name}", version, role, licence, attribution)


DATASOURCE = Package("emoji-datasource", "16.0.0", NAMES, "MIT", "Cal Henderson")
EMOJILIB = Package("emojilib", "4.0.3", NAMES, "MIT", "Mu-An Chiou and contributors")
NOTO_FLAGS = Package(
    "emoji-datasource-google",
    "16.0.0",
    TRAIN,
    "Apache-2.0 (art; flags public domain), MIT (package)",
    "Google, Noto Emoji",
)

NOTO_EMOJI_FONT = Package(
    "@fontsource/noto-emoji", "5.3.2", TRAIN, "OFL-1.1", "the Noto Emoji project authors"
)
ICON_WEIGHT, FLAG_WEIGHT = 0.25, 0.5


def _icons(name: str, version: str, licence: str, attribution: str, coloured: bool = False) -> Style:
    package = _iconify(name, version, TRAIN, licence, attribution)
    return Style(name, package, ICON_WEIGHT, monochrome=not coloured, flags=False, reader="icons")


def _flags(name: str, version: str, licence: str, attribution: str) -> Style:
    return Style(name, _iconify(name, version, TRAIN, licence, attribution), FLAG_WEIGHT, reader="flags_by_country")


# Of related styles (the two Fluents in colour, the two one-coloured ones) each weighs less. Icon
# sets draw some four hundred of the concepts, in the line art and flat shapes that emoji lack.
STYLES = (
    Style("noto", _iconify("noto", "1.2.9", TRAIN, "Apache-2.0", "Google, Noto Emoji")),
    Style("noto-v1", _iconify("noto-v1", "1.2.5", TRAIN, "Apache-2.0", "Google, Noto Emoji"), weight=0.9),
    Style("twemoji", _iconify("twemoji", "1.2.5", TRAIN, "CC-BY-4.0", "Twitter/X and contributors")),
    Style(
        "fluent-3d",
        Package("@lobehub/fluent-emoji-3d", "1.1.0", TRAIN, "MIT", "Microsoft, Fluent Emoji"),
        weight=0.7,
        flags=False,
        reader="files",
    ),  # the flags' origin is unclear
    Style(
        "fluent-emoji",
        _iconify("fluent-emoji", "1.2.7", TRAIN, "MIT", "Microsoft, Fluent Emoji"),
        weight=0.35,
    ),
    Style(
        "fluent-emoji-flat",
        _iconify("fluent-emoji-flat", "1.2.6", TRAIN, "MIT", "Microsoft, Fluent Emoji"),
        weight=0.7,
    ),
    Style(
        "fluent-emoji-high-contrast",
        _iconify("fluent-emoji-high-contrast", "1.2.6", TRAIN, "MIT", "Microsoft, Fluent Emoji"),
        weight=0.7,
        monochrome=True,
    ),
    Style("emojione", _iconify("emojione", "1.2.3", TRAIN, "CC-BY-4.0", "EmojiOne")),
    Style(
        "emojione-monotone",
        _iconify("emojione-monotone", "1.2.1", TRAIN, "CC-BY-4.0", "EmojiOne"),
        weight=0.5,
        monochrome=True,
    ),
    *(
        Style(f"noto-emoji-{weight}", NOTO_EMOJI_FONT, 0.5, monochrome=True, reader="glyphs")
        for weight in (300, 700)
    ),
    _flags("flag", "1.2.12", "MIT", "Panayiotis Lipiridis, flag-icons"),
    _flags("flagpack", "1.2.8", "MIT", "Yummygum, Flagpack"),
    _flags("cif", "1.2.7", "CC0-1.0", "creativeLabs Łukasz Holeczek, CoreUI flags"),
    _flags("circle-flags", "1.2.11", "MIT", "HatScripts, Circle Flags"),
    _icons("mdi", "1.2.3", "Apache-2.0", "Pictogrammers, Material Design Icons"),
    _icons("ph", "1.2.2", "MIT", "Phosphor Icons"),
    _icons("tabler", "1.2.41", "MIT", "Paweł Kuna, Tabler Icons"),
    _icons("lucide", "1.2.137", "ISC", "Lucide contributors"),
    _icons("game-icons", "1.2.4", "CC-BY-3.0", "the authors of game-icons.net"),
    _icons("icon-park", "1.2.4", "Apache-2.0", "ByteDance, IconPark", coloured=True),
    _icons("icon-park-solid", "1.2.4", "Apache-2.0", "ByteDance, IconPark"),
    _icons("iconoir", "1.2.11", "MIT", "Luca Burgio, Iconoir"),
    _icons("fa6-solid", "1.2.4", "CC-BY-4.0", "Fonticons, Font Awesome"),
    _icons("flat-color-icons", "1.2.3", "MIT", "Icons8", coloured=True),
    _icons("fluent-color", "1.2.21", "MIT", "Microsoft, Fluent UI", coloured=True),
    _icons("hugeicons", "1.2.35", "MIT", "Hugeicons"),
    _icons("mingcute", "1.2.8", "Apache-2.0", "MingCute Design"),
    _icons("la", "1.2.1", "Apache-2.0", "Icons8, Line Awesome"),
    _icons("solar", "1.2.13", "CC-BY-4.0", "480 Design, Solar"),
    Style("fxemoji", _iconify("fxemoji", "1.2.2", VALIDATION, "Apache-2.0", "Mozilla, Firefox OS Emoji")),
    Style("openmoji", _iconify("openmoji", "1.2.29", VALIDATION, "CC-BY-SA-4.0", "OpenMoji contributors")),
    Style(
        "streamline", _iconify("streamline-emojis", "1.2.4", FINAL, "CC-BY-4.0", "Streamline"), flags=False
    ),
)


@dataclass(frozen=True)
class Family:
    """One font family and the files of it that are drawn with."""

    package: Package
    files: tuple[str, ...]

    @property
    def role(self) -> str:
        return self.package.role


def _family(
    name: str, role: str = TRAIN, weights: tuple[int, ...] = (400,), licence: str = "OFL-1.1"
) -> Family:
    package = Package(f"@fontsource/{name}", "5.3.0", role, licence, f"the {name} project authors")
    return Family(package, tuple(f"files/{name}-latin-{w}-normal.woff" for w in weights))


REGULAR_BOLD = (400, 700)
_DEJAVU = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSansMono",
)
FAMILIES = (
    Family(
        Package(
            "dejavu-fonts-ttf",
            "2.37.3",
            TRAIN,
            "Bitstream Vera, Arev; changes public domain",
            "Bitstream, Tavmjong Bah, DejaVu",
        ),
        tuple(f"ttf/{f}.ttf" for f in _DEJAVU),
    ),
    *(
        _family(f, weights=REGULAR_BOLD)
        for f in (
            "roboto",
            "open-sans",
            "lora",
            "nunito",
            "fredoka",
            "montserrat",
            "poppins",
            "pt-serif",
            "rubik",
            "ibm-plex-sans",
            "vollkorn",
            "zilla-slab",
            "libre-baskerville",
        )
    ),
    *(
        _family(f)
        for f in (
            "bebas-neue",
            "caveat",
            "comic-neue",
            "oswald",
            "pacifico",
            "source-code-pro",
            "eb-garamond",
            "barlow-condensed",
            "arvo",
            "kalam",
            "lobster",
            "josefin-sans",
            "baloo-2",
            "courier-prime",
            "bangers",
        )
    ),
    _family("roboto-slab", weights=REGULAR_BOLD, licence="Apache-2.0"),
    _family("permanent-marker", licence="Apache-2.0"),
    _family("special-elite", licence="Apache-2.0"),
    _family("merriweather", VALIDATION, REGULAR_BOLD),
    _family("playfair-display", VALIDATION),
    _family("ubuntu", VALIDATION, REGULAR_BOLD, "UFL-1.0"),
    _family("bitter", FINAL, REGULAR_BOLD),
    _family("quicksand", FINAL, REGULAR_BOLD),
    _family("patrick-hand", FINAL),
)

PACKAGES = tuple(
    dict.fromkeys(
        (DATASOURCE, EMOJILIB, NOTO_FLAGS, *(s.package for s in STYLES), *(f.package for f in FAMILIES))
    )
)
