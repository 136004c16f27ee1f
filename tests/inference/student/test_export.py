"""`isamap to-ee`: what it writes, what the student learns, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import isamap
from isamap.inference.student.distillation import StudentCandidate, candidates_of, chosen, cost
from isamap.inference.student.export import _check_teacher, to_earth_engine
from isamap.inference.student.parameters import student_bands
from isamap.inference.student.request import Distillation, layers_of
from isamap.inference.student.teaching import Lessons, drawn
from isamap.training.accuracy.evaluation import source_for
from isamap.training.checkpoints.checkpoint import load, normalise
from isamap.training.models.student import MISSING, StudentConfig
from tests.inference.conftest import BANDS
from tests.inference.student.conftest import STORED
from tests.support.graphs import digest

QUICK = {"hidden": ("6-4", "8"), "pixels": 1500, "epochs": 3}


@pytest.fixture
def made(teacher, dataset, plot, home, tmp_path):
    """A student of the small U-Net."""
    return to_earth_engine(teacher, dataset, out=tmp_path / "ee", catalog=str(plot.folder), **QUICK)


@pytest.mark.long
def test_the_folder_holds_student_graphs_and_script(made, teacher):
    described = json.loads((made.folder / "student.json").read_text())
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "best", "function.json", "graph.json", "map.js", "student.json",
    ]  # fmt: skip
    assert described["teacher"]["fingerprint"] == load(teacher).fingerprint
    assert described["fingerprint"] == load(made.folder).fingerprint
    assert described["graph"]["bytes"] == (made.folder / "graph.json").stat().st_size < 1_000_000
    assert described["accuracy"]["student"]["intervals"].keys() == described["accuracy"]["teacher"]["intervals"].keys()
    assert described["region"]["name"] == "plot" and described["period"] == "2019-06"  # the dataset's own
    assert '"2019-06-01", "2019-07-01"' in (made.folder / "map.js").read_text()


@pytest.mark.long
def test_the_same_call_makes_the_same_student(made, teacher, dataset, plot, tmp_path):
    again = to_earth_engine(teacher, dataset, out=tmp_path / "again", catalog=str(plot.folder), **QUICK)
    assert load(again.folder).fingerprint == load(made.folder).fingerprint
    graphs = [json.loads((report.folder / "graph.json").read_text()) for report in (made, again)]
    assert digest(graphs[0]) == digest(graphs[1])


@pytest.mark.long
def test_the_command_says_both_accuracies(teacher, dataset, plot, home, tmp_path, capsys):
    paths = ["--data", str(dataset), "--out", str(tmp_path / "ee"), "--catalog", str(plot.folder)]
    assert isamap.main(["to-ee", str(teacher), *paths, "--hidden", "4", "--pixels", "500", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "teacher" in printed and "student" in printed and "95 % intervals" in printed and "simulated" in printed


def test_students_read_stored_numbers_exactly():
    """Every int16 within a band's range, and nothing where a pixel is missing."""
    bands = student_bands(STORED, BANDS)
    for stored, norm in zip(STORED, bands, strict=True):
        low, high = round(norm.clip_min / stored.scale), round(norm.clip_max / stored.scale)
        numbers = np.arange(low, high + 1)
        physical = (numbers * stored.scale).astype(np.float32)[None, None]
        x = normalise(physical, np.ones(physical.shape, bool), [norm])
        np.testing.assert_array_equal(np.rint(x[0, 0]).astype(int) + MISSING, numbers)
        assert x.min() > 0.5


@pytest.mark.long
def test_a_student_learns_a_rule_that_it_can_state():
    """Teacher: impervious where the first band's 7-px mean is high; the student's probabilities come near it."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(1000, 200, (4000, 5)))
    chance = torch.sigmoid((features[:, 2] - 1000) / 60)
    lessons = Lessons(features, torch.stack([1 - chance, chance], 1), torch.full((4000,), 255))
    candidate = candidates_of(Distillation(hidden=("8",), epochs=200), ("B2",), lessons, lessons)[0]
    least = float(cost(lessons.chance_NK.log(), lessons.chance_NK))
    assert candidate.agreement > 0.96 and candidate.cost < least + 0.01


def test_known_labels_take_their_share():
    lessons = Lessons(torch.zeros(3, 1), torch.tensor([[0.8, 0.2]] * 3).double(), torch.tensor([0, 1, 255]))
    expected = torch.tensor([[0.85, 0.15], [0.6, 0.4], [0.8, 0.2]]).double()
    torch.testing.assert_close(lessons.targets(0.25), expected)


def test_lessons_come_from_pixels_that_have_all_bands(teacher, dataset):
    trained = load(teacher)
    source = source_for(trained, dataset)
    lessons = drawn(trained, source, "train", StudentConfig(), pixels=5000, seed=1)
    stored = lessons.features_NF[:, :6]
    assert len(stored) > 1000 and (stored[:, :4].min() > -5000) and (stored[:, 4:].max() < 5000)
    torch.testing.assert_close(lessons.chance_NK.sum(1), torch.ones(len(stored)).double())


def test_the_smaller_of_two_equals_is_chosen():
    small, large = torch.nn.Linear(2, 2), torch.nn.Linear(9, 9)
    near = [StudentCandidate("9", large, 0.30000, 1.0), StudentCandidate("2", small, 0.30001, 1.0)]
    assert chosen(near).hidden == "2"
    assert chosen([near[0], StudentCandidate("2", small, 0.31, 1.0)]).hidden == "9"


@pytest.mark.parametrize("word", ["", "16-", "a", "0", "16-999", "-4", "٣"])
def test_other_words_for_layers_are_refused(word):
    with pytest.raises(ValueError, match="joined by -"):
        layers_of(word)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"composite": {}}, "another origin"),
        ({"frames": 4}, "4 dates"),
        ({"scale": 10}, "10 pixels along"),
        ({"model": "student"}, "student already"),
    ],
)
def test_teachers_that_no_graph_can_follow_are_refused(changes, words, teacher, dataset, home, tmp_path):
    with pytest.raises(ValueError, match=words):
        _check_teacher(replace(load(teacher), **changes))


def test_a_folder_that_holds_something_is_refused(teacher, dataset, tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        to_earth_engine(teacher, dataset, out=tmp_path)


@pytest.mark.parametrize("missing", ["checkpoint", "data", "out"])
def test_what_has_no_default_is_asked_for(missing):
    options = {"checkpoint": "runs/a", "data": "data/a", "out": "ee"} | {missing: ""}
    with pytest.raises(ValueError, match="is missing"):
        to_earth_engine(options.pop("checkpoint"), options.pop("data") or (), **options)
