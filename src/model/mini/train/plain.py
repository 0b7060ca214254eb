"""Which word is printed for a concept.

Only concepts whose words are trained as pictures can get units that answer to both, and at 64
pixels only short words can be read: at most LONGEST_LINE letters a line, at most two lines.
A printed word belongs to one concept only. A concept's first printed word is its core word.
"""

import re
from collections import Counter

from concepts import Concept

LONGEST_LINE = 8
LONGEST_NAME = 14  # of a two-word name, the space not counted
LEAST_LETTERS = 2
KEYWORD_LETTERS = 3  # shorter keywords and short names are codes

# Plain words that several concepts could claim, given to the one that shows the thing at its
# simplest, and plain words that the names lack. The plain animals ("cat", "dog") have concepts of
# their own; their faces ("cat face") are printed in two lines.
MAIN = {
    "red heart": "heart", "desktop computer": "computer", "open book": "book", "red apple": "apple",
    "mobile phone": "phone", "full moon": "moon", "automobile": "car", "sport utility vehicle": "jeep",
    "deciduous tree": "tree", "four leaf clover": "clover", "pile of poo": "poo", "jack o lantern": "pumpkin",
    "face with tears of joy": "joy", "santa claus": "santa", "wrapped gift": "gift", "birthday cake": "cake",
    "cooked rice": "rice", "french fries": "fries", "ear of corn": "corn", "baguette bread": "baguette",
    "pot of food": "stew", "cheese wedge": "cheese", "meat on bone": "meat", "cut of meat": "steak",
    "beer mug": "beer", "wine glass": "wine", "cocktail glass": "cocktail", "hot beverage": "coffee",
    "glass of milk": "milk", "teacup without handle": "tea", "fork and knife with plate": "dinner",
    "fork and knife": "cutlery", "kitchen knife": "knife", "beach with umbrella": "beach",
    "desert island": "island", "classical building": "museum", "statue of liberty": "liberty",
    "circus tent": "circus", "police car": "police", "mantelpiece clock": "clock", "cloud with rain": "rain",
    "cloud with snow": "snow", "cloud with lightning and rain": "storm", "high voltage": "voltage",
    "soccer ball": "soccer", "american football": "football", "game die": "dice", "puzzle piece": "puzzle",
    "framed picture": "picture", "artist palette": "palette", "sewing needle": "needle", "t shirt": "shirt",
    "woman s clothes": "blouse", "man s shoe": "shoe", "high heeled shoe": "heels", "running shoe": "sneaker",
    "woman s boot": "boot", "woman s hat": "hat", "billed cap": "cap", "gem stone": "gem", "muted speaker": "mute",
    "speaker high volume": "speaker", "musical keyboard": "piano", "electric plug": "plug", "optical disk": "cd",
    "television": "tv", "light bulb": "bulb", "red paper lantern": "lantern", "newspaper": "news",
    "dollar banknote": "dollar", "euro banknote": "euro", "pound banknote": "pound", "yen banknote": "yen",
    "e mail": "email", "closed mailbox with raised flag": "mailbox", "file folder": "folder", "straight ruler": "ruler",
    "bow and arrow": "archery", "carpentry saw": "saw", "nut and bolt": "bolt", "balance scale": "scales",
    "drop of blood": "blood", "adhesive bandage": "bandage", "couch and lamp": "couch", "headstone": "grave",
    "x-ray": "xray", "star of david": "david", "wheel of dharma": "dharma", "peace symbol": "peace",
    "atom symbol": "atom", "recycling symbol": "recycle", "plus sign": "plus", "minus sign": "minus",
    "division sign": "divide", "question mark": "question", "check mark": "check", "pirate flag": "pirate",
    "flag england": "england", "flag scotland": "scotland", "flag wales": "wales", "crossed swords": "swords",
    "telephone": "landline", "money bag": "money", "broken chain": "chain", "nail polish": "nails",
    "military medal": "medal", "bust in silhouette": "bust", "star and crescent": "islam",
    "rhinoceros": "rhino", "hippopotamus": "hippo", "crocodile": "croc", "t rex": "trex", "spaghetti": "pasta",
    "firecracker": "dynamite", "orangutan": "ape", "skateboard": "skate", "badminton": "birdie",
    "shallow pan of food": "paella", "bowl with spoon": "cereal", "superhero": "hero", "detective": "spy",
    "construction worker": "builder", "bridge at night": "bridge", "locomotive": "engine",
    "umbrella on ground": "parasol", "flag in hole": "golf", "graduation cap": "college",
    "1st place medal": "first", "2nd place medal": "second", "3rd place medal": "third", "hamburger": "burger",
    "sunglasses": "shades", "helicopter": "chopper", "snowflake": "flake", "christmas tree": "xmas",
    "volleyball": "volley", "paintbrush": "brush", "cigarette": "smoking", "radioactive": "nuclear",
    "heart with arrow": "cupid", "collision": "boom", "person with crown": "monarch",
    "woman with headscarf": "hijab", "person in lotus position": "yoga", "saxophone": "sax",
    "magnifying glass tilted left": "search", "hourglass done": "sand", "footprints": "tracks",
    "cockroach": "roach", "exclamation mark": "bang", "wastebasket": "trash", "chequered flag": "race",
    "cup with straw": "soda", "hammer and wrench": "tools", "pool 8 ball": "pool", "microphone": "mic",
    "magnifying glass tilted right": "zoom", "roll of paper": "roll", "cowboy hat face": "cowboy", "two hump camel": "bactrian", "tokyo tower": "tower", "globe with meridians": "globe",
}  # fmt: skip


def is_line(word: str, least: int = LEAST_LETTERS) -> bool:
    return re.fullmatch(f"[a-z]{{{least},{LONGEST_LINE}}}", word) is not None


def two_lines(name: str) -> str | None:
    """A two-word name as two lines, if both are short."""
    words = name.split()
    fits = len(words) == 2 and all(map(is_line, words)) and sum(map(len, words)) <= LONGEST_NAME
    return "\n".join(words) if fits else None


def choices(concept: Concept, name_words: Counter[str]) -> list[str]:
    """What could be printed for a concept, best first."""
    if concept.is_flag:  # one line: countries are many, and are capped at a tenth of the words anyway
        return [concept.plain] if is_line(concept.plain) else []
    words = [MAIN.get(concept.name), concept.name if is_line(concept.name) else None, two_lines(concept.name)]
    # A word of the name that no other name has and that emojilib too thinks is the point of it.
    words += [
        w
        for w in concept.name.split()
        if is_line(w, KEYWORD_LETTERS) and name_words[w] == 1 and w in concept.keywords
    ]
    words += [w for s in concept.short_names if is_line(w := s.replace("_", "-"), KEYWORD_LETTERS)]
    return list(dict.fromkeys(w for w in words if w))


def add_printed_words(concepts: list[Concept]) -> None:
    """Gives every concept its core word and, where the name fits two lines too, that as a second."""
    name_words = Counter(w for c in concepts for w in set(c.name.split()))
    options = [choices(c, name_words) for c in concepts]
    # A name belongs to its concept; "turkey" to the bird, not to the country.
    owner = {c.plain: i for i, c in enumerate(concepts) if c.is_flag}
    owner |= {c.plain: i for i, c in enumerate(concepts) if not c.is_flag}
    owner |= {word: i for i, c in enumerate(concepts) if (word := MAIN.get(c.name))}
    # Whoever has a word earlier in its list is asked first; emoji order breaks ties.
    for place in range(max(map(len, options))):
        for i, words in enumerate(options):
            if place < len(words):
                owner.setdefault(words[place].replace("\n", " "), i)
    for i, (concept, words) in enumerate(zip(concepts, options)):
        own = [w for w in words if owner[w.replace("\n", " ")] == i]
        second = [w for w in own[1:] if w == two_lines(concept.name)]
        concept.printed = own[:1] + second
