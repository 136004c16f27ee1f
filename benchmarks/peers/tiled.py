"""One way of mapping a raster with a network, in a process of its own: `tiled.py WAY TASK.json` prints its cost.

Every way but `bare` reads the GeoTIFF, standardises, predicts windows of 256 px every 192 px and writes a GeoTIFF of
classes. The clock starts when libraries are imported and the checkpoint is loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.peers.absent import stand_in
from isamap.training.checkpoints.checkpoint import Checkpoint, load, normalise

SIDE, STRIDE = 256, 192


@dataclass(frozen=True)
class Task:
    """A raster, the checkpoint, where the classes go, and how many threads there are."""

    input: str
    checkpoint: str
    out: str
    threads: int


def network_of(task: Task) -> tuple[Checkpoint, Callable[[torch.Tensor], torch.Tensor]]:
    """The checkpoint and its network as it was built: what every peer is given."""
    trained = load(task.checkpoint)
    network = trained.build().eval()
    return trained, lambda x: network(x).logits_BKHW


def standardised(trained: Checkpoint, stored_BHW: np.ndarray) -> np.ndarray:
    """The network's input of stored numbers."""
    return normalise(stored_BHW * np.float32(1e-4), stored_BHW != -32768, trained.bands)


def read(task: Task) -> np.ndarray:
    """All of the raster's stored numbers."""
    with rasterio.open(task.input) as file:
        return file.read()


def write(task: Task, class_HW: np.ndarray) -> None:
    """The classes as a GeoTIFF on the input's grid."""
    with rasterio.open(task.input) as file:
        profile = file.profile | {"count": 1, "dtype": "uint8", "nodata": 255, "predictor": 1}
    with rasterio.open(task.out, "w", **profile) as out:
        out.write(class_HW.astype(np.uint8), 1)


def starts(length: int) -> list[int]:
    """Windows from the raster's corner, the last one moved back to its edge."""
    return [*range(0, length - SIDE, STRIDE), length - SIDE]


def bare(task: Task) -> Callable[[], None]:
    """The forward pass alone, one window at a time, as many windows as a raster of this size takes."""
    _, forward = network_of(task)
    with rasterio.open(task.input) as file:
        count, bands = len(starts(file.height)) * len(starts(file.width)), file.count
    x = torch.randn(1, bands, SIDE, SIDE)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(count):
                forward(x)

    return run


def naive(task: Task) -> Callable[[], None]:
    """rasterio windows, one after another, added with Hann's weights."""
    trained, forward = network_of(task)
    # Sampled at pixels' middles, so that no weight is 0: the raster's own edge lies in one window only.
    line = np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE) ** 2
    weight_HW = np.outer(line, line).astype(np.float32)

    def run() -> None:
        with rasterio.open(task.input) as file, torch.inference_mode():
            total = np.zeros((2, file.height, file.width), np.float32)
            for row in starts(file.height):
                for col in starts(file.width):
                    x = standardised(trained, file.read(window=Window(col, row, SIDE, SIDE)))
                    chances = forward(torch.from_numpy(x)[None]).softmax(1)[0].numpy()
                    total[:, row : row + SIDE, col : col + SIDE] += chances * weight_HW
        write(task, total.argmax(axis=0))

    return run


def terratorch(task: Task) -> Callable[[], None]:
    """terratorch.tasks.tiled_inference on the whole image as a tensor, with its own batch of 16."""
    name = "terratorch.tasks.tiled_inference"
    # the package's own imports bring lightning, timm and torchvision; this module calls one function of them
    module = _alone(name, models__utils__pad_images=None)  # imported there and not called
    trained, forward = network_of(task)

    def run() -> None:
        x = torch.from_numpy(standardised(trained, read(task)))[None]
        with torch.inference_mode():
            logits = module.tiled_inference(forward, x, crop=SIDE, stride=STRIDE, delta=8, batch_size=16)
        write(task, logits[0].argmax(0).numpy())

    return run


def geoai(task: Task) -> Callable[[], None]:
    """geoai.inference.predict_geotiff with its own batch of 4 and spline blending."""
    module = _alone("geoai.inference", utils__get_device=lambda: "cpu")  # the package itself imports leafmap
    trained, forward = network_of(task)

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return forward(x)

    def run() -> None:
        module.predict_geotiff(
            Model(), task.input, task.out, tile_size=SIDE, overlap=SIDE - STRIDE, num_classes=2, output_dtype="uint8",
            output_nodata=255, preprocess_fn=lambda stored: standardised(trained, stored),
            postprocess_fn=lambda logits: logits.argmax(axis=0)[None], device="cpu", verbose=False,
        )  # fmt: skip

    return run


def torchgeo(task: Task) -> Callable[[], None]:
    """torchgeo's GridGeoSampler and a DataLoader without workers, windows written over each other."""
    datasets, samplers = (importlib.import_module(f"torchgeo.{name}") for name in ("datasets", "samplers"))
    trained, forward = network_of(task)

    def run() -> None:
        dataset = datasets.RasterDataset(str(Path(task.input).parent))
        sampler = samplers.GridGeoSampler(dataset, size=SIDE, stride=STRIDE)
        loader = torch.utils.data.DataLoader(
            dataset, batch_size=8, sampler=sampler, collate_fn=datasets.stack_samples, num_workers=0
        )
        with rasterio.open(task.input) as file:
            class_HW, transform = np.zeros(file.shape, np.uint8), file.transform
        with torch.inference_mode():
            for batch in loader:
                x = torch.from_numpy(np.stack([standardised(trained, image.numpy()) for image in batch["image"]]))
                for logits, bounds in zip(forward(x), batch["bounds"], strict=True):
                    _overwrite(class_HW, logits.argmax(0).numpy(), transform, bounds)
        write(task, class_HW)

    return run


def tiler(task: Task) -> Callable[[], None]:
    """tiler's Tiler and Merger on the whole image, Hann's window, batches of 8."""
    module = importlib.import_module("tiler")
    trained, forward = network_of(task)

    def run() -> None:
        x = standardised(trained, read(task))
        cut = module.Tiler(
            data_shape=x.shape, tile_shape=(len(x), SIDE, SIDE), overlap=(0, SIDE - STRIDE, SIDE - STRIDE),
            channel_dimension=0,
        )  # fmt: skip
        joined = module.Merger(
            module.Tiler(
                data_shape=(2, *x.shape[1:]), tile_shape=(2, SIDE, SIDE), overlap=(0, SIDE - STRIDE, SIDE - STRIDE),
                channel_dimension=0,
            ), window="hann",
        )  # fmt: skip
        with torch.inference_mode():
            for batch_index, batch in cut(x, batch_size=8):
                logits = forward(torch.from_numpy(batch)).numpy()
                joined.add_batch(batch_index, 8, logits)
        write(task, joined.merge(unpad=True).argmax(axis=0))

    return run


def ours(task: Task, runtime: str, precision: str = "fp32") -> Callable[[], None]:
    """`map_region`."""
    from isamap.inference.mapping.map import map_region

    options = {"progress": False, "overwrite": True, "workers": task.threads}
    options |= {"runtime": runtime, "precision": precision}
    return lambda: map_region(task.checkpoint, input=task.input, out=task.out, **options) and None


def command(task: Task) -> Callable[[], None]:
    """`isamap map` in a process of its own, as from a shell."""
    words = ["--checkpoint", task.checkpoint, "--input", task.input, "--out", task.out, "--overwrite"]
    words += ["--workers", str(task.threads), "--runtime", "openvino", "--precision", _fastest()]
    return lambda: (
        subprocess.run([sys.executable, "-m", "isamap", "map", *words], check=True, stdout=sys.stderr) and None
    )


def _fastest() -> str:
    """bf16 where this processor has instructions for it."""
    import openvino

    return "bf16" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"


WAYS: dict[str, Callable[[Task], Callable[[], None]]] = {
    "bare": bare,
    "isamap torch": lambda task: ours(task, "torch"),
    "isamap openvino": lambda task: ours(task, "openvino"),
    "isamap openvino bf16": lambda task: ours(task, "openvino", "bf16"),
    "isamap openvino int8": lambda task: ours(task, "openvino", "int8"),
    "isamap command": command,
    "naive": naive,
    "terratorch": terratorch,
    "geoai": geoai,
    "torchgeo": torchgeo,
    "tiler": tiler,
}


def _overwrite(class_HW: np.ndarray, tile_HW: np.ndarray, transform, bounds) -> None:
    """Puts a window's classes where torchgeo's bounds say that it lies."""
    x, y = (bounds[0].start, bounds[1].stop) if isinstance(bounds[0], slice) else (float(bounds[0]), float(bounds[4]))
    col, row = (round(pixel) for pixel in ~transform * (x, y))
    height, width = class_HW[max(row, 0) : row + SIDE, max(col, 0) : col + SIDE].shape
    top, left = max(-row, 0), max(-col, 0)
    class_HW[max(row, 0) : row + SIDE, max(col, 0) : col + SIDE] = tile_HW[top : top + height, left : left + width]


def _alone(name: str, **names: object):
    """A module of an installed package without what the package itself imports; `names` stand in for what it imports
    from the package's other modules, `module__name` each.
    """
    package = name.split(".")[0]
    root = importlib.util.find_spec(package)
    if root is None or not root.submodule_search_locations:
        raise ModuleNotFoundError(f"No module named {package!r}")
    path = Path(root.submodule_search_locations[0]).joinpath(*name.split(".")[1:]).with_suffix(".py")
    for text, value in names.items():
        *parts, attribute = text.split("__")
        for depth in range(len(parts) + 1):
            _put(".".join([package, *parts[:depth]]))
        setattr(sys.modules[".".join([package, *parts])], attribute, value)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _put(name: str) -> None:
    """An empty package of that name, unless there is one."""
    if name not in sys.modules:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = []


def main(way: str, task_file: str) -> None:
    stand_in()
    task = Task(**json.loads(Path(task_file).read_text()))
    torch.set_num_threads(task.threads)
    run = WAYS[way](task)
    wall, cpu = time.monotonic(), time.process_time()
    run()
    wall_s, child = time.monotonic() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    if way == "isamap command":
        seconds, peak_mb = (child.ru_utime + child.ru_stime,) * 2, child.ru_maxrss / 1024
    else:
        seconds, peak_mb = (time.process_time() - cpu, time.process_time()), highest_mb()
    print(json.dumps({"wall_s": wall_s, "cpu_s": seconds[0], "all_cpu_s": seconds[1], "rss_mb": peak_mb}))


def highest_mb() -> float:
    """Highest memory of this program; getrusage would count that of its parent too, from before this one was loaded."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(*sys.argv[1:])
