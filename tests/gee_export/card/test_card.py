"""`isamap inspect`: what it prints and writes, its exit codes, and that the dataset stays a dataset."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isamap
from isamap.gee_export.card.inspection import inspect
from isamap.gee_export.datasets.dataset import Dataset, StoredLayer, write
from tests.support import sound
from tests.support.pictures import unpainted  # noqa: F401

ROOT = Path(__file__).resolve().parents[3]
PICTURES = {"bands.png", "contact-sheet.png", "footprints.png", "labels.png", "missing.png"}


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    """A sound dataset with its card and STAC collection beside it."""
    location = tmp_path_factory.mktemp("sound") / "data"
    data = sound.stored(location)
    return location, inspect(data, out=location / "card", stac=True)


@pytest.mark.long
def test_the_card_counts_what_was_put_in(inspected):
    _, card = inspected
    patches = sound.patches()
    train = np.stack([sample.label_HW for sample in patches if sample.split == "train"])
    assert card.classes["train"] == {"pervious": int((train == 0).sum()), "impervious": int((train == 1).sum())}
    assert {row["split"]: row["patches"] for row in card.counts} == {"train": 6, "val": 2, "test": 2}
    blue = np.stack([sample.image_BHW[0] for sample in patches]) * 1e-4
    band = next(band for band in card.bands if band.name == "B2")
    assert band.mean == pytest.approx(blue.mean()) and band.std == pytest.approx(blue.std())
    assert band.quantiles["50"] == pytest.approx(np.median(blue), abs=1e-4)
    assert [row["days"] for row in card.sensors] == [["20190602", "20190612"], ["20190606"]]


def test_the_page_tells_how_often_a_pixel_was_seen(inspected):
    location, _ = inspected
    assert "0.9 (0 to 1)" in (location / "card" / "card.html").read_text(encoding="utf-8")


def test_the_printed_card_has_its_verdicts(inspected):
    notices = str(inspected[1])
    assert "SIMULATED" in notices and "sigma0" in notices and "CC-BY-4.0" in notices
    assert len(re.findall(r"^  PASS ", notices, re.MULTILINE)) == len(inspected[1].findings)


def test_the_card_is_a_page_that_needs_nothing_else(inspected):
    location, card = inspected
    text = (location / "card" / "card.html").read_text()

    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found += [value for name, value in attrs if name in ("src", "href")]

    Links().feed(text)
    assert len(Links.found) == len(PICTURES) and all(link.startswith("data:image/png") for link in Links.found)
    assert "url(" not in text and "SIMULATED" in text and "prefers-color-scheme: dark" in text
    assert all(finding.name in text for finding in card.findings)


def test_pictures_are_pictures(inspected):
    location, _ = inspected
    assert {path.name for path in (location / "card").iterdir()} == PICTURES | {"card.html", "card.json"}
    for name in PICTURES:
        with Image.open(location / "card" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5, name


def test_the_json_names_no_machine_and_no_time(inspected):
    location, card = inspected
    text = (location / "card" / "card.json").read_text()
    document = json.loads(text)
    assert str(location.parent) not in text and document["version"] == 1 and document["verdict"] == "pass"
    assert [finding["name"] for finding in document["findings"]] == [finding.name for finding in card.findings]


@pytest.mark.long
def test_the_same_dataset_gives_the_same_bytes(inspected, tmp_path):
    location, _ = inspected
    inspect(sound.stored(tmp_path / "data"), out=tmp_path / "card")
    for path in sorted((location / "card").iterdir()):
        assert path.read_bytes() == (tmp_path / "card" / path.name).read_bytes(), path.name


def test_a_dataset_stays_a_dataset_with_its_card(inspected):
    location, card = inspected
    data = Dataset.open(location)
    data.verify()
    assert data.fingerprint == card.fingerprint and not data.damaged()


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_hostile_names_stay_text(tmp_path):
    data = sound.stored(tmp_path / "data", name="<script>alert(1)</script>")
    inspect(data, out=tmp_path / "card")
    assert "<script" not in (tmp_path / "card" / "card.html").read_text()


@pytest.mark.long
def test_every_layer_is_counted_and_shown(tmp_path):
    """Shares, pairs of scales and dated frames, as docs/datasets.md has them."""
    fine = sound.Band("R", "reflectance", 1e-2, nodata=0)
    kinds = {
        "shares": StoredLayer((sound.Band("share", "percent", 1.0, nodata=255),), "uint8"),
        "fine": StoredLayer((fine,), "uint8", 10),
        "fine_labels": StoredLayer((sound.Band("label", "class", 1.0, nodata=255),), "uint8", 10),
        "frames": StoredLayer(sound.BANDS, "int16"),
    }

    def layers(sample):
        large = np.kron(sample.label_HW, np.ones((10, 10), np.uint8))
        share = (sample.label_HW * 100)[None]
        frame = {"frames/20190602": sample.image_BHW, "frames/20190612": sample.image_BHW}
        return {"shares": share, "fine": 20 + 30 * large[None], "fine_labels": large[None]} | frame

    actual = [replace(sample, layers=layers(sample)) for sample in sound.patches()]
    data = write(tmp_path / "data", sound.head(layers=kinds), actual)
    card = inspect(data, out=tmp_path / "card", stac=True)
    assert card.verdict == "pass" and "70 files" in str(card)
    assert {band.layer for band in card.bands} == {"image", "shares", "fine", "frames"}
    with (
        Image.open(tmp_path / "card" / "contact-sheet.png") as picture,
        Image.open(tmp_path / "card" / "bands.png") as bands,
    ):
        assert picture.width > 700 and bands.height > 700
    path = data.storage.path(f"fine/{data.patches[0].id}.tif")
    path.write_bytes(path.read_bytes()[:-9])
    assert inspect(data).verdict == "fail"


@pytest.mark.long
def test_a_dataset_without_labels_has_a_card(tmp_path):
    bare = [replace(sample, label_HW=None) for sample in sound.patches()]
    card = inspect(sound.stored(tmp_path / "data", bare, label=None), out=tmp_path / "card", stac=True)
    assert card.verdict == "pass" and not (tmp_path / "card" / "labels.png").exists()


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_the_command_writes_beside_the_data_and_ends_well(tmp_path, capsys):
    sound.stored(tmp_path / "data")
    assert isamap.main(["inspect", str(tmp_path / "data")]) == 0
    assert "PASS   leakage" in capsys.readouterr().out
    assert (tmp_path / "data" / "card" / "card.html").exists()
    assert (tmp_path / "data" / "stac" / "collection.json").exists()


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize(("words", "code"), [([], 0), (["--strict"], 1)])
def test_warnings_fail_only_if_strict(tmp_path, words, code, capsys):
    sound.stored(tmp_path / "data", [sample for sample in sound.patches() if sample.split != "val"])
    assert isamap.main(["inspect", str(tmp_path / "data"), "--no-stac", *words]) == code
    assert "WARN   class balance" in capsys.readouterr().out
    assert not (tmp_path / "data" / "stac").exists()


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_a_failed_check_is_exit_code_1(tmp_path, capsys):
    data = sound.stored(tmp_path / "data")
    data.storage.path(data.patches[0].image_name).write_bytes(b"no image")
    assert isamap.main(["inspect", str(tmp_path / "data")]) == 1
    notices = capsys.readouterr()
    assert "FAIL   files" in notices.out and "not sound: files" in notices.err
    assert (tmp_path / "data" / "card" / "card.html").exists()


@pytest.mark.long
def test_inspecting_needs_no_torch(tmp_path):
    sound.stored(tmp_path / "data")
    code = f"import isamap, sys; isamap.main(['inspect', {str(tmp_path / 'data')!r}]); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"


def test_no_dataset_is_the_users_mistake(tmp_path, capsys):
    assert isamap.main(["inspect", str(tmp_path / "nothing")]) == 2
    assert "holds no finished dataset" in capsys.readouterr().err


def test_every_file_may_be_gone(tmp_path):
    """What is left is a card that says so."""
    data = sound.stored(tmp_path / "data")
    for patch in data.patches:
        data.storage.path(patch.image_name).unlink()
        data.storage.path(patch.label_name).unlink()
    card = inspect(data, out=tmp_path / "card")
    assert card.verdict == "fail" and "20 of 20 files" in str(card)


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_a_dataset_in_a_bucket_is_inspected_where_it_lies(session, reconnected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    session.storage_client().create_bucket("cards")
    sound.write("gs://cards/some/data", sound.head(), sound.patches(), session)
    before = Dataset.open("gs://cards/some/data", session).fingerprint
    assert isamap.main(["inspect", "gs://cards/some/data"]) == 0
    assert "gs://cards/some/data/stac/collection.json" in capsys.readouterr().out
    assert (tmp_path / "card-data" / "card.html").exists()
    again = Dataset.open("gs://cards/some/data", session)
    again.verify()
    assert again.fingerprint == before
    assert len(again.storage.list("stac/items/")) == len(again)
