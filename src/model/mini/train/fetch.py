"""Downloads the packages through npm and unpacks what is needed of them."""

import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sources import DATASOURCE, NOTO_FLAGS, PACKAGES, Package

DOWNLOADS = 4

# Of the two data packages, whose sprite sheets are large, only these are kept.
ONLY = {
    DATASOURCE.name: ("package.json", "emoji.json", "LICENSE"),
    NOTO_FLAGS.name: ("package.json", "img/google/64/1f1", "img/google/64/1f3f4-e", "LICENSE"),
}


def package_folder(work: Path, package: Package) -> Path:
    """Where a package lies once fetched."""
    return work / "packages" / package.folder


def fetch_package(work: Path, package: Package) -> None:
    """Fetches one package unless it is already there; its folder appears only when complete."""
    folder = package_folder(work, package)
    if folder.exists():
        return
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", package.spec, "--silent", "--pack-destination", str(partial)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    archive = next(partial.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        for member in tar:
            # npm's archives have one top folder, usually named "package".
            member.name = member.name.partition("/")[2]
            if member.isfile() and member.name.startswith(ONLY.get(package.name, ("",))):
                tar.extract(member, partial, filter="data")
    archive.unlink()
    partial.rename(folder)


def fetch(work: Path) -> None:
    """Fetches every package."""
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        list(pool.map(lambda package: fetch_package(work, package), PACKAGES))
