"""P4 and P8 (docs/reference/performance.md, "P4" and "P8"): the forward pass of CroFuseNet, HRNet and JointSeg by every
runtime and precision, beside plain torch.

    python benchmarks/forward.py [--device cpu|gpu] [--threads 1 2] [--repeat 7] [--checkpoint RUN --data DATA]

CPU: eager torch in fp32, as the network was built and with glibc's own memory settings (in a process of its own),
counts as 1.0; every other way, with ours (training/cpu.py), takes its turn once in each round, so that what else the
machine does falls on all alike. Ratios are medians over rounds: of the time on the clock, and of processor time, which
a busy machine disturbs less. Two threads are two images at once on one thread each, as `isamap map` works. GFLOP/s are
of processor time; one 3x3 convolution of 256 channels at 64 x 64 is shown as the peak they can come near.
--checkpoint measures with a trained network instead and prints how the MIoU of --data's test split changes.
GPU: millions of pixels and km2 a second beside the bounds of docs/reference/performance.md, "Bounds on a GPU".
Targets: P4 >= 1.9 in fp32, >= 3.5 in bf16, and 1.8 times that in int8, with MIoU within 0.1 points; P8 >= 25 % of the
bound.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from isamap.training.accuracy.evaluation import evaluate
from isamap.training.cpu import tune_cpu
from isamap.training.models import build
from isamap.training.models.cost import flop
from isamap.training.runtimes import DEFAULT, PRECISIONS, RUNTIMES, folded, precision_of
from isamap.training.runtimes.precisions import INT8, cpu_multiplies
from isamap.training.runtimes.quantization import of_shape, quantized_graph

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
GOALS = {"fp32": 1.9, "bf16": 3.5, "int8": 6.3}
MIOU_POINTS = 0.1
EAGER, TUNED = "eager fp32", "eager fp32 malloc"
PRUNED = {"prune": "inner", "ratio": 0.4, "round_to": 8}  # LandCover3m's, docs/reference/networks.md, "Filter pruning"
FLOATS = tuple(name for name in PRECISIONS if name != INT8)
Forward = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Subject:
    """A network under test: window it maps, ground of a pixel in m, bound of an H100 in Mpx/s.

    Bounds: the lower of 40 % of bf16 peak and of memory (docs/reference/performance.md, "Bounds on a GPU"; JointSeg's
    from docs/reference/networks.md, "JointSeg: cost" alike).
    """

    model: str
    config: Mapping[str, Any]
    window: int
    step_m: float
    bound_mpx: float | None = None


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of all processors together."""

    wall_s: float
    cpu_s: float


SUBJECTS = {
    "CroFuseNet": Subject("crofusenet", {}, 128, 10, 264),
    "HRNet-W24": Subject("hrnet", {"stem": "hrnet"}, 512, 3, 1846),
    "HRNet-W24 pruned": Subject("hrnet", {"stem": "hrnet"} | PRUNED, 512, 3, 3150),
    "HRNet-W24, paper's stem": Subject("hrnet", {}, 512, 3),
    "JointSeg lean": Subject("jointseg", {}, 64, 10, 27.8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=tuple(SUBJECTS))
    parser.add_argument("--compile", action="store_true", help="torch.compile too: a minute or more for each network")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    if options.checkpoint:
        accuracy(options.checkpoint, options.data)
    elif options.device == "gpu":
        on_gpu(options.only, options.repeat)
    else:
        on_cpu(options)


def on_cpu(options: argparse.Namespace) -> None:
    """A table of ratios for each network and number of threads."""
    print(f"{cpu_name()}, torch {torch.__version__}, median of {options.repeat} rounds, batch 1")
    tune_cpu()
    peaks()
    for name in options.only:
        subject = SUBJECTS[name]
        network, image = made(subject)
        ways = ways_of(network, compiled=options.compile) | in_8_bits(network, image)
        errors = deviations(ways, image)
        with untuned(name) as baseline:
            for threads in options.threads:
                torch.set_num_threads(1)
                rounds = [round_of(ways, image, threads, baseline) for _ in range(options.repeat)]
                report(name, threads, rounds, errors)


def peaks() -> None:
    """Prints what one convolution reaches, in GFLOP/s of processor time, in each precision."""
    torch.set_num_threads(1)
    for precision in PRECISIONS.values():
        if precision.name == INT8 or not cpu_multiplies(precision):
            continue
        layer = nn.Conv2d(256, 256, 3, padding=1).to(dtype=precision.dtype, memory_format=torch.channels_last)
        image = torch.randn(1, 256, 64, 64, dtype=precision.dtype).to(memory_format=torch.channels_last)
        # A first pass, in which the library chooses its kernel.
        layer(image)
        costs = [seconds(layer, image, 1).cpu_s for _ in range(20)]
        print(f"one convolution in {precision.name}: {2 * layer.weight.numel() * 64**2 / min(costs) / 1e9:.0f} GFLOP/s")


def made(subject: Subject) -> tuple[nn.Module, Tensor]:
    """The network and one image of its window, always the same."""
    torch.manual_seed(0)
    network = settled(build(subject.model, BANDS, subject.config), subject.window)
    return network, torch.randn(1, len(BANDS), subject.window, subject.window)


@contextmanager
def untuned(name: str) -> Iterator[Callable[[int], Cost]]:
    """What an image costs eager torch with the memory settings that a process is born with, by number of threads."""
    # Spawned: mallopt holds for a whole process, and a forked child would have our memory settings.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=answer, args=(name, theirs), daemon=True)
    process.start()

    def cost(threads: int) -> Cost:
        ours.send(threads)
        return ours.recv()

    # The first pass lays out memory and is not timed.
    cost(1)
    yield cost
    ours.send(0)
    process.join()


def answer(name: str, pipe: Connection) -> None:
    """In the other process: the cost of an image for each number of threads that is sent, until 0 is."""
    torch.set_num_threads(1)
    network, image = made(SUBJECTS[name])
    way = plain(network)
    while threads := pipe.recv():
        pipe.send(seconds(way, image, threads))


def settled(network: nn.Module, side: int) -> nn.Module:
    """In evaluation mode with the statistics of noise, so that logits are neither all alike nor beyond bounds."""
    with torch.no_grad():
        network.train()(torch.randn(2, len(BANDS), min(side, 128), min(side, 128)))
    return network.eval()


def ways_of(network: nn.Module, *, compiled: bool) -> dict[str, Forward]:
    """Name -> forward pass: plain torch first, peers' settings, then every runtime in every precision it has here."""
    ways: dict[str, Forward] = {TUNED: plain(network), "channels_last fp32": plain(deepcopy(network), last=True)}
    if compiled:
        ways["torch.compile fp32"] = torch.compile(folded(deepcopy(network)).to(memory_format=torch.channels_last))
    for name, runtime in RUNTIMES.items():
        for word in FLOATS:
            try:
                runtime.check(type(network), precision_of(word), "cpu")
            except ValueError:
                continue
            ways[f"{name} {word}"] = runtime.open(folded(deepcopy(network)), precision_of(word), "cpu")
    return ways


def in_8_bits(network: nn.Module, image: Tensor) -> dict[str, Forward]:
    """The runtimes that compute in 8 bits, with ranges measured on this image, where the processor multiplies them."""
    if not cpu_multiplies(precision_of(INT8)):
        return {}
    graph = quantized_graph(folded(deepcopy(network)), [image])
    engines = {name: runtime.of_graph for name, runtime in RUNTIMES.items() if runtime.of_graph is not None}
    return {
        f"{name} {INT8}": of_graph(lambda shape: of_shape(graph, shape), precision_of(INT8))
        for name, of_graph in engines.items()
    }


def plain(network: nn.Module, *, last: bool = False) -> Forward:
    """The network as it is, at most with channels last: what a user of torch runs."""
    layout = torch.channels_last if last else torch.contiguous_format
    network = network.to(memory_format=layout)
    return lambda x: network(x.contiguous(memory_format=layout))


def deviations(ways: Mapping[str, Forward], image: Tensor) -> dict[str, float]:
    """Largest difference of each way's logits from plain torch's, relative to the largest logit."""
    with torch.inference_mode():
        logits = {name: way(image).logits_BKHW.float() for name, way in ways.items()}
    expected = logits[TUNED]
    errors = {name: float((output - expected).abs().max() / expected.abs().max()) for name, output in logits.items()}
    return {EAGER: 0.0} | errors


def round_of(
    ways: Mapping[str, Forward], image: Tensor, threads: int, baseline: Callable[[int], Cost]
) -> dict[str, Cost]:
    """Cost of an image by each way, one after another."""
    return {EAGER: baseline(threads)} | {name: seconds(way, image, threads) for name, way in ways.items()}


def seconds(way: Forward, image: Tensor, threads: int) -> Cost:
    """Time of an image, `threads` of them at once."""

    def run(_: int) -> None:
        with torch.inference_mode():
            way(image)

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        start = Cost(time.perf_counter(), time.process_time())
        list(pool.map(run, range(threads)))
        end = Cost(time.perf_counter(), time.process_time())
    return Cost((end.wall_s - start.wall_s) / threads, (end.cpu_s - start.cpu_s) / threads)


def report(name: str, threads: int, rounds: Sequence[Mapping[str, Cost]], errors: Mapping[str, float]) -> None:
    """One table: for each way the median time, both ratios, the goal, and how far its logits are off."""
    print(f"\n{name}, {SUBJECTS[name].window} px, {threads} thread{'s' * (threads > 1)}")
    operations = flop(build(SUBJECTS[name].model, BANDS, SUBJECTS[name].config), SUBJECTS[name].window) / 1e9
    head = ("way", "ms/image", "x eager", "x CPU", "goal", "GFLOP/s", "logits differ by")
    print("{:<20} {:>9} {:>8} {:>6} {:>5} {:>8} {:>17}".format(*head))
    for way in rounds[0]:
        wall = statistics.median(costs[EAGER].wall_s / costs[way].wall_s for costs in rounds)
        cpu = statistics.median(costs[EAGER].cpu_s / costs[way].cpu_s for costs in rounds)
        took_ms = 1e3 * statistics.median(costs[way].wall_s for costs in rounds)
        goal = GOALS.get(way.split()[1], "") if way.startswith(("onnx", "openvino")) else ""
        rate = operations / statistics.median(costs[way].cpu_s for costs in rounds)
        row = f"{way:<20} {took_ms:>9.1f} {wall:>8.2f} {cpu:>6.2f} {goal:>5} {rate:>8.0f} {errors[way]:>17.1e}"
        print(row, flush=True)


def accuracy(checkpoint: Path, data: Path) -> None:
    """MIoU of the test split by every runtime and precision, and how far it is from plain fp32's."""
    reference = 100 * evaluate(checkpoint, data, device="cpu").scores.miou
    print(f"{checkpoint} on {data}: MIoU {reference:.3f} % by torch {DEFAULT}")
    for name in RUNTIMES:
        for word in PRECISIONS:
            try:
                miou_percent = 100 * evaluate(checkpoint, data, device="cpu", runtime=name, precision=word).scores.miou
            except ValueError as refusal:
                print(f"{name} {word}: {refusal}")
                continue
            verdict = "within" if abs(miou_percent - reference) < MIOU_POINTS else "NOT within"
            print(
                f"{name} {word}: {miou_percent:.3f} %, {miou_percent - reference:+.3f} points ({verdict} {MIOU_POINTS})"
            )


def on_gpu(names: tuple[str, ...], repeat: int) -> None:
    """Mpx/s and km2/s of each network in bf16, replayed and not, at growing batches; untested without a GPU."""
    if not torch.cuda.is_available():
        raise SystemExit("no GPU that torch can use: run this where there is one, or leave --device out")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, median of {repeat} rounds")
    for name in names:
        subject = SUBJECTS[name]
        for word in FLOATS:
            for batch in (1, 8, 64):
                rate = gpu_rate(subject, precision_of(word), batch, repeat)
                km2 = rate * 1e6 * subject.step_m**2 / 1e6
                share = f", {rate / subject.bound_mpx:.0%} of the bound" if subject.bound_mpx else ""
                print(f"{name}, {word}, batch {batch}: {rate:.1f} Mpx/s, {km2:.0f} km2/s{share}")


def gpu_rate(subject: Subject, precision: Any, batch: int, repeat: int) -> float:
    """Input Mpx/s of the GPU, images already in its memory."""
    forward = RUNTIMES["torch"].open(folded(build(subject.model, BANDS, subject.config).eval()), precision, "cuda")
    images = torch.randn(batch, len(BANDS), subject.window, subject.window, device="cuda")
    forward(images)
    took = []
    for _ in range(repeat):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(10):
            forward(images)
        torch.cuda.synchronize()
        took.append((time.perf_counter() - start) / 10)
    return batch * subject.window**2 / statistics.median(took) / 1e6


def cpu_name() -> str:
    """The processor's name as the system tells it, with what of this it multiplies in."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    named = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    flags = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if flag in info]
    return f"{named[0] if named else platform.processor()} ({', '.join(flags) or 'no AVX-512'})"


if __name__ == "__main__":
    main()
