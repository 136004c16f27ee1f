"""Out of memory: the sentence names a batch that really fits."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from isamap.gee_export.command_line import console
from isamap.gee_export.datasets.dataset import write
from isamap.training import memory
from isamap.training.memory import (
    StepMemory,
    available_bytes,
    is_out_of_memory,
    memory_for,
    memory_for_batch,
    step_memory,
)
from isamap.training.models import build
from isamap.training.models.output import Output
from isamap.training.recipes import papers, recipe
from tests.support.towns import BANDS, manifest, samples, spread

ROOT = Path(__file__).resolve().parents[2]


class OneLayer(nn.Module):
    """A convolution keeps its input for the way back, a ReLU its output: known numbers of bytes."""

    bands, multiple = ("B2", "B3", "B4"), 1

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x_BCHW: torch.Tensor) -> Output:
        return Output(self.conv(x_BCHW).relu())


def test_what_a_step_keeps_is_counted():
    """Bytes of float32: 3 planes in, 5 out, half as much again for the way back; weights, gradients, two averages."""
    actual = step_memory(OneLayer(), (0, 32))
    assert actual.per_patch == int(1.5 * 4 * 32 * 32 * (3 + 5))
    assert actual.fixed == 4 * 4 * (5 * 3 * 9 + 5)


def test_counting_takes_no_memory_and_leaves_the_network_alone():
    network = build("fcn8s", ("B2", "B3"), {"fc": 64, "base": 8})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert step_memory(network, (0, 4096)).per_patch > 2**30
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(papers.RECIPES) - {"random_forest", "svm"}))
def test_every_papers_recipe_fits_a_gpu_of_139_gib(name):
    """On the papers' patches: 128 px (CroFuseNet), 512 px (RU-Net++, LandCover3m), 32 px beside 1 m (JointSeg)."""
    selection = papers.RECIPES[name]()
    side = 32 if selection.target == "fine" else selection.crop or (512 if name == "runetpp" else 128)
    step = step_memory(build(selection.model, tuple(BANDS), selection.config), (selection.frames, side))
    assert selection.batch // selection.accumulate <= step.fitting(139 * 2**30)


def test_the_largest_batch_that_fits():
    step = StepMemory(fixed=1000, per_patch=100)
    assert step.fitting(10_000) == 70  # of four fifths of what there is
    assert step.fitting(500) == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_is_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected


def test_the_real_allocator_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        (
            "unet-tiny",
            {"batch": "64"},
            r"out of memory with batch=64 in [\d.]+ GiB: batch=\d+ would fit, use --set batch=",
        ),
        ("unet-tiny", {"batch": "1"}, r"not even one patch fits, use --set crop=64, a -tiny recipe, or a machine"),
        ("random_forest", {}, r"out of memory with model.pixels=\d+: use --set model.pixels=\d+"),
    ],
)
def test_training_says_what_would_fit(name, settings, words):
    made = recipe(name, settings | {"device": "cpu"})
    network = build(made.model, tuple(BANDS), made.config)
    with pytest.raises(ValueError, match=words) as caught, memory_for(network, made, 128):
        torch.empty(2**55)
    assert "\n" not in str(caught.value)


def test_other_errors_pass_as_they_are():
    made = recipe("unet-tiny")
    with pytest.raises(RuntimeError, match="power cut"), memory_for(OneLayer(), made, 32):
        raise RuntimeError("power cut")


def test_a_batch_that_cannot_fit_is_refused_before_the_kernel_kills(monkeypatch):
    """Linux promises memory that it lacks: nothing is tried, and the batch that is named passes."""
    monkeypatch.setattr(memory, "available_bytes", lambda _: 2**28)
    made = recipe("unet-tiny", {"batch": "64", "device": "cpu"})
    network = build(made.model, tuple(BANDS), made.config)
    with (
        pytest.raises(ValueError, match=r"out of memory with batch=64 in 0.2 GiB: batch=") as caught,
        memory_for(network, made, 128),
    ):
        pytest.fail("tried")
    fitting = re.search(r"batch=(\d+) would", str(caught.value))[1]
    with memory_for(network, recipe("unet-tiny", {"batch": fitting, "device": "cpu"}), 128):
        pass


@pytest.mark.long
def test_each_gpu_needs_room_for_its_share_only(monkeypatch):
    """Four GPUs of which none holds the whole batch; the batch that is named can be shared by them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    made = recipe("unet-tiny", {"batch": "64", "devices": "4", "augment": "none"})
    network = build(made.model, tuple(BANDS), made.config)
    needed = 64 * step_memory(network, (0, 128)).per_patch / memory.OVERHEAD
    monkeypatch.setattr(memory, "available_bytes", lambda _: int(needed / 3))
    with memory_for(network, made, 128):
        pass
    monkeypatch.setattr(memory, "available_bytes", lambda _: int(needed / 5))
    with pytest.raises(ValueError, match="out of memory with batch=64") as caught, memory_for(network, made, 128):
        pytest.fail("tried")
    assert int(re.search(r"batch=(\d+) would", str(caught.value))[1]) % 4 == 0


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    """cgroups(7): memory.max less memory.current, but cached files can go."""
    for name, text in (
        ("memory.max", "5000"),
        ("memory.current", "3000"),
        ("memory.stat", "anon 1\ninactive_file 700\n"),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert available_bytes("cpu") == 2700
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes("cpu") > 2**20


def test_evaluation_says_what_would_fit():
    with pytest.raises(ValueError, match="out of memory with 16 patches at once: use --batch 8"), memory_for_batch(16):
        torch.empty(2**55)


def test_other_commands_end_in_one_sentence_too(capsys):
    """What a map or an export may meet; torch is not asked."""
    assert console.run(lambda: torch.empty(2**55)) == console.USER_MISTAKE
    assert capsys.readouterr().err == "error: out of memory; give fewer workers or a smaller area\n"


CODE = """
import resource, sys
import torch
import isamap.training
from isamap.training.accuracy import evaluation
from isamap.training.fitting import loop  # all that training loads and reserves, before the limit
from isamap.gee_export.datasets.dataset import Dataset
Dataset.open(sys.argv[3])
torch.set_num_threads(1)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 1_200_000_000,) * 2)
import isamap
sys.exit(isamap.main(sys.argv[1:]))
"""


@pytest.mark.long
def test_the_batch_that_is_named_fits(tmp_path):
    """In a process of 1.2 GB a batch of 256 patches fails with exit code 2; the one it names trains."""
    splits = spread(260, 1, 1)
    data = tmp_path / "data"
    write(data, manifest(tuple(BANDS), 64, len(splits)), samples(tuple(BANDS), 64, splits))
    words = ["train", "--data", str(data), "--recipe", "unet-tiny", "--out", str(tmp_path / "run")]
    fast = ["--set", "model.widths=16,32,64", "epochs=1", "device=cpu", "augment=none"]

    def run(*more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", CODE, *words, *fast, *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    failed = run("batch=256")
    assert failed.returncode == 2, failed.stderr
    sentence = failed.stderr.strip().splitlines()[-1]
    batch = re.search(r"out of memory with batch=256 in .* GiB: batch=(\d+) would fit", sentence)[1]
    assert int(batch) >= 32
    assert (done := run(f"batch={batch}")).returncode == 0, done.stderr
