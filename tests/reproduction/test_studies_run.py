"""Studies from end to end, all but CroFuseNet's and those of real files, on a few small patches and one epoch."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from isamap.gee_export.datasets.dataset import write
from isamap.reproduction import STUDIES, context, detail, jointseg, landcover3m, pairs, runetpp, strata
from isamap.reproduction.report import StudyReport
from isamap.reproduction.reproduce import PANEL, REPORT, reproduce
from isamap.training.runs import origins
from tests.support.covers import write_covers
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.support.pairs import write_pairs
from tests.support.towns import BANDS, manifest, samples, spread

pytestmark = pytest.mark.long
SIX = ("VV", "VH", "B2", "B3", "B4", "B8")
STATISTICS = ("VV_mean", "B4_p10", "B8_std")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a town, pairs of scales, covers and their truth."""
    folder = tmp_path_factory.mktemp("data")
    splits = spread(4, 2, 3)
    write(folder / "town", manifest(tuple(BANDS), 32, 9), samples(tuple(BANDS), 32, splits))
    for name, bands in (("month", SIX), ("year", STATISTICS)):
        write(folder / name, manifest(bands, 32, 13), samples(bands, 32, spread(8, 2, 3)))
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
    for module, constant in ((context, "WORLD_EPOCHS"), (context, "WIDE_EPOCHS"), (detail, "EPOCHS")):
        monkeypatch.setattr(module, constant, 1)
    monkeypatch.setitem(landcover3m.CPU_PRUNING, "epochs", "1")
    monkeypatch.setattr(origins, "LEAST", 0.0)  # one epoch agrees with no label
    # the blocks of the test patches in turn, each of another stratum
    regions, first = strata.block_regions, [next(iter(places)) for places in (*pairs.STRATA.values(), pairs.VILLAGES)]
    monkeypatch.setattr(strata, "block_regions", lambda addresses: np.resize(first, len(regions(addresses))))


def words(name: str, data: Path) -> list[str]:
    """What stands after --data: the pairs for every place and product of JointSeg, the town for RU-Net++."""
    roles = STUDIES[name].preset("cpu").data
    if name.startswith(("runetpp", "context-pooling")):
        return [f"{role}={data / 'town'}" for role in roles]
    if name.startswith(("jointseg", "detail")):
        return [f"{role}={data / 'pairs'}" for role in roles]
    if name == "landcover3m-cities":
        return [f"{role}={data / ('chips' if role.endswith(('chips', 'product')) else 'truth')}" for role in roles]
    return [f"{role}={data / role}" for role in roles] if len(roles) > 1 else [str(data / "town")]


ELSEWHERE = ("crofusenet", "jointseg-real", "context-form")


@pytest.fixture(scope="module")
def studied(data, out) -> Callable[[str], StudyReport]:
    """The report of a study that is run once."""
    return cache(lambda name: reproduce(name, words(name, data), out, seeds=1, say=lambda _: None))


@pytest.mark.parametrize("name", [name for name in STUDIES if not name.startswith(ELSEWHERE)])
def test_every_row_is_judged_and_drawn(name, studied, out):
    report = studied(name)
    assert len(report.lines) == len(STUDIES[name].preset("cpu").rows)
    assert all(line.mean(report.order_by) is not None for line in report.lines)
    assert json.loads((out / name / REPORT).read_text())["lines"]
    assert imread(out / name / PANEL)[..., :3].std() > 0.05


def test_rows_of_pruned_networks_say_by_how_much_they_are_smaller(studied):
    whole, *pruned = studied("landcover3m-table5").lines
    assert whole.mean("cut_percent") is None and pruned[-1].mean("parameters") < 0.6 * whole.mean("parameters")
    for line in pruned:
        assert line.mean("megabytes") < whole.mean("megabytes")
        cut = line.mean("cut_percent") / 100
        assert line.mean("acceleration_percent") == pytest.approx(100 * cut / (1 - cut))
