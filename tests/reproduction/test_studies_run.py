"""The studies of JointSeg, RU-Net++ and LandCover3m from end to end, on a few small patches and one epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from gee_export.datasets.dataset import write
from reproduction import STUDIES, jointseg, landcover3m, pairs, runetpp, strata
from reproduction.reproduce import PANEL, REPORT, reproduce
from tests.support.covers import write_covers
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.support.pairs import write_pairs
from tests.support.towns import BANDS, manifest, samples, spread
from training.runs import origins

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a town, pairs of scales, covers and their truth."""
    folder = tmp_path_factory.mktemp("data")
    splits = spread(4, 2, 3)
    write(folder / "town", manifest(tuple(BANDS), 32, 9), samples(tuple(BANDS), 32, splits))
    write_pairs(folder / "pairs", spread(4, 2, 20))
    for name in ("chips", "truth", "sensor"):
        write_covers(folder / name)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """Where the studies share their runs."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for size in (jointseg.CPU, jointseg.CPU_COARSE, runetpp.CPU, landcover3m.CPU):
        monkeypatch.setitem(size, "epochs", "1")
        monkeypatch.setitem(size, "batch", "4")
        monkeypatch.setitem(size, "crop", "0")
    for study in (jointseg, runetpp):
        monkeypatch.setattr(study, "REHEARSAL_EPOCHS", 1)
    monkeypatch.setattr(jointseg, "COARSE_REHEARSAL_EPOCHS", 1)
    monkeypatch.setitem(landcover3m.CPU_PRUNING, "epochs", "1")
    monkeypatch.setattr(origins, "LEAST", 0.0)  # one epoch agrees with no label
    # the blocks of the test patches in turn, each of another stratum
    regions, first = strata.block_regions, [next(iter(places)) for places in pairs.STRATA.values()]
    monkeypatch.setattr(strata, "block_regions", lambda addresses: np.resize(first, len(regions(addresses))))


def words(name: str, data: Path) -> list[str]:
    """What stands after --data: the pairs for every place and product of JointSeg, the town for RU-Net++."""
    roles = STUDIES[name].preset("cpu").data
    if name.startswith("runetpp"):
        return [f"{role}={data / 'town'}" for role in roles]
    if name.startswith("jointseg"):
        return [f"{role}={data / 'pairs'}" for role in roles]
    return [f"{role}={data / role}" for role in roles] if len(roles) > 1 else [str(data / "town")]


@pytest.mark.parametrize("name", [name for name in STUDIES if not name.startswith("crofusenet")])
def test_every_row_is_judged_and_drawn(name, data, out):
    report = reproduce(name, words(name, data), out, seeds=1, say=lambda _: None)
    assert len(report.lines) == len(STUDIES[name].preset("cpu").rows)
    assert all(line.mean(report.order_by) is not None for line in report.lines)
    assert json.loads((out / name / REPORT).read_text())["lines"]
    assert imread(out / name / PANEL)[..., :3].std() > 0.05
