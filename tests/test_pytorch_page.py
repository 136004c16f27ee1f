"""The examples of docs/pytorch.md, run as written beside a small dataset and a scene; none is longer than 15 lines."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import rasterio

from tests.inference.conftest import stored_scene, write_tif
from tests.support.towns import BANDS, manifest, samples, spread

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "pytorch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python ?(\S*)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    from isamap.gee_export.datasets.dataset import write

    splits = spread(16, 2, 2)
    write(tmp_path / "data" / "town", manifest(tuple(BANDS), 64, len(splits)), samples(tuple(BANDS), 64, splits))
    write_tif(tmp_path / "scene.tif", stored_scene(90, 80))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
def test_the_examples_run_one_after_another(place):
    names: dict = {}
    for sort, code in BLOCKS:
        if not sort:
            exec(code, names)
    with rasterio.open("own.tif") as file:
        assert file.shape == (90, 80) and set(file.read(1).ravel()) <= {0, 1, 255}
    assert names["trainer"].global_step > 0


def test_no_example_is_longer_than_15_lines():
    assert max(sum(bool(line.strip()) for line in code.splitlines()) for _, code in BLOCKS) <= 15


@pytest.mark.skipif(importlib.util.find_spec("torchgeo") is None, reason="torchgeo is not installed")
def test_the_example_of_torchgeo_runs(place):
    (code,) = [code for sort, code in BLOCKS if sort == "torchgeo"]
    exec("import isamap\n" + code, {})


def test_the_command_of_the_page_runs(place):
    import isamap

    (line,) = [line for line in PAGE.splitlines() if line.startswith("isamap convert")]
    assert isamap.main(line.split()[1:]) == 0
    assert (place / "terratorch" / "town" / "data.yaml").exists()
    shutil.rmtree(place / "terratorch")
