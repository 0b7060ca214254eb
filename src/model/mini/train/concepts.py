"""What `mini` knows: emoji as concepts, with names, keywords and captions."""

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fetch import package_folder
from sources import DATASOURCE, EMOJILIB

VARIATION_SELECTOR = "fe0f"
# Sequences with these code points repeat another concept: gender signs, hair styles, a direction.
VARIANTS = {"2640", "2642", "1f9b0", "1f9b1", "1f9b2", "1f9b3", "27a1"}
MAN, WOMAN, PERSON, JOINER = "1f468", "1f469", "1f9d1", "200d"
PEOPLE = {"1f466", "1f467", MAN, WOMAN}
FLAG = "country-flag"
ALIASES = 3  # keywords that only one concept has, used as further names
LONGEST_ALIAS = 16


@dataclass
class Concept:
    """One concept. `printed` is filled in by `plain.py`: the words that are drawn, best first."""

    code: str
    char: str
    name: str
    long_name: str
    category: str
    subcategory: str
    keywords: list[str]
    short_names: list[str]
    aliases: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    @property
    def is_flag(self) -> bool:
        return self.subcategory == FLAG

    @property
    def plain(self) -> str:
        """The name without "flag of" and "keycap"."""
        return re.sub("^(flag of|keycap) ", "", self.name)


def code_key(unified: str) -> str:
    """A code-point sequence as an identity: lower case, without variation selectors."""
    return "-".join(c for c in unified.lower().split("-") if c != VARIATION_SELECTOR)


def clean(text: str) -> str:
    text = re.sub(r"[^a-z0-9&'.!?+ -]", " ", text.lower().replace("_", " "))
    return re.sub(r"\s+", " ", text).strip(" -")


def is_variant(code: str, category: str, codes: set[str]) -> bool:
    """Whether a sequence only varies another concept in gender, hair, skin or family members."""
    parts = code.split("-")
    if category == "Component" or VARIANTS & set(parts):
        return True
    if JOINER in parts and parts[0] in (MAN, WOMAN):
        return "-".join([PERSON, *parts[1:]]) in codes or bool(PEOPLE & set(parts[1:]))
    return False


def is_unwanted(concept: Concept) -> bool:
    """Clocks at half past, families, and buttons that are only Japanese script."""
    button = concept.name.startswith("japanese") and "button" in concept.name
    return "thirty" in concept.name or concept.subcategory == "family" or button


def read_concept(entry: dict, library: dict[str, list[str]]) -> Concept:
    code = code_key(entry["unified"])
    names = library.get(code, [])
    name = clean(names[0] if names else entry["name"])
    if entry["subcategory"] == FLAG:
        country = re.sub("^flag ", "", name) if names else clean(entry["name"].replace(" Flag", ""))
        name = f"flag of {country}"
    keywords = [clean(k) for k in names[1:]] + [clean(s.replace("-", " ")) for s in entry["short_names"]]
    keywords = [k for k in dict.fromkeys(keywords) if len(k) > 1 and re.search("[a-z0-9]", k)]
    keywords = [k for k in keywords if k != name and not k.startswith("flag ")]
    char = "".join(chr(int(c, 16)) for c in entry["unified"].split("-"))
    return Concept(
        code,
        char,
        name,
        entry["name"],
        entry["category"],
        entry["subcategory"],
        keywords,
        entry["short_names"],
    )


def add_aliases(concepts: list[Concept]) -> None:
    """Gives each concept the keywords that no other concept has as name or keyword."""
    holders = Counter(k for c in concepts for k in c.keywords)
    names = {c.name for c in concepts} | {c.plain for c in concepts}
    code_like = re.compile(r"[0-9 u]+|[0-9a-f]{4}|u[0-9a-f]{4}|.*[a-z]{3}[0-9]")
    for c in concepts:
        own = [k for k in c.keywords if holders[k] == 1 and k not in names and len(k) <= LONGEST_ALIAS]
        c.aliases = [k for k in own[:ALIASES] if not code_like.fullmatch(k)]


def candidates(work: Path) -> list[Concept]:
    """All concepts that art may be found for, in emoji order, with distinct names."""
    entries = json.loads((package_folder(work, DATASOURCE) / "emoji.json").read_text())
    listed = json.loads((package_folder(work, EMOJILIB) / "dist/emoji-en-US.json").read_text())
    library = {
        "-".join(f"{ord(ch):04x}" for ch in char if f"{ord(ch):x}" != VARIATION_SELECTOR): names
        for char, names in listed.items()
    }
    codes = {code_key(e["unified"]) for e in entries}
    entries = [e for e in entries if not is_variant(code_key(e["unified"]), e["category"], codes)]
    concepts = [read_concept(e, library) for e in sorted(entries, key=lambda e: e["sort_order"])]
    count = Counter(c.name for c in concepts)
    for c in concepts:
        if count[c.name] > 1:
            c.name = clean(c.long_name)
    add_aliases(concepts)
    return [c for c in concepts if not is_unwanted(c)]


def captions(concept: Concept) -> list[tuple[str, float]]:
    """Texts for a concept, each with how often it is drawn."""
    name, article = concept.name, "an" if concept.name[0] in "aeiou" else "a"
    texts = [(name, 4.0), (f"{article} {name}", 1.0), (f"a picture of {article} {name}", 0.5)]
    texts += [(f"a drawing of {article} {name}", 0.5), (f"{name} emoji", 0.7), (f"the word {name}", 0.3)]
    if concept.is_flag:
        texts += [(concept.plain, 3.0), (f"{concept.plain} flag", 1.0), (f"the flag of {concept.plain}", 1.0)]
    others = [p for p in concept.printed if p not in (name, concept.plain)]
    texts += [(word, 1.5) for word in others]
    texts += [(f"the word {word}", 0.3) for word in others]
    texts += [(alias, 1.2) for alias in concept.aliases if alias not in others]
    keywords = [k for k in concept.keywords if len(k) > 2][:6]
    texts += [(f"{name}, {k}", 0.3) for k in keywords[:4]]
    if len(keywords) >= 3:
        texts.append((" ".join(keywords[:3]), 0.5))
    return texts


def save(concepts: list[Concept], path: Path) -> None:
    path.write_text(json.dumps([asdict(c) for c in concepts], ensure_ascii=False, indent=0))


def load(work: Path) -> list[Concept]:
    return [Concept(**c) for c in json.loads((work / "concepts.json").read_text())]
