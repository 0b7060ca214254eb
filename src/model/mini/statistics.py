"""Measures how the embedded model's units usually respond, and writes statistics.safetensors.

For every tap, over every picture: each channel's mean over positions; then the mean and the
standard deviation of that over the pictures. The pictures are the 64-pixel PNGs of two styles
that the model was trained on, laid on white:

    npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
    (unpack both; needs numpy, safetensors and a release build of percept)
    python src/model/mini/statistics.py target/release/percept google/img/google/64 twitter/img/twitter/64
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PER_STYLE = 1000
CHUNK = 100
SKIN_TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")


def pictures(folder: Path) -> list[Path]:
    """PER_STYLE files spread evenly over a style, without skin-tone variants."""
    files = sorted(p for p in folder.glob("*.png") if not any(t in p.stem for t in SKIN_TONES))
    step = max(len(files) / PER_STYLE, 1)
    return [files[int(i * step)] for i in range(min(PER_STYLE, len(files)))]


def channel_means(percept: str, files: list[Path]) -> dict[str, np.ndarray]:
    """Each tap's channel means, (pictures, channels)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "activations.npz"
        command = [percept, "encode", *map(str, files), "--tap", "all", "--quiet", "--out", str(out)]
        subprocess.run(command, check=True)
        with np.load(out) as arrays:
            taps = (name for name in arrays if name.startswith("act."))
            return {
                name.removeprefix("act."): arrays[name].reshape(*arrays[name].shape[:2], -1).mean(2, dtype=np.float64)
                for name in taps
            }


def main(percept: str, *styles: str) -> None:
    files = [file for style in styles for file in pictures(Path(style))]
    parts = [channel_means(percept, files[i : i + CHUNK]) for i in range(0, len(files), CHUNK)]
    tensors = {}
    for tap in parts[0]:
        values = np.concatenate([part[tap] for part in parts])
        tensors[f"{tap}.mean"] = values.mean(0).astype(np.float32)
        tensors[f"{tap}.sd"] = values.std(0).astype(np.float32)
    out = Path(__file__).with_name("statistics.safetensors")
    save_file(tensors, out, metadata={"pictures": str(len(files))})
    print(f"{len(files)} pictures, {len(parts[0])} taps, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
