"""Prints the card's table of sources, from sources.py: python src/model/mini/train/card.py"""

from sources import DATASOURCE, EMOJILIB, FAMILIES, FINAL, NAMES, NOTO_FLAGS, STYLES, TRAIN, Package

USES = {TRAIN: "trained on", FINAL: "evaluated once", NAMES: "names"}
FONTSOURCE, COMMON = "@fontsource/", "OFL-1.1"


def kinds() -> dict[Package, str]:
    """What each package was used for: pictures, fonts or names."""
    drawings = {s.package: "drawings" for s in STYLES} | {NOTO_FLAGS: "flags"}
    fonts = {f.package: "font" for f in FAMILIES}
    return {DATASOURCE: "names", EMOJILIB: "names"} | drawings | fonts


def main() -> None:
    print("| package | version | licence | by | used as |\n|---|---|---|---|---|")
    common: dict[str, list[Package]] = {}
    for package, kind in kinds().items():
        use = kind if package.role == NAMES else f"{kind}, {USES.get(package.role, 'watched')}"
        if kind == "font" and package.licence == COMMON:
            common.setdefault(use, []).append(package)
            continue
        by = package.attribution
        print(f"| `{package.name}` | {package.version} | {package.licence} | {by} | {use} |")
    for use, packages in common.items():
        names = ", ".join(p.name.removeprefix(FONTSOURCE) for p in packages)
        version = packages[0].version
        print(f"| `{FONTSOURCE}`: {names} | {version} | {COMMON} | each project's authors | {use} |")


if __name__ == "__main__":
    main()
