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

# The weights are v2's: related styles (the two Fluents in colour, the two one-coloured ones) share.
STYLES = (
    Style("noto", _iconify("noto", "1.2.9", TRAIN, "Apache-2.0", "Google, Noto Emoji")),
    Style("noto-v1", _iconify("noto-v1", "1.2.5", TRAIN, "Apache-2.0", "Google, Noto Emoji"), weight=0.9),
    Style("twemoji", _iconify("twemoji", "1.2.5", TRAIN, "CC-BY-4.0", "Twitter/X and contributors")),
    Style(
        "fluent-3d",
        Package("@lobehub/fluent-emoji-3d", "1.1.0", TRAIN, "MIT", "Microsoft, Fluent Emoji"),
        weight=0.7,
        flags=False,
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

PACKAGES = (DATASOURCE, EMOJILIB, NOTO_FLAGS, *(s.package for s in STYLES), *(f.package for f in FAMILIES))
