"""`isamap ask` and `isamap train --answers`: the sheet, its answers as labels, and what is refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from PIL import Image
from pyproj import CRS, Transformer

import isamap
from isamap import training
from isamap.gee_export.base.feature_table import FeatureTable, read_table, write_geopackage
from isamap.gee_export.datasets.dataset import Dataset, write
from isamap.gee_export.datasets.manifest import NODATA
from isamap.inference.assessment.estimate import AnswerSource, estimate_accuracy
from isamap.inference.questions.ask import Question, _check_alike, ask
from isamap.training.checkpoints import checkpoint as ck
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import BANDS, manifest, samples, spread

FOREST = {"model.trees": "5", "model.pixels": "3000", "batch": "4"}
HOLE = slice(0, 8)  # rows of the first patch that no satellite saw


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def town(home, tmp_path_factory) -> Path:
    """Patches of 32 px: 6 to train, 2 to validate, 1 to test; labels of the second are turned round."""
    folder, splits = tmp_path_factory.mktemp("town") / "data", spread(6, 2, 1)
    made = list(samples(tuple(BANDS), 32, splits))
    made[0].image_BHW[:, HOLE] = NODATA
    made[1].label_HW[:] = 1 - made[1].label_HW
    write(folder, manifest(tuple(BANDS), 32, len(splits)), iter(made))
    return folder


@pytest.fixture(scope="module")
def forests(town, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        training.train(town, "random_forest-tiny", folder / seed, settings=FOREST | {"seed": seed}).folder
        for seed in ("0", "1")
    ]


@pytest.fixture(scope="module")
def asked(town, forests, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("asked") / "points"
    ask(forests[0], town, out, question=Question(points=12, by="label"))
    return out


def sheet(folder: Path) -> dict[str, np.ndarray]:
    return dict(read_table(folder / "sheet" / "points.gpkg").columns)


def answered(folder: Path, path: Path, classes, **changes) -> Path:
    """The sheet with its classes filled in, and other columns changed."""
    table = read_table(folder / "sheet" / "points.gpkg")
    columns = {**table.columns, "class": np.array(classes, dtype=object), **changes}
    write_geopackage(path, FeatureTable(table.shapes, table.crs, columns), "points")
    return path


def truths(town: Path, folder: Path) -> list[str]:
    """The stored label at every point."""
    data, columns = Dataset.open(town), sheet(folder)
    pixels = zip(columns["patch"], columns["row"], columns["col"], strict=True)
    return [("pervious", "impervious")[data.read_label(patch)[row, col]] for patch, row, col in pixels]


# --- the sheet --------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_sheet_is_that_of_a_sample_with_an_empty_class(asked):
    columns = sheet(asked)
    assert len(columns["class"]) == 12 and not any(columns["class"])
    assert (asked / "sheet" / "answers.csv").read_text().startswith("LON,LAT,PLOTID,class")
    assert set(columns["sampling"]) == {"chosen"} and "map_class" not in columns


def test_every_point_lies_in_the_middle_of_its_pixel(asked, town):
    data, table = Dataset.open(town), read_table(asked / "sheet" / "points.gpkg")
    for shape, patch, row, col in zip(
        table.shapes, *(table.columns[name] for name in ("patch", "row", "col")), strict=True
    ):
        geobox = data.geobox(patch)
        back = Transformer.from_crs("EPSG:4326", CRS(str(geobox.crs)), always_xy=True)
        pixel = ~geobox.affine * back.transform(shapely.get_x(shape), shapely.get_y(shape))
        assert pixel == pytest.approx((col + 0.5, row + 0.5), abs=1e-3)


def test_by_label_asks_where_network_and_label_disagree(asked):
    """The second patch's labels are turned round: the most doubtful points are there."""
    assert list(sheet(asked)["patch"][:3]) == ["town_201906_r00032_c00000"] * 3


def test_no_patch_is_asked_more_often_than_allowed(asked):
    assert np.unique(sheet(asked)["patch"], return_counts=True)[1].max() == 3


@pytest.mark.long
def test_fewer_points_than_asked_are_told(town, forests, tmp_path):
    """Six patches give at most 18 points, three each."""
    report = ask(forests[0], town, tmp_path / "asked", question=Question(points=1000, by="label"))
    assert report.points <= 18
    assert f"{report.points} points, fewer than the 1000 asked" in str(report) and "at most 3 a patch" in str(report)


def test_no_pixel_without_image_is_asked(town, forests, tmp_path):
    ask(forests[0], town, tmp_path / "out", question=Question(points=100, by="entropy", each=30))
    columns = sheet(tmp_path / "out")
    in_first = columns["patch"] == "town_201906_r00000_c00000"
    assert in_first.any() and columns["row"][in_first].min() >= HOLE.stop


def test_only_the_split_is_asked(town, forests, tmp_path):
    ask(forests, town, tmp_path / "out", question=Question(points=5, split="val"))
    names = {patch.id for patch in Dataset.open(town).in_split("val")}
    assert set(sheet(tmp_path / "out")["patch"]) <= names


def test_several_checkpoints_ask_where_they_disagree(town, forests, tmp_path):
    report = ask(forests, town, tmp_path / "out", question=Question(points=5, by="members"))
    assert report.by == "members" and "simulated" in str(report)


def test_the_page_shows_every_point(asked):
    page = (asked / "sheet" / "index.html").read_text()
    assert page.count("<img ") == 12 and "impervious" in page and "no sample of the area" in page
    for index in range(1, 13):
        assert Image.open(asked / "sheet" / "patch" / f"{index}.png").size == (320, 320)


def test_the_command_that_is_printed_runs(town, forests, tmp_path, capsys):
    """Once the sheet is filled in; the recipe's own trees and pixels are made fewer."""
    words = ["--checkpoint", str(forests[0]), "--data", str(town), "--out", str(tmp_path / "b"), "--points", "4"]
    assert isamap.main(["ask", *words, "--split", "val"]) == 0
    printed = capsys.readouterr().out
    assert "4 points" in printed and "no probability sample" in printed
    assert "isamap train" not in printed  # of val nothing is learned
    report = ask(forests[0], town, tmp_path / "of these", question=Question(points=12, by="label"))
    (line,) = [line for line in str(report).splitlines() if line.startswith("then: ")]
    words = shlex.split(line.removeprefix("then: "))
    answered(
        tmp_path / "of these", tmp_path / "of these" / "sheet" / "points.gpkg", truths(town, tmp_path / "of these")
    )
    assert isamap.main([*words[1:], "--set", "model.trees=5", "model.pixels=3000", "batch=4"]) == 0


# --- answers as labels ------------------------------------------------------------------------------------------------


def test_only_the_answered_pixels_are_learned_from(asked, town, tmp_path):
    from isamap.training.runs.origins import answered as with_answers
    from isamap.training.samples.data import open_source

    classes = truths(town, asked)
    path = answered(asked, tmp_path / "a.gpkg", [*classes[:9], "uncertain", "", ""])
    split = with_answers(open_source([town]), path).split("train")
    labels = split.__getitems__(range(len(split))).label_BHW.numpy()
    columns = sheet(asked)
    assert len(split) == len(set(columns["patch"][:9])) and (labels != 255).sum() == 9
    assert (labels == 1).sum() == classes[:9].count("impervious")


def test_training_on_answers_says_so(asked, town, tmp_path):
    path = answered(asked, tmp_path / "a.gpkg", ["1", "0"] * 6)
    report = training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, answers=path)
    assert "answers: 12 pixels of" in str(report) and "12 pixels" in ck.load(report.folder).origin["answers"]


def test_other_answers_are_another_run(asked, town, tmp_path):
    first = answered(asked, tmp_path / "a.gpkg", ["impervious", "pervious"] * 6)
    training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, answers=first)
    second = answered(asked, tmp_path / "b.gpkg", ["pervious", "impervious"] * 6)
    with pytest.raises(ValueError, match="holds another run"):
        training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, answers=second)


@pytest.mark.long
def test_a_network_learns_from_answers(asked, town, tmp_path):
    path = answered(asked, tmp_path / "a.gpkg", ["impervious", "pervious"] * 6)
    settings = {"epochs": "1", "batch": "2"}
    report = training.train(town, "unet-tiny", tmp_path / "run", settings=settings, answers=path)
    assert report.epochs == 1 and "answers: 12 pixels" in str(report)


def test_beside_answers_the_labels_stay_and_each_source_has_its_mean(asked, town, tmp_path):
    """All training patches are there, answered pixels are of one source, and the loss is a weighted sum of means."""
    import torch

    from isamap.training.losses import cross_entropy
    from isamap.training.runs.origins import answered as with_answers
    from isamap.training.samples.answers import by_source
    from isamap.training.samples.data import label_shares, open_source

    path, data = answered(asked, tmp_path / "a.gpkg", ["impervious"] * 6 + ["pervious"] * 6), Dataset.open(town)
    source = with_answers(open_source([town]), path, 0.5)
    split = source.split("train")
    label = split.__getitems__(range(6)).label_BHW
    theirs, own = by_source(label)
    assert (theirs != 255).sum() == 12 and ((theirs == 255) ^ (own == 255)).all()
    stored = torch.from_numpy(np.stack([data.read_label(patch) for patch in data.in_split("train")]))
    assert (own[theirs == 255] == stored[theirs == 255]).all()
    assert sum(label_shares(split)) == pytest.approx(1)

    logits = torch.randn(6, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    cost = cross_entropy(logits, theirs) + source.label_weight * cross_entropy(logits, own)
    by_hand = torch.nn.functional.cross_entropy(logits, theirs.long(), ignore_index=255)
    by_hand = by_hand + 0.5 * torch.nn.functional.cross_entropy(logits, own.long(), ignore_index=255)
    assert cost.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_another_label_weight_is_another_run_with_another_loss(asked, town, tmp_path):
    path = answered(asked, tmp_path / "a.gpkg", ["impervious"] * 6 + ["pervious"] * 6)
    options = {"settings": {"model.widths": "4,8", "epochs": "1", "batch": "4"}, "answers": path}
    losses = []
    for weight in (0.3, 3.0):
        report = training.train(town, "unet-tiny", tmp_path / f"{weight}", **options, label_weight=weight)
        assert f"weight {weight:g}" in str(report)
        losses.append(json.loads((report.folder / "history.json").read_text())[0]["train_loss"])
    assert losses[1] > 2 * losses[0]
    with pytest.raises(ValueError, match="holds another run"):
        training.train(town, "unet-tiny", tmp_path / "0.3", **options, label_weight=1.0)


def test_answers_of_one_class_are_refused(asked, town, tmp_path):
    path = answered(asked, tmp_path / "a.gpkg", ["pervious"] * 12)
    with pytest.raises(ValueError, match=r"of the answered pixels alone, .* answer more points of every class"):
        training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, answers=path)


# --- no probability sample --------------------------------------------------------------------------------------------


def test_assess_gives_no_area_of_chosen_points(asked, town):
    lines = (asked / "sheet" / "answers.csv").read_text().splitlines()
    filled = [line.replace(",,,,", f",{name},,,", 1) for line, name in zip(lines[1:], truths(town, asked), strict=True)]
    path = asked / "filled.csv"
    path.write_text("\n".join([lines[0], *filled]))
    report = estimate_accuracy(asked, AnswerSource((str(path),)))
    assert "no area is estimated from this sample" in str(report) and "chosen where networks disagree" in str(report)


def test_chosen_points_are_not_taken_for_drawn_ones(asked, town, make_map, tmp_path):
    path = answered(asked, tmp_path / "a.gpkg", truths(town, asked))
    with pytest.raises(ValueError, match="which are no probability sample"):
        estimate_accuracy(make_map(np.zeros((40, 40), np.uint8)), AnswerSource((str(path),), design="simple"))


def test_zones_of_chosen_points_are_refused(asked, tmp_path):
    zones = tmp_path / "zones.gpkg"
    write_geopackage(zones, FeatureTable(np.array([shapely.box(114, 30, 115, 31)]), CRS.from_epsg(4326), {}), "z")
    key = json.loads((asked / "key.json").read_text())
    answers = tmp_path / "answers.csv"
    answers.write_text("PLOTID,class\n" + "\n".join(f"{point['plotid']},pervious" for point in key["points"]))
    with pytest.raises(ValueError, match="not drawn from a map"):
        estimate_accuracy(asked, AnswerSource((str(answers),)), zones=zones)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--points", "0"], "points=0"),
        (["--by", "doubt"], "expected entropy, members, label"),
        (["--by", "members"], "give --checkpoint twice or more"),
        (["--split", "all"], "expected train, val, test"),
        (["--each", "0"], "each=0"),
    ],
)
def test_options_that_cannot_be_are_refused(town, forests, tmp_path, capsys, words, message):
    options = ["--checkpoint", str(forests[0]), "--data", str(town), "--out", str(tmp_path / "out")]
    assert isamap.main(["ask", *options, *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_same_checkpoint_twice_is_refused(town, forests, tmp_path):
    with pytest.raises(ValueError, match="agrees with itself"):
        ask([forests[0], forests[0]], town, tmp_path / "out")


@pytest.mark.parametrize("part", ["classes", "bands"])
def test_checkpoints_of_other_classes_or_bands_are_not_asked_together(forests, part):
    """One of both is enough: a class of another meaning would count as a disagreement."""
    trained = ck.load(forests[0])
    reversed_checkpoint = replace(trained, **{part: getattr(trained, part)[::-1]})
    with pytest.raises(ValueError, match="differ in bands or classes: ask checkpoints of one dataset together"):
        _check_alike((trained, reversed_checkpoint), ("a", "b"))


def test_answers_are_not_overwritten(asked, town, forests):
    with pytest.raises(ValueError, match="holds a sample already"):
        ask(forests[0], town, asked)


@pytest.mark.parametrize(
    ("classes", "changes", "message"),
    [
        ([""] * 12, {}, "none of 12 points has a class"),
        (["roof"] * 12, {}, "class 'roof' is unknown"),
        (["pervious"] * 12, {"image_crc32c": np.arange(12)}, "no training patches of these data"),
        (["pervious"] * 12, {"row": np.full(12, 99)}, "which has 32 x 32"),
        (["pervious"] * 12, {"col": np.full(12, 1.5)}, "are whole numbers"),
        (["pervious", "impervious"] * 6, {"row": np.ones(12, int), "col": np.ones(12, int)}, "has two classes"),
    ],
)
def test_answers_that_cannot_be_labels_are_refused(asked, town, tmp_path, classes, changes, message):
    path = answered(asked, tmp_path / "a.gpkg", classes, **changes)
    with pytest.raises(ValueError, match=message):
        training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, answers=path)
    assert not (tmp_path / "run").exists()


def test_other_files_are_no_answers(town, tmp_path):
    write_geopackage(tmp_path / "x.gpkg", FeatureTable(np.array([shapely.Point(114, 30)]), CRS.from_epsg(4326),
                                                       {"class": np.array(["pervious"])}), "x")  # fmt: skip
    with pytest.raises(ValueError, match="no column patch, row, col, image_crc32c"):
        training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, answers=tmp_path / "x.gpkg")


def test_shares_are_not_answered_by_classes(asked, town, tmp_path):
    from tests.support.pairs import write_pairs

    write_pairs(tmp_path / "pairs", spread(4, 1, 1), size=8)
    path = answered(asked, tmp_path / "a.gpkg", ["pervious"] * 12)
    settings = {"target": "share", "loss": "soft_cross_entropy", "batch": "2"}
    with pytest.raises(ValueError, match="set target=label"):
        training.train(tmp_path / "pairs", "unet-tiny", tmp_path / "run", settings=settings, answers=path)


def test_the_sheet_opens_as_points_in_degrees(asked):
    info = pyogrio.read_info(asked / "sheet" / "points.gpkg")
    assert info["geometry_type"] == "Point" and CRS(info["crs"]).to_epsg() == 4326
