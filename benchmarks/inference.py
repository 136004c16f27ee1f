"""P1 and P2 (docs/reference/performance.md, "P1" and "P2"): maps of a raster by isamap and by its peers.

    python benchmarks/inference.py [--sizes 1216 3000] [--threads 1] [--peers PYTHON] [--ways "isamap torch" bare ...]
        [--folder KEPT] [--widths 8 16 32 64]
    python benchmarks/inference.py --sizes 1024x30000 --ways "isamap torch" "isamap openvino bf16"

One U-Net of 1.24 GFLOP a window (widths 8, 16, 32, 64 or --widths; random weights; windows of 256 px every 192 px),
10 bands of int16, DEFLATE, tiles of 512 px. Each way runs in a process of its own, one after another: seconds on the
clock and of all processors from when its libraries are imported to its file of classes, highest memory, processor time
beside that of the bare forward passes of the windows that peers take, and pixels of another class than isamap's.
"isamap command" is `isamap map` from the shell with the runtime that is fastest here; its processor time is all in the
fourth column.
Peers' libraries: benchmarks/peers/inference.txt, in an environment of their own,

    python -m venv /tmp/peers && /tmp/peers/bin/pip install --no-deps -r benchmarks/peers/inference.txt

into which a .pth file lends this environment's torch and rasterio; --peers names its Python. Targets: P1 <= 1.05 x
bare and < 600 MB at 3000 px; P2 >= 3.5 x the median peer by all processor time at 3000 px, 2.5 x at 1216 px, 4 x where
--widths make a network of 100 kFLOP a pixel.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from isamap.training.checkpoints import checkpoint
from isamap.training.models import build
from isamap.training.models.cost import flop
from isamap.training.runtimes import folded
from isamap.training.runtimes.quantization import quantized_graph
from isamap.training.runtimes.quantized import files_of

ROOT = Path(__file__).resolve().parents[1]
BANDS = tuple(f"B{band}" for band in range(2, 12))
WIDTHS = (8, 16, 32, 64)
OURS = ("isamap torch", "isamap openvino", "isamap openvino bf16", "isamap openvino int8", "isamap command")
PEERS = ("naive", "terratorch", "geoai", "torchgeo", "tiler")
LEGEND = ("pervious", "impervious")
WIDE_PX = 6000


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of processors from the first read to the last write, with imports too, and memory."""

    wall_s: float
    cpu_s: float
    all_cpu_s: float
    rss_mb: float


def scene(path: Path, height: int, width: int) -> Path:
    """A raster of smooth shapes and noise, of which a rectangle has no data.

    Where it is wider than WIDE_PX, one of eight blocks in a row has data: the others take as much memory and no time.
    """
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "count": len(BANDS), "height": height, "width": width, "dtype": "int16"}
    profile |= {"crs": "EPSG:32650", "transform": Affine(10, 0, 212750, 0, -10, 3416360), "nodata": -32768}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "predictor": 2}
    with rasterio.open(path, "w", **profile, sparse_ok=True) as file:
        for top, left in product(range(0, height, 512), range(0, width, 512 * 8 if width > WIDE_PX else 512)):
            block = Window(left, top, min(512, width - left), min(512, height - top))
            rows = np.arange(top, top + block.height, dtype=np.float32)[:, None]
            cols = np.arange(left, left + block.width, dtype=np.float32)[None]
            shapes_HW = np.sin(rows / 37) * np.cos(cols / 53) + np.sin((rows + cols) / 190)
            phases_B11 = np.cos(np.arange(1, len(BANDS) + 1))[:, None, None]
            noise_BHW = rng.normal(0, 150, (len(BANDS), *shapes_HW.shape))
            stored_BHW = (1500 + 350 * shapes_HW * phases_B11 + noise_BHW).clip(1, 9000).astype(np.int16)
            stored_BHW[:, (abs(rows - height // 3) < 20) & (abs(cols - width // 2) < 45)] = -32768
            file.write(stored_BHW, window=block)
        file.descriptions, file.scales = BANDS, (1e-4,) * len(BANDS)
    return path


def made_checkpoint(folder: Path, raster: Path, widths: Sequence[int]) -> Path:
    """The U-Net with weights drawn at random, its last bias such that half of a window is impervious; its 8-bit graph
    is quantised on that window.
    """
    torch.manual_seed(0)
    network = build("unet", BANDS, {"classes": 2, "widths": tuple(widths)}).eval()
    norms = tuple(checkpoint.BandNorm(name, "reflectance", 0.15, 0.04, 0.0, 1.0) for name in BANDS)
    with rasterio.open(raster) as file:
        stored = file.read(window=((0, 256), (0, 256)))
    x = torch.from_numpy(checkpoint.normalise(stored * np.float32(1e-4), stored != -32768, norms))[None]
    with torch.no_grad():
        logits = network(x).logits_BKHW[0]
        # Random weights mostly call one class: half of each lets a difference between maps show.
        list(network.parameters())[-1][1] += (logits[0] - logits[1]).median()
    facts = {
        "classes": LEGEND,
        "thresholds": {"impervious": 0.5},
        "composite": {},
        "backscatter": "",
        "simulated": True,
    }
    described = checkpoint.of_network(network, "unet", norms, **facts, window=256, lattice=192)
    saved = checkpoint.save(described, network, folder)
    graph = quantized_graph(folded(saved.build()), [x])
    checkpoint.rewrite(saved, folder, files_of(saved, graph, {"images": 1}))
    return folder


def measured(way: str, python: str, task: dict, folder: Path) -> Cost | str:
    """What a way costs, or why it did not run."""
    file = folder / "task.json"
    file.write_text(json.dumps(task))
    # By the environment, because these libraries read it once, when they load.
    threads = {name: str(task["threads"]) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [python, str(ROOT / "benchmarks" / "peers" / "tiled.py"), way, str(file)]
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        absent = "ModuleNotFoundError" in last or "ImportError" in last or "not installed" in last
        return f"{'not installed' if absent else 'failed'}: {last[:120]}"
    return Cost(**json.loads(done.stdout.strip().splitlines()[-1]))


def difference(path: Path, reference: Path) -> str:
    """The share of known pixels that are of another class, in per cent."""
    if not path.exists() or not reference.exists():
        return "-"
    with rasterio.open(path) as file, rasterio.open(reference) as reference_file:
        mine_HW, other_HW = file.read(1), reference_file.read(1)
    known_HW = other_HW != 255
    return f"{100 * (mine_HW != other_HW)[known_HW].mean():.3f}"


def compare(size: str, ways: Sequence[str], options: argparse.Namespace, folder: Path) -> None:
    """Prints a table of one raster's size, `3000` or `HEIGHTxWIDTH`."""
    data = folder / size
    data.mkdir(exist_ok=True)
    height, width = (int(side) for side in (size.split("x") * 2)[:2])
    raster = data / "scene.tif"
    if not raster.exists():
        # Named when it is whole: a stopped run must not leave half a raster for the next one.
        scene(data / "new.tif", height, width).rename(raster)
    made = f"{size}-{'-'.join(map(str, options.widths))}"
    run = made_checkpoint(folder / f"run-{made}", raster, options.widths)
    kflop = flop(checkpoint.load(run).build(), 256) / 256**2 / 1e3
    costs: dict[str, Cost] = {}
    print(f"\n{height} x {width} x {len(BANDS)}, {options.threads} thread(s), {kflop:.0f} kFLOP a pixel")
    print("| way | wall s | CPU s | CPU of bare | CPU s with imports | peak MB | other classes % |")
    print("|---|---|---|---|---|---|---|")
    for way in ways:
        out = folder / f"{made}-{way.replace(' ', '-')}.tif"
        task = {"input": str(raster), "checkpoint": str(run), "out": str(out), "threads": options.threads}
        cost = measured(way, options.peers if way in PEERS else sys.executable, task, folder)
        if isinstance(cost, str):
            print(f"| {way} | {cost} |", flush=True)
            continue
        costs[way] = cost
        other_classes = "-" if way == "bare" else difference(out, folder / f"{made}-isamap-torch.tif")
        print(_row(way, cost, costs.get("bare"), other_classes), flush=True)
    _against_peers(costs)


def _row(way: str, cost: Cost, bare: Cost | None, other: str) -> str:
    """The table's row of a way, its CPU as a share of the bare network's, where that was measured."""
    share = "-" if bare is None else f"{cost.cpu_s / bare.cpu_s:.2f}"
    times = f"{cost.wall_s:.1f} | {cost.cpu_s:.1f} | {share} | {cost.all_cpu_s:.1f}"
    return f"| {way} | {times} | {cost.rss_mb:.0f} | {other} |"


def _against_peers(costs: Mapping[str, Cost]) -> None:
    """Prints how many times less CPU our ways take than the median peer."""
    peers = [costs[way] for way in PEERS if way in costs]
    for way in OURS:
        if way in costs and peers:
            mapping = statistics.median(cost.cpu_s for cost in peers) / costs[way].cpu_s
            everything = statistics.median(cost.all_cpu_s for cost in peers) / costs[way].all_cpu_s
            print(f"{way}: {mapping:.2f} x the median peer by CPU, {everything:.2f} x with imports")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1216", "3000"], help="SIDE, or HEIGHTxWIDTH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", default=sys.executable, help="Python of the peers' environment")
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS, help="of the U-Net's levels")
    parser.add_argument("--ways", nargs="+", default=["bare", *OURS, *PEERS])
    parser.add_argument("--folder", help="keeps rasters and maps here, for another run")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as temporary:
        for size in options.sizes:
            compare(size, options.ways, options, Path(options.folder or temporary))


if __name__ == "__main__":
    main()
