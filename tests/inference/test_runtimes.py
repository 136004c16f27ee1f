"""Maps by other runtimes and precisions: as near to torch's as they compute, and the same however the work is cut."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio

import inference
import isamap
from inference.predict import Predictor
from tests.inference.conftest import LEGEND, NAMES, small_network
from tests.inference.test_predict import HEIGHT, LATTICE, whole
from training.runtimes import RUNTIMES, folded, precision_of
from training.runtimes.precisions import cpu_multiplies
from training.runtimes.probabilities import probabilities_of

WAYS = [("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]
# with statistics of the window, many layers, and ten times finer: in CI's second half
MAPPED = ["unet", *(pytest.param(name, marks=pytest.mark.long) for name in ("crofusenet", "hrnet", "jointseg"))]


@cache
def predictor_of(name: str, runtime: str, precision: str) -> Predictor:
    numbers = precision_of(precision)
    if not cpu_multiplies(numbers):
        pytest.skip(f"this processor has no {precision}")
    network = small_network(name)
    return Predictor(
        probabilities_of(RUNTIMES[runtime].open(folded(network), numbers, "cpu")), len(NAMES), network.scale, LEGEND
    )


@pytest.mark.parametrize(("runtime", "precision"), WAYS)
@pytest.mark.parametrize("name", MAPPED)
def test_neither_workers_nor_cuts_change_a_pixel(name, runtime, precision):
    """docs/reference/performance.md, "P3", for every runtime and precision: one worker, three, and two jobs give the
    same map.
    """
    predictor = predictor_of(name, runtime, precision)
    mapped = whole(predictor, LATTICE, workers=1)
    np.testing.assert_array_equal(whole(predictor, LATTICE, workers=3), mapped)
    parts = [whole(predictor, LATTICE, rows=rows) for rows in (range(46), range(46, HEIGHT))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), mapped)
    plain = whole(Predictor(probabilities_of(small_network(name)), len(NAMES), predictor.scale, LEGEND), LATTICE)
    steps = 1 if precision == "fp32" else 16
    np.testing.assert_allclose(mapped[1].astype(int), plain[1].astype(int), atol=steps)


def test_the_map_says_what_ran_and_another_runtime_is_another_map(run, scene, tmp_path):
    out = tmp_path / "map.tif"
    inference.map_region(run, input=scene, out=out, runtime="onnx", progress=False)
    assert said(out) == ("onnx", "fp32")
    assert inference.map_region(run, input=scene, out=out, runtime="onnx", progress=False).already_there
    with pytest.raises(ValueError, match="runtime onnx there, torch asked"):
        inference.map_region(run, input=scene, out=out, progress=False)


def test_a_map_from_before_there_was_a_choice_is_told_as_such(run, scene, tmp_path, monkeypatch):
    """Version 1 named no runtime and did not fold: its last bits are others, so it is not taken as already there."""
    out = tmp_path / "map.tif"
    monkeypatch.setattr("inference.map.VERSION", 1)
    inference.map_region(run, input=scene, out=out, progress=False)
    monkeypatch.undo()
    with rasterio.open(out, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as held:
        held.update_tags(runtime="", precision="")
    with pytest.raises(ValueError, match=r"of other settings \(other pixels or grid, or an older isamap\)"):
        inference.map_region(run, input=scene, out=out, progress=False)


def said(out: Path) -> tuple[str, str]:
    with rasterio.open(out) as held:
        return held.tags()["runtime"], held.tags()["precision"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--runtime", "tflite"], "choose one of torch, onnx, openvino"),
        (["--precision", "fp8"], "choose one of fp32"),
        (["--device", "tpu"], "expected auto, cpu or gpu"),
        (["--device", "gpu", "--runtime", "openvino"], "runs on the CPU"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_read(run, tmp_path, capsys, words, sentence):
    paths = ["--checkpoint", str(run), "--input", str(tmp_path / "none.tif"), "--out", str(tmp_path / "map.tif")]
    assert isamap.main(["map", *paths, *words]) == 2
    assert sentence in capsys.readouterr().err
