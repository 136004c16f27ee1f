"""A home for these tests' caches, and a small study on a small town."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isamap import reproduction
from isamap.gee_export.datasets.dataset import write
from isamap.reproduction.evaluators import on_split
from isamap.reproduction.runs import Training
from isamap.reproduction.study import Export, Study, StudyMeasure, StudyPreset, StudyRow, printed
from tests.support.towns import BANDS, manifest, samples, spread

MEASURES = (StudyMeasure("miou", "MIoU"), StudyMeasure("f1_impervious", "IS F1"))
TINY = {"model.widths": "2,4", "epochs": "1", "batch": "4"}


@pytest.fixture(scope="session")
def town(tmp_path_factory) -> Path:
    """A dataset of 32-px patches: 8 to train, 2 to validate, 6 to test."""
    folder = tmp_path_factory.mktemp("reproduced") / "town"
    splits = spread(8, 2, 6)
    write(folder, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits))
    return folder


@pytest.fixture
def make_town(tmp_path) -> Callable[[tuple[str, ...]], Path]:
    """Writes a dataset of the bands named."""

    def made(bands: tuple[str, ...]) -> Path:
        splits = spread(8, 2, 6)
        write(tmp_path / "made", manifest(bands, 32, len(splits)), samples(bands, 32, splits))
        return tmp_path / "made"

    return made


@pytest.fixture(scope="session")
def reproduction_home(tmp_path_factory) -> Path:
    """An ISAMAP_HOME for the training caches of these tests."""
    return tmp_path_factory.mktemp("reproduction_home")


@pytest.fixture(scope="module", autouse=True)
def own_home(reproduction_home) -> Iterator[None]:
    """Training caches lie there, for the tests of this folder only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(reproduction_home))
        yield


def tiny_preset() -> StudyPreset:
    """Two networks of a few hundred parameters with two seeds."""
    rows = (
        StudyRow("UNet", Training("unet-tiny", TINY), on_split(), printed(MEASURES, (0.9, 0.8))),
        StudyRow("CroFuseNet", Training("crofusenet-tiny", TINY), on_split(), printed(MEASURES, (0.95, 0.9))),
    )
    return StudyPreset(rows, {"town": Export("town", {})}, 2, ("The town is small.",))


@pytest.fixture
def study(monkeypatch) -> Study:
    """A study named `tiny` in the registry."""
    actual = Study("tiny", "Two small networks", "nowhere", MEASURES, "miou", {"cpu": tiny_preset})
    monkeypatch.setitem(reproduction.STUDIES, "tiny", actual)
    return actual
