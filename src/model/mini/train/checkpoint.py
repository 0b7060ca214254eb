"""Files that are written whole or not at all, however the process ends."""

import os
from pathlib import Path
from typing import Any

import torch


def save(values: dict[str, Any], path: Path) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        torch.save(values, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=False)
