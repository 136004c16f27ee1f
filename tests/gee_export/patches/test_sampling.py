"""Which patches are taken: far enough apart, impervious enough, so many of each stratum."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from isamap.gee_export.base import regions
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export import settings as composite_settings
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.layout import laid_out, positions
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.patches.sampling import SAMPLINGS, Sampling, stratum_of
from isamap.gee_export.patches.split_rule import SplitRule
from isamap.gee_export.requests import pixels
from tests.support import killed
from tests.support import plot as plots

JUNE = regions.Month(2019, 6).period
ASKED = killed.ASKED | {"speckle": "none", "split": "random"}


def job(*places, **chosen):
    return ExportJob(tuple(RegionGrid.of(location) for location in places), (JUNE,), **chosen)


def centres(region_grid, windows):
    turn = Transformer.from_crs(str(region_grid.lattice.crs), 4326, always_xy=True)
    return [
        turn.transform(*(region_grid.lattice.affine * (w.col + w.width / 2, w.row + w.height / 2))) for w in windows
    ]


@pytest.mark.long
@pytest.mark.parametrize("distance_km", [1.5, 3.0, 7.0])
def test_points_lie_so_far_apart_and_no_other_one_would_fit(distance_km):
    """JointSeg: points at least 3 km apart; measured on the ellipsoid, over two regions that touch."""
    west, east = (
        regions.from_bbox((113.9, 30.4, 114.2, 30.6), name="west"),
        regions.from_bbox((114.2, 30.4, 114.5, 30.6), name="east", epsg=32649),
    )
    request = job(west, east, sampling=Sampling("points", distance_km=distance_km), split="random")
    layout = laid_out(request)
    taken = [p for g in request.region_grids for p in centres(g, [window for window, _ in layout[g.name].patches])]
    others = [p for g in request.region_grids for p in centres(g, positions(request)[g.name])]
    geod, lon, lat = Geod(ellps="WGS84"), *np.array(taken).T
    for index, (x, y) in enumerate(taken):
        distance = geod.inv(np.full(len(lon), x), np.full(len(lon), y), lon, lat)[2]
        assert np.delete(distance, index).min() >= 1000 * distance_km * (1 - 1e-6)
    for x, y in others:
        assert geod.inv(np.full(len(lon), x), np.full(len(lon), y), lon, lat)[2].min() < 1000 * distance_km * (1 + 1e-6)


def test_points_apart_share_no_pixels_even_at_random():
    actual = laid_out(job(regions.named("wuhan"), sampling=Sampling("points"), split="random"))["wuhan"]
    assert "note" not in actual.info
    assert actual.info["positions"] == 5625 == len(actual.patches) + actual.info["not_sampled"]


@settings(max_examples=40, deadline=None)
@given(
    share=st.lists(st.floats(0, 1) | st.just(float("nan")) | st.sampled_from([0.0, 0.1, 0.3, 1.0]), min_size=1),
    edges=st.lists(st.floats(0, 1), min_size=3, max_size=6, unique=True),
)
def test_a_stratum_is_from_its_edge_to_before_the_next_and_the_last_is_closed(share, edges):
    edges = sorted(edges)
    for value, index in zip(share, stratum_of(np.array(share), edges), strict=True):
        inside = [low <= value < high for low, high in pairwise(edges)]
        expected = inside.index(True) if any(inside) else len(edges) - 2 if value == edges[-1] else -1
        assert index == expected


def shares_of(asked, seed=3):
    windows = positions(asked)["any"]
    return {"any": np.random.default_rng(seed).beta(0.5, 1.2, len(windows))}


ANY = Region("any", 32650, (0, -20_000, 20_000, 0), (0, 0))


@pytest.mark.long
@pytest.mark.parametrize("per_stratum", [(), (40, 30, 20, 10)])
def test_every_stratum_has_its_number_of_patches_in_the_dataset(per_stratum):
    request = job(ANY, size=64, stride=20, sampling=Sampling("strata", per_stratum=per_stratum))
    shares = shares_of(request)
    share_of = dict(zip(positions(request)["any"], shares["any"], strict=True))
    patches = laid_out(request, shares)["any"].patches
    strata = Counter(stratum_of(np.array([share_of[window] for window, _ in patches]), Sampling.strata).tolist())
    everywhere = laid_out(job(ANY, size=64, stride=20))["any"].patches
    divided = np.array([share_of[window] for window, _ in everywhere])
    poorest = min(Counter(stratum_of(divided, Sampling.strata).tolist()).values())
    assert [strata[index] for index in range(4)] == list(per_stratum or [poorest] * 4)
    for index in range(4) if per_stratum else ():  # all of the poorest stratum are taken, whatever their split
        splits = Counter(s for w, s in patches if stratum_of(np.array([share_of[w]]), Sampling.strata)[0] == index)
        for split, ratio in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
            assert abs(splits[split] - ratio * strata[index]) < 1


def test_a_stratum_with_too_few_says_how_many_there_are():
    request = job(ANY, size=64, stride=20, sampling=Sampling("strata", per_stratum=(1, 1, 1, 10_000)))
    with pytest.raises(ValueError, match=r"stratum of 0.6 to 1 impervious has .* patches, 10000 are wanted"):
        laid_out(request, shares_of(request))


def test_impervious_takes_what_has_enough_and_knows_it():
    request = job(ANY, size=64, stride=64, sampling=Sampling("impervious", min_impervious=0.3))
    shares = shares_of(request)
    shares["any"][::3] = np.nan
    actual = laid_out(request, shares)["any"]
    expected = {w for w, s in zip(positions(request)["any"], shares["any"], strict=True) if s >= 0.3}
    assert {window for window, _ in actual.patches} <= expected
    assert len(actual.patches) + actual.info["left_out"] == len(expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "pionts"}, "grid, points, impervious, strata"),
        ({"kind": "points", "distance_km": 0}, "--distance-km 0"),
        ({"kind": "impervious", "min_impervious": 1.5}, "share of 0 to 1"),
        ({"kind": "strata", "strata": (0.1, 0.5, 0.3)}, "rising shares"),
        ({"kind": "strata", "strata": (0.0, 1.0)}, "at least three"),
        ({"kind": "strata", "per_stratum": (1, 2)}, "expected 4 numbers"),
    ],
)
def test_samplings_that_cannot_be_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Sampling(**change)


def test_going_by_labels_needs_labels_and_numbers_of_one_kind():
    with pytest.raises(ValueError, match="give a --label"):
        job(ANY, label_request=LabelRequest(()), sampling=Sampling("impervious"))
    with pytest.raises(ValueError, match="leave --max-patches out"):
        job(ANY, sampling=Sampling("strata"), rule=SplitRule(max_patches=10))


@pytest.fixture
def export(plot_session, monkeypatch):
    monkeypatch.setattr(pixels, "REQUEST_LIMIT_BYTES", killed.SMALL_REQUEST)

    def call(out, **changes):
        return export_patches(**(ASKED | changes), out=out, session=plot_session)

    return call


def plot_shares(plot):
    """Impervious share of every position, by numpy of the codes that the plot was written with."""
    codes, actual = plot.codes["v100"], {}
    is_known = np.isin(codes, [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100])
    for row in range(0, plots.HEIGHT - 31, 20):
        for col in range(0, plots.WIDTH - 31, 20):
            window = np.s_[row : row + 32, col : col + 32]
            actual[row, col] = (codes[window] == 50).sum() / is_known[window].sum()
    return actual


@pytest.mark.long
def test_the_first_pass_measures_the_labels_as_numpy_does(export, plot, tmp_path):
    shares = plot_shares(plot)
    limit = float(np.median(list(shares.values())))
    report = export(tmp_path / "data", sample=Sampling("impervious", min_impervious=limit))
    dataset = Dataset.open(tmp_path / "data")
    assert {(p.row, p.col) for p in dataset.patches} == {corner for corner, share in shares.items() if share >= limit}
    assert all(p.impervious_share == pytest.approx(shares[p.row, p.col]) for p in dataset.patches)
    assert report.passed == len(shares) - len(dataset.patches)
    assert dataset.manifest.split["sampling"] == {"kind": "impervious", "min_impervious": limit}
    again = export(tmp_path / "data", sample=Sampling("impervious", min_impervious=limit))
    assert again.requests == 0 and "already complete" in str(again)


@pytest.mark.long
def test_a_balanced_split_is_made_of_the_labels_and_goes_on(export, tmp_path):
    export(tmp_path / "data", split="balanced")
    assert Dataset.open(tmp_path / "data").manifest.split["kind"] == "balanced"
    assert "already complete" in str(export(tmp_path / "data", split="balanced"))


@pytest.mark.long
def test_a_resumed_first_pass_fetches_no_label_twice(export, tmp_path, monkeypatch):
    sampling = Sampling("impervious", min_impervious=0.05)
    full = export(tmp_path / "whole", sample=sampling)

    def dies(*_):
        raise Fault("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("isamap.gee_export.export.runner.run_lock.begin", dies)
        with pytest.raises(Fault):
            export(tmp_path / "data", sample=sampling)
    surveyed = [row for row in ProgressLog(tmp_path / "data" / ".run").rows() if "survey" in row]
    report = export(tmp_path / "data", sample=sampling)
    assert surveyed and report.requests == full.requests - len(surveyed) == report.blocks
    assert Dataset.open(tmp_path / "data").fingerprint == Dataset.open(tmp_path / "whole").fingerprint


def test_a_dry_run_says_that_labels_come_first(export, tmp_path):
    report = export(tmp_path / "data", sample="strata", dry_run=True)
    assert "blocks of labels are asked for first" in str(report)


def test_every_sampling_is_on_the_command_line(capsys):
    import isamap

    assert isamap.main(["export", "--help"]) == 0
    assert f"--sample [{'|'.join(SAMPLINGS)}]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["kernel_px=5"], "kernel_px", 5),
        (["bands=B2,B3"], "bands", ["B2", "B3"]),
        (["orbits=113,11"], "orbits", [113, 11]),
        (["orbit_pass=ASCENDING"], "orbit_pass", "ASCENDING"),
        (["orbit_pass=none"], "orbit_pass", None),
        (["terrain=volume", "terrain_buffer_m=20.5"], "terrain_buffer_m", 20.5),
    ],
)
def test_settings_are_typed_words(words, name, value):
    assert composite_settings.chosen(words).to_json()[name] == value


def test_settings_may_come_by_name_from_python():
    assert composite_settings.chosen({"kernel_px": 5}, speckle="boxcar").to_json()["speckle"] == "boxcar"


def test_values_by_name_may_be_the_words_of_the_command_line():
    assert composite_settings.chosen({"kernel_px": "5"}) == composite_settings.chosen(["kernel_px=5"])


@pytest.mark.parametrize(
    ("words", "named", "sentence"),
    [
        (["kernel=5"], {}, "did you mean kernel_px"),
        (["zzzzz=5"], {}, "expected one of"),
        (["kernel_px"], {}, "NAME=VALUE"),
        (["kernel_px=five"], {}, "a whole number"),
        (["terrain_buffer_m=wide"], {}, "a number"),
        (["speckle=lee"], {"speckle": "boxcar"}, "given twice"),
        (["kernel_px=4"], {}, "window of 4 pixels"),
    ],
)
def test_settings_that_cannot_be_are_sentences(words, named, sentence):
    with pytest.raises(ValueError, match=sentence):
        composite_settings.chosen(words, **named)
