"""The whole of `isamap reproduce` on a small study."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import isamap
from isamap import reproduction
from isamap.gee_export.datasets.dataset import write
from isamap.reproduction import page, panels, worlds
from isamap.reproduction.evaluators import probabilities
from isamap.reproduction.report import StudyReport, markdown
from isamap.reproduction.reproduce import PANEL, REPORT, TEXT, reproduce
from isamap.reproduction.runs import Bench, Training
from isamap.reproduction.study import Study
from isamap.training import evaluate, train
from tests.reproduction.conftest import MEASURES, TINY, tiny_preset
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.support.towns import BANDS, manifest, samples, spread


@pytest.fixture(scope="module")
def done(town, tmp_path_factory):
    """The study run once: its report, where it was put, and what was said."""
    out, words = tmp_path_factory.mktemp("out"), []
    with pytest.MonkeyPatch.context() as patch:
        small = Study("tiny", "Two small networks", "nowhere", MEASURES, "miou", {"cpu": tiny_preset})
        patch.setitem(reproduction.STUDIES, "tiny", small)
        report = reproduce("tiny", [town], out, say=words.append)
    return report, out, words


def run_of(out: Path, town: Path, recipe: str, seed: int) -> Path:
    return Bench(out, {"town": (str(town),)}).folder(Training(recipe, TINY), seed)


@pytest.mark.long
def test_values_are_those_of_evaluate(done, town):
    report, out, _ = done
    for seed, value in enumerate(report.lines[1].values["miou"]):
        assert value == pytest.approx(evaluate(run_of(out, town, "crofusenet-tiny", seed), town).scores.miou, abs=1e-5)


def test_a_run_is_what_isamap_train_makes(done, town, tmp_path):
    """The same settings give the same weights, byte for byte."""
    _, out, _ = done
    train(town, "unet-tiny", tmp_path / "run", settings=TINY | {"seed": "1"})
    weights = "best/weights.safetensors"
    assert (run_of(out, town, "unet-tiny", 1) / weights).read_bytes() == (tmp_path / "run" / weights).read_bytes()


def test_report_is_written_as_it_is_returned(done):
    report, out, _ = done
    document = json.loads((out / "tiny" / REPORT).read_text())
    assert markdown(StudyReport.from_json(document)) == markdown(report)
    assert (out / "tiny" / TEXT).read_text().startswith(markdown(report))
    assert sorted(os.listdir(out / "tiny")) == sorted([REPORT, TEXT, PANEL])


def test_simulated_data_are_said_to_be_so(done):
    report, _, _ = done
    assert "simulated" in str(report).split("paper")[0]
    assert any("says nothing about real imagery" in words for words in report.differs)


@pytest.mark.long
def test_what_a_preset_cuts_from_the_world_is_simulated(tmp_path, monkeypatch):
    """A GeoTIFF of the world's pixels does not say where they are from, and its dataset counts as real."""
    splits = spread(8, 2, 6)
    write(tmp_path / "cut", manifest(tuple(BANDS), 32, len(splits), simulated=False), samples(tuple(BANDS), 32, splits))
    small = Study("tiny", "Two small networks", "nowhere", MEASURES, "miou", {"cpu": tiny_preset})
    monkeypatch.setitem(reproduction.STUDIES, "tiny", small)
    monkeypatch.setattr(worlds, "export", lambda request, home: tmp_path / "cut")
    report = reproduce("tiny", [], tmp_path / "out", say=lambda words: None)
    assert [used.simulated for used in report.data] == [True]


def test_the_panel_has_a_picture_for_every_view_and_row(done):
    """Optical, SAR, label and two rows: five columns of tiles, each with some contrast inside."""
    _, out, _ = done
    picture = imread(out / "tiny" / PANEL)[..., :3]
    assert picture.shape[1] == pytest.approx(5 * panels.TILE_INCH * panels.DPI, abs=1)
    columns = np.array_split(picture, 5, axis=1)
    assert all(column.std() > 0.05 for column in columns)


def test_steps_are_whole_batches_times_epochs(done):
    report, _, _ = done
    assert {made["steps"] for line in report.lines for made in line.made} == {8 // 4 * 1}


@pytest.mark.long
def test_finished_runs_are_only_read(done, town, study, monkeypatch):
    report, out, _ = done

    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Training, "make", refuse)
    again = reproduce("tiny", [town], out, say=lambda _: None)
    assert [line.values for line in again.lines] == [line.values for line in report.lines]


def test_chances_are_of_the_patches_named(done, town):
    """In a shuffled order, from any split, beside each patch's own label."""
    from isamap.gee_export.datasets.dataset import Dataset

    data = Dataset.open(town)
    ids = [data.in_split("val")[1].id, data.in_split("test")[3].id, data.in_split("test")[0].id]
    _, out, _ = done
    actual = {name: label for name, _, label in probabilities(run_of(out, town, "unet-tiny", 0), [str(town)], ids)}
    assert set(actual) == set(ids)
    assert all((actual[name] == data.read_label(name)).all() for name in ids)


def _table_of(report) -> str:
    """Heading, data and table of a report; legends and remarks may stand above all sections."""
    return markdown(report, level=2, brief=True).rpartition(" |\n")[0]


def test_page_holds_every_report_between_its_marks(done, study, tmp_path):
    report, out, _ = done
    target = tmp_path / "page.md"
    target.write_text(f"before\n{page.BEGIN}\nold words\n{page.END}\nafter\n")
    words = page.write(target, out)
    text = target.read_text()
    others = ", ".join(name for name in reproduction.STUDIES if name != "tiny")
    assert f"Not run yet: {others}." in text and f"not run yet: {others}" in words
    assert text.startswith("before\n") and text.endswith("after\n") and "old words" not in text
    assert _table_of(report) in text
    picture = tmp_path / "img" / "tiny.jpg"
    assert 0 < picture.stat().st_size <= page.PICTURE_MOST_BYTES
    once = text
    page.write(target, out)
    assert target.read_text() == once


def test_sections_of_studies_that_were_run_elsewhere_stay(done, study, tmp_path):
    report, out, _ = done
    section = (
        "## crofusenet-table2: Methods\n\nCroFuseNet Table II. Preset `cpu`.\n\n![x](img/crofusenet-table2.jpg)\n\n"
    )
    strange = "## no-study: Nothing\n\nNobody. Preset `cpu`.\n\n"
    target = tmp_path / "page.md"
    target.write_text(f"{page.BEGIN}\n\nold words\n\n{strange}{section}{page.END}\n")
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "crofusenet-table2.jpg").write_bytes(b"of another run")
    page.write(target, out)
    text = target.read_text()
    assert section in text and _table_of(report) in text and "old words" not in text and "Nobody" not in text
    assert "- [crofusenet-table2](#crofusenet-table2-methods): CroFuseNet Table II\n" in text
    assert (tmp_path / "img" / "crofusenet-table2.jpg").read_bytes() == b"of another run"


def test_pictures_of_studies_without_a_report_go(done, study, tmp_path):
    _, out, _ = done
    target = tmp_path / "page.md"
    target.write_text(f"{page.BEGIN}\n{page.END}\n")
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "crofusenet-table2.jpg").write_bytes(b"of a former report")
    page.write(target, out)
    assert sorted(os.listdir(tmp_path / "img")) == ["tiny.jpg"]


@pytest.mark.long
def test_runs_beside_each_other_are_those_one_after_another(done, town, study, tmp_path):
    """Two processes of one thread each: the same weights, and a log of each run."""
    report, _, _ = done
    beside = reproduce("tiny", [town], tmp_path / "out", jobs=2, say=lambda _: None)
    assert [line.values for line in beside.lines] == [line.values for line in report.lines]
    assert len(list((tmp_path / "out" / "runs").glob("*.log"))) == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["crofusenet-table5"], "is not known: choose one of"),
        (["tiny", "crofusenet-tble"], "'crofusenet-tble' is not known"),
        ([], "name a study"),
        (["tiny", "--preset", "paper"], "has no preset 'paper'"),
        (["tiny", "--seeds", "0"], "expected 1 or more"),
        (["tiny", "--data", "nowhere"], "no finished dataset"),
        (["tiny", "--data", "gs://bucket/data"], "copy it first"),
        (["--page", "nowhere.md"], "is not there"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(words, sentence, study, tmp_path, capsys):
    assert isamap.main(["reproduce", *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error


@pytest.mark.long
def test_data_without_a_band_is_the_users_mistake(make_town, study, tmp_path, capsys):
    """Exit code 2 and the sentence of training, not a fault of the run."""
    optical = make_town(("B2", "B3", "B4", "B8"))
    assert isamap.main(["reproduce", "tiny", "--data", str(optical), "--out", str(tmp_path / "out")]) == 2
    assert "SAR" in capsys.readouterr().err


def test_datasets_that_a_study_needs_besides_are_asked_for(town, tmp_path, capsys):
    assert isamap.main(["reproduce", "crofusenet-transfer", "--data", str(town), "--out", str(tmp_path)]) == 2
    assert "june2020=FOLDER nanjing=FOLDER" in capsys.readouterr().err


@pytest.mark.long
def test_list_names_every_study(capsys):
    assert isamap.main(["reproduce", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(reproduction.STUDIES)
