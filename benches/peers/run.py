"""Times percept against plain PyTorch and against lucent, turn about, in one run.

    python benches/peers/run.py --out benches/runs/NAME [--pairs 5] [--only TEXT]

Installs its own environment (requirements.txt) under target/peers at the first run. Weights are
open_clip's architectures with random numbers, the same file for every program. Each measurement is
a process of its own; its peak memory is the process's largest resident set. Run it on a machine that
does nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "target/peers"
LUCENT = "torch-lucent==0.1.8"  # without its dependencies: it pins versions that no longer build
LUCENT_NEEDS = ["decorator", "future", "ipython", "scikit-learn", "tqdm"]

# name, open_clip's name, percept's unit, the module whose output it is a channel of, side, batch,
# repeats in a process. The first repeats warm up and are dropped.
STEPS = [
    ("RN50, 224 px, batch 1", "RN50-quickgelu", "layer4.2.sum:5", "layer4", 224, 1, 12),
    ("RN50, 224 px, batch 8", "RN50-quickgelu", "layer4.2.sum:5", "layer4", 224, 8, 4),
    ("RN50x4, 288 px, batch 1", "RN50x4-quickgelu", "layer4.5.sum:5", "layer4", 288, 1, 5),
    ("ViT-B/32, 224 px, batch 1", "ViT-B-32-quickgelu", "blocks.10:5", "transformer.resblocks.10", 224, 1, 12),
]
# name, batch, steps: RN50 at 224 px, lucent's transforms.
ASCENTS = [("RN50, 224 px, batch 1", 1, 64), ("RN50, 224 px, batch 8", 8, 16)]
WARM = 2
# How percept's step of RN50 grows, over batches at 224 px and over sides at batch 1.
BATCHES = [1, 2, 4, 8, 16]
SIDES = [128, 160, 224, 288, 384, 512]


def environment(folder: Path) -> None:
    """Makes the environment and goes on inside it."""
    python = folder / "bin/python"
    if Path(sys.prefix).resolve() == folder.resolve():
        return
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "-r", HERE / "requirements.txt", *LUCENT_NEEDS], check=True)
        subprocess.run([*install, "--no-deps", LUCENT], check=True)
    os.execv(python, [str(python), *sys.argv])


def weights(name: str) -> Path:
    """A state dict of random numbers in OpenAI's layout."""
    file = WORK / f"{name}.safetensors"
    if not file.exists():
        subprocess.run(this("--make-weights", name), check=True)
    return file


def make_weights(name: str) -> None:
    """In a process of its own: the memory of this one would count as that of those it starts."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(name)
    state = {k: v.clone().contiguous() for k, v in model.state_dict().items() if k != "attn_mask"}
    for key, value in state.items():
        if key.endswith("bn3.weight"):  # zero at first, which would leave out half of the work
            value.fill_(0.5)
    save_file(state, WORK / f"{name}.safetensors")


def torch_model(name: str):
    import open_clip
    from safetensors.torch import load_file

    model = open_clip.create_model(name)
    model.load_state_dict(load_file(weights(name)), strict=False)
    return model.eval().requires_grad_(False)


class Reached(Exception):
    """The tap: nothing behind it is computed."""


def torch_step(name: str, module: str, side: int, batch: int, repeats: int) -> None:
    """Prints the seconds of forward and gradient of the image, one repeat a line."""
    import time

    import torch

    visual = torch_model(name).visual
    seen = []

    def stop(_module, _inputs, output):
        seen.append(output)
        raise Reached

    visual.get_submodule(module).register_forward_hook(stop)
    pictures = torch.randn(batch, 3, side, side, requires_grad=True)
    for _ in range(repeats):
        start = time.perf_counter()
        try:
            visual(pictures)
        except Reached:
            pass
        output = seen.pop()
        channel = output[:, 5].mean((1, 2)) if output.dim() == 4 else output[..., 5].mean(-1)
        torch.autograd.grad(channel.sum(), pictures)
        print(time.perf_counter() - start, flush=True)


def lucent_ascent(name: str, batch: int, steps: int) -> None:
    """Prints the seconds of lucent's own loop."""
    import time

    import kornia
    import torch

    # Names that lucent's version of kornia had.
    for moved in ("get_rotation_matrix2d", "warp_affine", "translate"):
        setattr(kornia, moved, getattr(kornia.geometry.transform, moved))
    from lucent.optvis import objectives, param, render
    from lucent.optvis.transform import standard_transforms

    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(1, 3, 1, 1)
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(1, 3, 1, 1)
    visual = torch_model(name).visual
    objective = sum(objectives.channel("layer4", i, batch=i) for i in range(batch))
    start = time.perf_counter()
    render.render_vis(
        visual,
        objective,
        lambda: param.image(224, batch=batch),
        transforms=[*standard_transforms, lambda x: (x - mean) / deviation],
        thresholds=(steps,),
        preprocess=False,
        fixed_image_size=224,
        progress=False,
        show_image=False,
    )
    print(time.perf_counter() - start)


def finished(command: list) -> tuple[str, float]:
    """What a process prints, and its peak memory in MB."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, cwd=WORK)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return printed, usage.ru_maxrss / 1024


def measure(command: list) -> tuple[list[float], float]:
    """The seconds that a process prints, and its peak memory in MB."""
    printed, memory = finished(command)
    return [float(line) for line in printed.split()], memory


def this(*arguments) -> list:
    return [sys.executable, __file__, *arguments]


def build() -> tuple[Path, Path]:
    """The bench that times steps, and the program."""
    printed = subprocess.run(
        ["cargo", "bench", "--no-run", "--bench", "step", "--message-format", "json"],
        check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ).stdout
    made = [json.loads(line) for line in printed.splitlines()]
    step = next(m["executable"] for m in made if m.get("target", {}).get("name") == "step")
    subprocess.run(["cargo", "build", "--release"], check=True, cwd=ROOT)
    return Path(step), ROOT / "target/release/percept"


def percept_ascent(program: Path, name: str, batch: int, steps: int) -> tuple[list[float], float]:
    """As long as percept says that the ascent took."""
    out = WORK / "pictures"
    units = f"layer4.2.sum:0..{batch}"
    command = [program, "render", units, "--model", weights(name), "--size", 224, "--steps", steps]
    command += ["--batch", batch, "--out", out]
    _, memory = finished(command)
    sidecar = json.loads(max(out.glob("*.json"), key=lambda f: f.stat().st_mtime).read_text())
    return [sidecar["timing"]["seconds"]], memory


def compare(name: str, peer, ours, pairs: int) -> dict:
    """`peer` and `ours` turn about; the first pair warms up the caches and is dropped."""
    rows = []
    for pair in range(pairs + 1):
        (theirs, their_memory), (own, own_memory) = peer(), ours()
        row = {
            "peer": statistics.median(theirs), "percept": statistics.median(own),
            "peer_mb": their_memory, "percept_mb": own_memory,
        }
        row["ratio"] = row["peer"] / row["percept"]
        print(name, {k: round(v, 3) for k, v in row.items()}, flush=True)
        if pair:
            rows.append(row)
    return {"name": name, "pairs": rows}


def table(results: list[dict]) -> str:
    lines = [
        "| | peer, s | percept, s | ratio: min, median, max | peak memory, MB: peer, percept |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        rows = result["pairs"]
        middle = lambda key: statistics.median(row[key] for row in rows)
        ratios = sorted(row["ratio"] for row in rows)
        lines.append(
            f"| {result['name']} | {middle('peer'):.3f} | {middle('percept'):.3f} "
            f"| {ratios[0]:.2f}, {statistics.median(ratios):.2f}, {ratios[-1]:.2f} "
            f"| {middle('peer_mb'):.0f}, {middle('percept_mb'):.0f} |"
        )
    return "\n".join(lines) + "\n"


def growth(step: Path, rounds: int) -> list[dict]:
    """Seconds of a step for one image: all shapes in turn, `rounds` times; medians."""
    shapes = [(224, batch) for batch in BATCHES] + [(side, 1) for side in SIDES]
    seconds = {shape: [] for shape in shapes}
    for turn in range(rounds):
        for side, batch in shapes:
            repeats = max(3, 8 * 224 * 224 // (side * side * batch)) + WARM
            printed, _ = measure([step, weights("RN50-quickgelu"), "layer4.2.sum:5", side, batch, repeats])
            seconds[side, batch].append(statistics.median(printed[WARM:]) / batch)
        print("growth, round", turn + 1, flush=True)
    return [
        {"side": side, "batch": batch, "seconds": values} for (side, batch), values in seconds.items()
    ]


def growth_tables(rows: list[dict]) -> str:
    found = {(row["side"], row["batch"]): statistics.median(row["seconds"]) for row in rows}
    batches = [f"{found[224, batch]:.4f}" for batch in BATCHES]
    sides = [f"{found[side, 1]:.4f}" for side in SIDES]
    pixels = [f"{found[side, 1] / side**2 * 1e6:.2f}" for side in SIDES]
    row = lambda name, values: f"| {name} | " + " | ".join(map(str, values)) + " |\n"
    return (
        "Seconds of a step of RN50 for one image:\n\n"
        + row("batch, at 224 px", BATCHES) + "|---" * (len(BATCHES) + 1) + "|\n" + row("s", batches)
        + "\n" + row("pixels a side, at batch 1", SIDES) + "|---" * (len(SIDES) + 1) + "|\n"
        + row("s", sides) + row("s a megapixel", pixels)
    )


def machine() -> dict:
    import kornia
    import open_clip
    import torch

    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    version = lambda *command: subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    return {
        "command": " ".join(["python", "benches/peers/run.py", *sys.argv[1:]]),
        "cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(),
        "rustc": version("rustc", "--version"), "percept": version("git", "rev-parse", "HEAD"),
        "profile": {k: v for k, v in os.environ.items() if k.startswith("CARGO_PROFILE")},
        "python": platform.python_version(), "torch": torch.__version__, "kornia": kornia.__version__,
        "open_clip": open_clip.__version__, "lucent": LUCENT,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Times percept against PyTorch and lucent.")
    parser.add_argument("--out", type=Path, help="folder for raw.json and README.md")
    parser.add_argument("--pairs", type=int, default=5, help="at least 1 (default 5)")
    parser.add_argument("--growth", type=int, default=3, help="rounds of the growth tables (default 3)")
    parser.add_argument("--only", default="", help="comparisons whose name holds this text")
    parser.add_argument("--venv", type=Path, default=WORK / "venv")
    parser.add_argument("--make-weights", help=argparse.SUPPRESS)
    parser.add_argument("--torch-step", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--lucent-ascent", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if options.make_weights:
        return make_weights(options.make_weights)
    if options.torch_step:
        name, module, *numbers = options.torch_step
        return torch_step(name, module, *map(int, numbers))
    if options.lucent_ascent:
        name, *numbers = options.lucent_ascent
        return lucent_ascent(name, *map(int, numbers))
    environment(options.venv)
    step, program = build()
    results = []
    for name, model, unit, module, side, batch, repeats in STEPS:
        label = f"step of PyTorch: {name}"
        if options.only in label:
            peer = lambda: measure(this("--torch-step", model, module, side, batch, repeats + WARM))
            ours = lambda: measure([step, weights(model), unit, side, batch, repeats + WARM])
            warm = lambda found: (found[0][WARM:], found[1])
            results.append(compare(label, lambda: warm(peer()), lambda: warm(ours()), options.pairs))
    for name, batch, steps in ASCENTS:
        label = f"ascent of lucent, {steps} steps: {name}"
        if options.only in label:
            model = "RN50-quickgelu"
            peer = lambda: measure(this("--lucent-ascent", model, batch, steps))
            results.append(
                compare(label, peer, lambda: percept_ascent(program, model, batch, steps), options.pairs)
            )
    report = table(results) if results else ""
    grown = growth(step, options.growth) if options.growth else []
    if grown:
        report += "\n" + growth_tables(grown)
    print(report)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        known = {"machine": machine(), "results": results, "growth": grown}
        (options.out / "raw.json").write_text(json.dumps(known, indent=1) + "\n")
        lines = "\n".join(f"* {key}: {value}" for key, value in known["machine"].items())
        (options.out / "README.md").write_text(f"# percept and its peers\n\n{lines}\n\n{report}")


if __name__ == "__main__":
    main()
