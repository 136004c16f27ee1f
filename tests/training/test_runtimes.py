"""Every runtime and precision computes what torch computes, whatever the batch, the threads, the order of calls."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import torch
from torch import nn

from isamap.training.checkpoints import checkpoint
from isamap.training.models import MODELS
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Output, channels_at
from isamap.training.runtimes import PRECISIONS, RUNTIMES, Forward, check_forward, open_forward, precision_of
from isamap.training.runtimes.fold import folded, pairs
from isamap.training.runtimes.graph import graph_of
from isamap.training.runtimes.openvino import Requests
from isamap.training.runtimes.per_image import PerImage
from isamap.training.runtimes.precisions import cpu_multiplies
from isamap.training.runtimes.replay import SHAPES, Recording, Replay
from tests.inference.conftest import NAMES, small_network
from tests.support.checkpoints import kept
from tests.support.one_thread import one_thread  # noqa: F401

NETWORKS = [name for name in MODELS if not issubclass(MODELS[name].network, PixelClassifier)]
QUICK = ("unet", "bilinear_unet", "fcn8s", "crofusenet")  # to export; the others in CI's second half
OTHERS = [name for name in RUNTIMES if name != "torch"]
QUICK_FIRST = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in NETWORKS]


@cache
def forward_of(name: str, runtime: str, precision: str = "fp32") -> Forward:
    """A small network of the registry by a runtime."""
    RUNTIMES[runtime].check(MODELS[name].network, precision_of(precision), "cpu")
    return RUNTIMES[runtime].open(folded(small_network(name)), precision_of(precision), "cpu")


def image_of(name: str, count: int = 1) -> torch.Tensor:
    side = max(32, small_network(name).multiple)
    return torch.randn(count, len(NAMES), side, side, generator=torch.Generator().manual_seed(1))


def logits(forward, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return forward(x).logits_BKHW


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def described(name: str, folder, **changes) -> checkpoint.Checkpoint:
    norms = [checkpoint.BandNorm(band, "1", 0.0, 1.0) for band in NAMES]
    return kept(folder / "run", small_network(name), name, norms, **changes)


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_folding_leaves_no_normalisation_after_a_convolution_and_changes_no_logit(name):
    """docs/reference/networks.md, "HRNet: layers": instance normalisation stays; DenseNet normalises before it
    convolves.
    """
    network, x = small_network(name), image_of(name)
    expected, norms, instances = logits(network, x), count(network, nn.BatchNorm2d), count(network, nn.InstanceNorm2d)
    assert relative(logits(folded(network), x), expected) < 1e-5
    assert count(network, nn.BatchNorm2d) == (norms if name == "fcdensenet" else 0)
    assert count(network, nn.InstanceNorm2d) == instances


def count(network: nn.Module, kind: type) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


class Shared(nn.Module):
    """A convolution whose result is read by a normalisation and by something else."""

    bands, multiple = NAMES, 1

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(len(NAMES), 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> Output:
        state = self.conv(x)
        return Output(self.norm(state) + state)


class Twice(Shared):
    """A convolution that is used twice, once without normalisation."""

    def forward(self, x: torch.Tensor) -> Output:
        first = self.conv(x)
        return Output(self.norm(first) + self.conv(x.flip(3)))


class Once(Shared):
    def forward(self, x: torch.Tensor) -> Output:
        return Output(self.norm(self.conv(x)))


@pytest.mark.parametrize(("kind", "count"), [(Shared, 0), (Twice, 0), (Once, 1)])
def test_only_a_result_with_one_reader_is_folded(kind, count):
    assert len(pairs(kind().eval())) == count


def test_a_network_in_training_is_not_folded():
    with pytest.raises(ValueError, match="call eval"):
        folded(small_network("unet").train())


@pytest.mark.long
@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize("name", QUICK_FIRST)
def test_a_runtime_gives_torchs_logits(name, runtime):
    x = image_of(name, 2)
    actual, expected = logits(forward_of(name, runtime), x), logits(small_network(name), x)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.long
@pytest.mark.parametrize("runtime", OTHERS)
def test_another_shape_has_a_program_of_its_own(runtime):
    forward, network = forward_of("unet", runtime), small_network("unet")
    for size in ((32, 32), (16, 24), (32, 32)):
        x = torch.randn(1, len(NAMES), *size)
        assert relative(logits(forward, x), logits(network, x)) < 1e-4


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize("name", ["unet", *(pytest.param(n, marks=pytest.mark.long) for n in NETWORKS if n != "unet")])
def test_bf16_stays_near_fp32_and_answers_in_fp32(name, runtime):
    if not cpu_multiplies(precision_of("bf16")):
        pytest.skip("this processor has no bf16")
    actual, expected = (
        logits(forward_of(name, runtime, "bf16"), image_of(name)),
        logits(small_network(name), image_of(name)),
    )
    assert actual.dtype == torch.float32
    assert 1e-5 < relative(actual, expected) < 0.1


@pytest.mark.parametrize("runtime", OTHERS)
def test_neither_batch_nor_threads_change_a_bit(runtime):
    """docs/reference/performance.md, "P3": an image alone, in a batch, and from four threads at once."""
    forward, x = forward_of("unet", runtime), image_of("unet", 6)
    alone = torch.cat([logits(forward, x[i : i + 1]) for i in range(len(x))])
    assert torch.equal(logits(forward, x), alone)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda i: logits(forward, x[i % 6][None]), range(24)))
    assert torch.equal(torch.cat(again), alone.repeat(4, 1, 1, 1))


class Slow:
    """A compiled program whose calls take a while; `spans` keeps when each began and ended."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def __call__(self, image):
        began = time.monotonic()
        time.sleep(0.02)
        self.spans.append((began, time.monotonic()))
        return image[:, :2]


def test_openvinos_requests_outlive_their_threads():
    """A new one for each new thread would wait for the running ones to end: two threads would work in turn."""

    class Model:
        made = 0

        def create_infer_request(self):
            self.made += 1
            return self

        def infer(self, inputs, **_):
            return [inputs[0]]

    model = Model()
    requests = Requests(model)
    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(requests, "image").result()
    assert model.made == 1


def test_a_program_has_run_once_alone_before_threads_share_it():
    """Two first calls at a time never come back from OpenVINO 2026.4's Python binding."""
    program = Slow()
    forward = PerImage(graph_of(small_network("unet")), lambda graph: program)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: logits(forward, image_of("unet")), range(4)))
    first, *others = sorted(program.spans)
    assert len(others) == 4 and all(began >= first[1] for began, _ in others)


@pytest.mark.long
@pytest.mark.parametrize("runtime", OTHERS)
def test_images_of_several_dates(runtime):
    network, x = small_network("jointseg"), torch.randn(1, 3, len(NAMES), 16, 16)
    assert relative(logits(forward_of("jointseg", runtime), x), logits(network, x)) < 1e-4


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"runtime": "tensorrt"}, "choose one of torch, onnx, openvino"),
        ({"precision": "fp8"}, "choose one of fp32, bf16, fp16, int8"),
        ({"precision": "int8"}, "choose runtime openvino or onnx"),
        ({"device": "tpu"}, "expected auto, cpu or gpu"),
        ({"runtime": "onnx", "precision": "bf16"}, "compute in fp32 and int8"),
        ({"runtime": "openvino", "device": "gpu"}, "runs on the CPU"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, how, words):
    with pytest.raises(ValueError, match=words) as notices:
        open_forward(described("unet", tmp_path), **how)
    assert "\n" not in str(notices.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_absent_gpu_is_told_and_auto_does_without(tmp_path):
    description = described("unet", tmp_path)
    with pytest.raises(ValueError, match="no GPU that torch can use"):
        check_forward(description, device="gpu")
    assert {check_forward(description, runtime=name, device="auto") for name in RUNTIMES} == {"cpu"}


@pytest.mark.parametrize("name", ["random_forest", "svm"])
def test_classifiers_of_pixels_run_on_torch_alone(tmp_path, name):
    description = described(name, tmp_path)
    for runtime in OTHERS:
        with pytest.raises(ValueError, match="only runtime torch computes"):
            check_forward(description, runtime=runtime)
    with pytest.raises(ValueError, match="float64"):
        check_forward(description, precision="bf16")
    x = image_of(name)
    assert torch.equal(logits(open_forward(description), x), logits(small_network(name), x))


def test_a_precision_that_the_processor_lacks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False}, raising=False)
    for precision in set(PRECISIONS) - {"fp32", "int8"}:
        with pytest.raises(ValueError, match="no instructions"):
            check_forward(described("unet", tmp_path / precision), precision=precision)


@pytest.mark.parametrize(("runtime", "library"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_library_that_is_not_installed_is_named(tmp_path, monkeypatch, runtime, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ValueError, match=rf"{library} is not installed: pip install 'isamap\[runtime\]'"):
        check_forward(described("unet", tmp_path), runtime=runtime)


class Doubling:
    """A forward pass that counts its calls, and a recording of it without a GPU."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: torch.Tensor) -> Output:
        self.calls += 1
        return Output(2 * x)

    def recorded(self, forward, x: torch.Tensor) -> Recording:
        static, result = x.clone(), torch.empty_like(x)
        return Recording(static, Output(result), lambda: result.copy_(2 * static))


def test_a_recording_answers_for_its_shape_with_a_copy():
    passes = Doubling()
    replay = Replay(passes, passes.recorded)
    first, second = (replay(torch.full((1, 2), value)).logits_BKHW for value in (1.0, 5.0))
    assert passes.calls == 0
    assert first.tolist() == [[2.0, 2.0]] and second.tolist() == [[10.0, 10.0]]


def test_shapes_beyond_the_recordings_are_computed_plainly():
    passes = Doubling()
    replay = Replay(passes, passes.recorded)
    for width in range(1, SHAPES + 3):
        assert replay(torch.ones(1, width)).logits_BKHW.sum() == 2 * width
    assert passes.calls == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_gpu_replays_what_the_cpu_computes(name):
    forward = RUNTIMES["torch"].open(folded(small_network(name)), precision_of("fp32"), "cuda")
    for seed in (1, 2):
        x = torch.randn(image_of(name).shape, generator=torch.Generator().manual_seed(seed))
        assert relative(logits(forward, x).cpu(), logits(small_network(name), x)) < 1e-2


@pytest.mark.parametrize("positions", [[0, 1, 2], [2, 3], [3, 1], [2], [4, 0, 1]])
def test_channels_are_taken_as_an_index_takes_them(positions):
    for x in (torch.randn(2, 5, 3, 4), torch.randn(2, 3, 5, 2, 2)):
        assert torch.equal(channels_at(x, positions), x.index_select(-3, torch.tensor(positions)))
