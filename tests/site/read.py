"""Reads an atlas' table with pandas, and checks what only another reader can: types, nulls, nesting."""

import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1])
units = pd.read_parquet(folder / "units.parquet").set_index(["tap", "unit"])
assert len(units) == 10_000, len(units)
assert units.index.is_unique and units.clean.dtype == "float64", units.dtypes
assert units.clean.isna().sum() == 1 and units.flag.notna().sum() == 1

best = units[units["rank"] == 1].nlargest(20, "z")
assert len(best) == 20 and best.z.is_monotonic_decreasing
zebra = units[units.labels.apply(lambda labels: "Ünique zebrafish" in labels)]
assert list(zebra.index) == [("layer4.5.sum", 7777)]

unit = units.loc[("layer4.5.sum", 7777)]
assert len(unit.labels) == len(unit.label_scores) == 4
assert len(unit.near_weights) == len(unit.near_weights_similarity) == 6
assert (folder / unit.picture).read_bytes().startswith(b"\x89PNG")

pictures = pd.json_normalize(units.pictures.explode().dropna().tolist())
assert len(pictures) == 4 * 9_999, len(pictures)
assert pictures.seed.dtype == "uint64" or (pictures.seed == 0).all()
assert set(pictures.kind) == {"positive", "negative", "facet"}
assert set(pictures.facet.dropna()) == {"face"}
first = pictures[(pictures.kind == "positive") & (pictures.variant == 0)]
assert (first.clean.to_numpy() == units.clean.dropna().to_numpy()).all()
