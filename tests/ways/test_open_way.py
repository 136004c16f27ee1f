"""The whole way on public archives: export, train, map and serve by `--catalog open`, beside NumPy on the same files.

The archives are a small town's on the loopback address (tests/support/open_town.py), so that this runs everywhere.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from local_ee.open import hosts
from local_ee.testing import cloud_network
from scipy import ndimage
from starlette.testclient import TestClient

import isamap
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches
from isamap.inference.serve import painter, worker
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import Tokens
from isamap.inference.serve.worker import Worker
from isamap.inference.tiles.jobs import Server
from tests.support import open_town
from tests.support.open_town import OpenTown

BBOX = (114.1155, 30.5055, 114.1315, 30.5185)
PLACE = ("--bbox", *map(str, BBOX), "--month", "2023-06", "--catalog", "open")
HIDDEN = (1, 3, 8, 9, 10)
BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")  # all ten of 10 and 20 m
README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def data(town: OpenTown, archive_home: Path) -> Path:
    folder = archive_home / "data"
    settings = ("--set", "speckle=none", f"bands={','.join(BANDS)}")
    words = ("--size", "32", "--stride", "32", *settings, "--label", "worldcover")
    assert isamap.main(["export", *PLACE, *words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    folder = data.parent / "run"
    words = ["--recipe", "crofusenet-tiny", "--set", "epochs=1", "batch=2"]
    assert isamap.main(["train", "--data", str(data), *words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def mapped(run: Path) -> Path:
    out = run.parent / "map.tif"
    assert isamap.main(["map", "--checkpoint", str(run), *PLACE, "--out", str(out)]) == 0
    return out


def optical(town: OpenTown, band: str) -> np.ma.MaskedArray:
    """Numbers of every date, without the shift; masked are no data and what SCL hides.

    Those of 20 m are interpolated first: bilinear weights of the neighbours that have data.
    """
    days = town.optical.values()
    stored = np.stack([bands[band] for bands in days]).astype(int)
    classes = np.stack([np.kron(bands["SCL"], np.ones((2, 2), np.uint8)) for bands in days])
    values, valid = np.maximum(stored - 1000, 0), stored != 0
    if band in open_town.COARSE:
        weights = np.stack([bilinear(each) for each in valid])
        sums = np.stack([bilinear(each) for each in values * valid])
        values = sums / np.where(weights > 0, weights, 1)
        valid = np.kron(valid, np.ones((1, 2, 2), bool))
    return np.ma.MaskedArray(values, ~valid | np.isin(classes, HIDDEN) | (classes == 0))


def bilinear(values: np.ndarray) -> np.ndarray:
    """Values at the centres of the four 10-m parts of each pixel."""
    at = (np.arange(2 * len(values)) + 0.5) / 2 - 0.5
    return ndimage.map_coordinates(values.astype(float), np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest")


def radar(town: OpenTown, band: str) -> np.ma.MaskedArray:
    stored = np.stack([bands[band] for bands in town.radar.values()]).astype(float)
    return np.ma.MaskedArray(stored, stored == -32768)


def patches(data: Path) -> Iterator[tuple[dict[str, np.ndarray], tuple[slice, slice]]]:
    """Each patch's bands by name, and where it lies in the town."""
    dataset = Dataset.open(data)
    (grid,) = dataset.manifest.grids.values()
    left, top = grid.affine[2], grid.affine[5]
    row, col = round((open_town.TOP - top) / 10) - grid.row, round((left - open_town.LEFT) / 10) - grid.col
    names = [band.name for band in dataset.manifest.bands]
    for patch in dataset.patches:
        here = slice(row + patch.row, row + patch.row + 32), slice(col + patch.col, col + patch.col + 32)
        yield dict(zip(names, dataset.read_image(patch), strict=True)), here


@pytest.mark.parametrize("band", BANDS)
def test_optical_patches_are_numpys_mean_of_the_files(band, town, data):
    expected = optical(town, band).mean(axis=0)
    filled = np.where(np.ma.getmaskarray(expected), -32768, expected.filled(0))
    rounding = 0.51 if band in open_town.COARSE else 0.5  # interpolated in float32 on the server
    for bands, here in patches(data):
        assert np.abs(bands[band] - filled[here]).max() <= rounding


@pytest.mark.parametrize("band", ["VV", "VH"])
def test_radar_patches_are_numpys_mean_power_in_decibels(band, town, data):
    expected = 1000 * np.ma.log10(radar(town, band).mean(axis=0))
    for bands, here in patches(data):
        # float32 power on the server, whose rounding to 0.01 dB may fall the other way
        assert np.abs(bands[band] - expected[here].filled(-32768)).max() <= 0.51


def test_labels_are_worldcovers(town, data):
    dataset = Dataset.open(data)
    share = np.mean([dataset.read_label(patch) for patch in dataset.patches])
    assert share == pytest.approx(np.mean([town.built[here] for _, here in patches(data)]), abs=0.02)


def test_the_manifest_says_what_it_was_made_of(data):
    manifest = Dataset.open(data).manifest
    assert manifest.source == {"server": "local-engine", "catalog": "open"} and not manifest.simulated
    assert manifest.backscatter == "gamma0" and manifest.settings["clouds"] == "scl"
    ((facts,),) = [list(periods.values()) for periods in manifest.scenes.values()]
    for sensor, provider, count in (("sentinel2", "earth-search-c1", 3), ("sentinel1", "planetary-computer-rtc", 2)):
        files = facts[sensor]["archives"]
        assert len(files) == count and {kept["provider"] for kept in files.values()} == {provider}
        assert all(kept["href"].startswith("https://") and "?" not in kept["href"] for kept in files.values())
        assert all(kept["item"] and kept["etag"] for kept in files.values())
        assert facts[sensor]["attribution"]
    assert {kept["baseline"] for kept in facts["sentinel2"]["archives"].values()} == {"05.09"}


@pytest.mark.long
def test_no_token_is_kept_anywhere(town, archive_home, mapped):
    secret = town.archive.token.encode()
    assert not [file for file in archive_home.rglob("*") if file.is_file() and secret in file.read_bytes()]


def test_the_map_names_the_owners_of_its_images(mapped):
    with rasterio.open(mapped) as file:
        tags = file.tags()
    assert tags["simulated"] == "false" and tags["source"] == "local-engine"
    assert "Copernicus Sentinel data" in tags["licence"] and "CC-BY-4.0" in tags["licence"]


def commands_of_readme() -> str:
    return re.search(r"^```bash open\n(.*?)^```", README.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)[1]


def commands_of_make() -> str:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    words = ["make", "-n", "demo", "CATALOG=open"]
    printed = subprocess.run(words, cwd=README.parent, capture_output=True, text=True, check=True).stdout
    return "\n".join(re.findall(r"bin/(isamap .*)", printed))


@pytest.mark.long
@pytest.mark.parametrize("commands", [commands_of_readme, commands_of_make])
def test_the_first_map_of_readme_and_make_is_made_as_written(commands, town, archive_home, tmp_path, monkeypatch):
    """But for the place: starter learned of both levels, so the archives' L2A fits; the map says what is simulated."""
    written = commands()
    here = re.sub(r"--bbox( [\d.]+){4} --month \S+", " ".join(PLACE[:7]), written)
    assert here != written and "train" not in written
    monkeypatch.chdir(tmp_path)
    for line in here.splitlines():
        assert isamap.main(shlex.split(line)[1:]) == 0, line
    with rasterio.open("maps/wuhan-real.tif") as file:
        assert file.tags()["simulated_parts"] == "training" and file.read(1).min() in (0, 1)
    shown = max(tmp_path.glob("wuhan-real.*"), key=lambda path: path.stat().st_size)
    assert shown.stat().st_size > 10_000


@pytest.mark.long
def test_a_second_map_needs_no_request(town, run, mapped, tmp_path):
    """A new engine over the same cache, and --offline: bit for bit."""
    requests = len(town.archive.asked)
    words = ["map", "--checkpoint", str(run), *PLACE, "--out", str(tmp_path / "again.tif"), "--offline"]
    assert isamap.main(words) == 0
    assert len(town.archive.asked) == requests
    assert (tmp_path / "again.tif").read_bytes() == mapped.read_bytes()


def test_offline_with_an_empty_cache_says_what_to_do(town, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "empty"))
    words = ["map", "--checkpoint", str(run), *PLACE, "--out", str(tmp_path / "map.tif"), "--offline"]
    assert isamap.main(words) != 0
    assert "run once without" in " ".join(capsys.readouterr().err.split())


def test_what_was_chosen_is_said_in_one_line(town, archive_home, tmp_path, capsys):
    export_patches(bbox=BBOX, month="2023-06", catalog="open", out=tmp_path, dry_run=True, label="none")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("--catalog open")]
    assert lines == ["--catalog open: clouds scl, Sentinel-2 L2A, Sentinel-1 gamma0 as it is"]


def test_the_mask_of_cloud_probability_hides_what_is_likely_cloud(town, archive_home, tmp_path):
    settings = {"clouds": "cldprb", "cloud_buffer_m": 0, "dark_nir": 0.0, "extras": ("count",)}
    where = {"bbox": BBOX, "month": "2023-06", "catalog": "open", "label": "none", "sensors": "s2"}
    export_patches(**where, size=32, stride=32, settings=settings, out=tmp_path, progress=False)
    y, x = np.mgrid[-2:3, -2:3]
    opened = [ndimage.binary_opening(b["MSK_CLDPRB"] > 50, x**2 + y**2 <= 4) for b in town.optical.values()]  # 20 m
    likely = np.stack([np.kron(cloud, np.ones((2, 2), bool)) for cloud in opened])
    seen = np.stack([bands["B2"] != 0 for bands in town.optical.values()])
    count = (seen & ~likely).sum(axis=0)
    for bands, here in patches(tmp_path):
        np.testing.assert_array_equal(bands["s2_observations"], count[here])


@pytest.mark.long
def test_the_mask_of_omnicloudmask_hides_what_its_network_calls_cloud_or_shadow(town, archive_home, tmp_path):
    """A stand-in with the package's published signature; classes by the rule of its own (local_ee.testing)."""
    (tmp_path / "weights").mkdir()
    where = {"bbox": BBOX, "month": "2023-06", "catalog": "open", "label": "none", "sensors": "s2"}
    settings = {"clouds": "omnicloudmask", "extras": ("count",)}
    with cloud_network.installed(tmp_path / "weights"):
        export_patches(**where, size=32, stride=32, settings=settings, out=tmp_path / "data", progress=False)
    count = np.zeros((open_town.SIDE, open_town.SIDE), int)
    for bands in town.optical.values():
        stored = np.stack([bands[name].astype(int) for name in ("B4", "B3", "B8")])
        valid = (stored != 0).all(axis=0)
        count += valid & (bands["B2"] != 0) & (cloud_network.rule(np.where(valid, stored - 1000, 0)) == 0)
    assert 0 < count.mean() < 3
    for bands, here in patches(tmp_path / "data"):
        np.testing.assert_array_equal(bands["s2_observations"], count[here])


@pytest.mark.long
def test_frames_are_the_days_of_the_archives(town, archive_home, tmp_path):
    where = {"bbox": BBOX, "month": "2023-06", "catalog": "open", "label": "none", "frames": ["scenes"]}
    export_patches(**where, speckle="none", size=32, stride=32, out=tmp_path / "data", progress=False)
    dataset = Dataset.open(tmp_path / "data")
    days = {f"{day:%Y%m%d}" for patch in dataset.patches for day in dataset.read_frames(patch)[0]}
    assert days == {*open_town.DAYS}


@pytest.mark.long
def test_a_dataset_may_lie_in_a_bucket(town, archive_home, data):
    """Of the local engine, whose catalog is the archives."""
    where = {"bbox": BBOX, "month": "2023-06", "catalog": "open", "label": "none", "sensors": "s2"}
    export_patches(**where, size=32, stride=32, out="gs://town/data", progress=False)
    with isamap.connect(catalog="open") as session:
        stored = Dataset.open("gs://town/data", session)
        first = stored.read_image(stored.patches[0])
    (bands, _), *_ = patches(data)
    np.testing.assert_array_equal(first, np.stack([bands[name] for name in ("B2", "B3", "B4", "B8")]))


@pytest.mark.long
def test_shifts_of_sentinel_1_are_printed_for_each_day_of_the_archives(town, archive_home, capsys):
    """Both lie where Sentinel-2 does, so nothing is corrected (exit code 1)."""
    assert isamap.main(["coregister", *PLACE, "--by-scene"]) == 1
    text = capsys.readouterr().out
    assert all(f"{day[:4]}-{day[4:6]}-{day[6:]} orbit" in text for day in open_town.PASSES)
    assert text.count("no shift was made out") == 2


@pytest.mark.long
def test_points_to_ask_about_are_chosen_in_a_dataset_of_the_archives(run, data, tmp_path):
    words = ["ask", "--checkpoint", str(run), "--data", str(data), "--points", "5", "--out", str(tmp_path / "ask")]
    assert isamap.main(words) == 0
    assert len((tmp_path / "ask" / "sheet" / "answers.csv").read_text().splitlines()) == 6


@pytest.mark.long
def test_a_function_of_ones_own_maps_the_archives(town, archive_home, data, tmp_path):
    """Where near infrared is low there is no green: the town's blocks."""
    where = {"bbox": BBOX, "month": "2023-06", "catalog": "open"}
    row = BANDS.index("B8")
    isamap.map_with(lambda image: (image[row] < 0.3).astype(float), data=data, out=tmp_path / "map.tif", **where,
                    progress=False)  # fmt: skip
    with rasterio.open(tmp_path / "map.tif") as file:
        mapped, (left, top) = file.read(1), ~open_town.GRID.affine * (file.transform * (0, 0))
    here = slice(round(top), round(top) + len(mapped)), slice(round(left), round(left) + len(mapped[0]))
    expected = optical(town, "B8").mean(axis=0)[here]
    np.testing.assert_array_equal(mapped == 1, (expected.filled(4000) < 3000) & (mapped != 255))
    assert (mapped != 255).mean() > 0.7 and (mapped[np.ma.getmaskarray(expected)] == 255).all()


@pytest.mark.long
def test_years_of_the_archives_agree(town, run, mapped, archive_home, tmp_path):
    where = ("--bbox", *map(str, BBOX), "--month", "2022-06", "--catalog", "open")
    earlier = tmp_path / "2022.tif"
    assert isamap.main(["map", "--checkpoint", str(run), *where, "--out", str(earlier)]) == 0
    assert isamap.main(["years", str(earlier), str(mapped), "--out", str(tmp_path / "years")]) == 0
    assert "<p class='simulated'>" not in (tmp_path / "years" / "report.html").read_text("utf-8")


def test_the_service_maps_and_shows_real_images(town, run, archive_home, tmp_path, monkeypatch):
    """A worker's own process asks the same archives; the page's background is the same month in true colour."""
    monkeypatch.setattr(worker, "ISAMAP", open_town.program(town, tmp_path))
    # the painter's process would not know the town's archives
    monkeypatch.setattr(
        ImageryTiles, "_answered", lambda self, asked: painter._answer(painter.Painter(self.server), asked)
    )
    settings = ServiceSettings(tmp_path / "service", checkpoints=(str(run),), server=Server(catalog="open"))
    settings.jobs.prepare()
    door = Door.of("127.0.0.1", 8765, Tokens(), None)
    client = TestClient(Service(settings, door).application(), base_url="http://127.0.0.1:8765")
    inputs = {"checkpoint": "run", "bbox": list(BBOX), "period": "2023-06"}
    answer = client.post("/processes/map/execution", json={"inputs": inputs})
    assert answer.status_code == 201, answer.text
    assert Worker(settings, "w", lambda: False).work_once()
    job = client.get(f"/jobs/{answer.json()['jobID']}").json()
    assert job["status"] == "successful", job
    assert client.get("/health").json()["simulated"] is False
    (made,) = client.get("/maps").json()["maps"]
    x, y = _web_tile(*BBOX[:2], zoom=13)
    picture = client.get(f"/maps/{made['id']}/tiles/imagery/13/{x}/{y}.png")
    assert picture.status_code == 200, picture.text
    with rasterio.MemoryFile(picture.content) as memory, memory.open() as file:
        assert file.read(1).any()


def _web_tile(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """The tile of the web's grid that holds a place (https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames)."""
    side, radians = 2**zoom, np.radians(lat)
    return int((lon + 180) / 360 * side), int((1 - np.arcsinh(np.tan(radians)) / np.pi) / 2 * side)


def jobs_of_town(run: Path, folder: Path) -> Path:
    """A file of jobs that maps the town in tiles."""
    jobs = folder / "jobs.toml"
    options = {"version": 1, "bbox": list(BBOX), "name": "town", "month": ["2023-06"], "catalog": "open"}
    options |= {"checkpoint": [str(run)], "out": str(folder / "out"), "tile_px": 128}
    jobs.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items()))
    return jobs


def assert_tiles_are_the_map(folder: Path, mapped: Path) -> None:
    (cog,) = (file for file in (folder / "out").glob("*.tif") if not file.stem.endswith("_prob"))
    with rasterio.open(cog) as tiles, rasterio.open(mapped) as single:
        window = tiles.window(*single.bounds)
        np.testing.assert_array_equal(tiles.read(1, window=window), single.read(1))


@pytest.mark.long
def test_a_run_of_tiles_by_two_processes_is_the_map(town, run, mapped, archive_home, tmp_path):
    """Each process has an engine of its own over one cache, so the second run of the same place asks for nothing."""
    requests = len(town.archive.asked)
    program = [sys.executable, str(open_town.program(town, tmp_path)), "run", str(jobs_of_town(run, tmp_path))]
    done = subprocess.run([*program, "--workers", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(town.archive.asked) == requests
    assert_tiles_are_the_map(tmp_path, mapped)


@pytest.mark.long
def test_dask_workers_read_the_archives_themselves(town, run, mapped, tmp_path, monkeypatch):
    """Two workers with an empty cache between them; the process that asks them reaches no archive."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    knows_town = f"from local_ee.open import hosts; hosts.LOOPBACK.update({town.archive.loopback!r})"
    monkeypatch.setattr(hosts, "LOOPBACK", dict.fromkeys(town.archive.loopback, 9))  # where nobody answers
    requests = sum(asked.is_file for asked in town.archive.asked)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0, preload=[knows_town]
    ) as cluster:
        words = ["run", str(jobs_of_town(run, tmp_path)), "--scheduler", cluster.scheduler_address]
        assert isamap.main(words) == 0
    assert sum(asked.is_file for asked in town.archive.asked) > requests
    assert_tiles_are_the_map(tmp_path, mapped)
