"""Recorded answers: which questions are the same, what a file keeps, and where the local engine drifts from it."""

from __future__ import annotations

import io
import json

import ee
import numpy as np
import pytest

from local_ee.__main__ import main
from local_ee.testing.answers import Answer, Answers, Question, graph_hash
from local_ee.testing.drift import difference

JSON = "application/json"
ADD = {"functionName": "Number.add", "arguments": {"left": {"constantValue": 1}, "right": {"constantValue": 2}}}
INLINE = {"result": "0", "values": {"0": {"functionInvocationValue": ADD}}}
REFERRING = {
    "result": "sum",
    "values": {
        "one": {"constantValue": 1},
        "sum": {
            "functionInvocationValue": {
                "functionName": "Number.add",
                "arguments": {"right": {"constantValue": 2}, "left": {"valueReference": "one"}},
            }
        },
    },
}


def question(body: dict, path: str = "/v1/projects/mine/value:compute") -> Question:
    return Question.of("POST", path, json.dumps(body).encode())


def test_equal_graphs_have_one_hash_whatever_their_nodes_are_called():
    assert graph_hash(INLINE) == graph_hash(REFERRING)


def test_another_constant_is_another_graph():
    other = json.loads(json.dumps(REFERRING).replace('"constantValue": 1', '"constantValue": 3'))
    assert graph_hash(other) != graph_hash(REFERRING)


def test_swapped_arguments_are_another_graph():
    swapped = json.loads(json.dumps(INLINE).replace("left", "L").replace("right", "left").replace("L", "right"))
    assert graph_hash(swapped) != graph_hash(INLINE)


def test_a_graph_that_refers_to_itself_has_a_hash_too():
    assert graph_hash({"result": "0", "values": {"0": {"valueReference": "0"}}})


def test_project_version_request_id_and_tag_do_not_matter():
    other = Question.of(
        "POST",
        "/v1alpha/projects/yours/value:compute?key=SECRET&alt=json",
        json.dumps({"expression": REFERRING, "requestId": "7", "workloadTag": "mine"}).encode(),
    )
    assert other.key == question({"expression": INLINE}).key and "SECRET" not in str(vars(other))


def test_assets_of_two_projects_are_two_questions():
    keys = {Question.of("GET", f"/v1/projects/{project}/assets/dem", b"").key for project in ("mine", "yours")}
    assert len(keys) == 2


def test_answers_come_again_in_their_order_after_a_file(tmp_path):
    answers = Answers()
    for text in (b'{"done": false}', b'{"done": true}', b'{"done": true}'):
        answers.add(question({"a": 1}), Answer(200, JSON, text))
    answers.add(question({"b": 1}), Answer(200, "image/png", b"\x89PNG"))
    answers.write(tmp_path / "answers.json")
    read = Answers.read(tmp_path / "answers.json")
    turns = [read.next(question({"a": 1})).document["done"] for _ in range(3)]
    assert turns == [False, True, True] and read.next(question({"b": 1})).content == b"\x89PNG"


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "answers": []}', '{"format": 1, "answers": [{}]}'])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "answers.json").write_text(text)
    with pytest.raises(ValueError, match="is no file of recorded answers"):
        Answers.read(tmp_path / "answers.json")


def npy(values: list[float]) -> Answer:
    file = io.BytesIO()
    np.save(file, np.array(values, "float32"))
    return Answer(200, "application/octet-stream", file.getvalue())


def said(value: object, status: int = 200) -> Answer:
    return Answer(status, JSON, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("recorded", "local", "words"),
    [
        (said({"result": 1.0}), said({"result": 1}), None),
        (said({"result": 0.1 + 0.2}), said({"result": 0.3}), None),
        (said({"result": [1, 2]}), said({"result": [1, 3]}), "recorded"),
        (said({"result": True}), said({"result": 1}), "recorded"),
        (said({"error": {"message": "No."}}, 400), said({"error": {"message": "No.", "code": 400}}, 400), None),
        (said({"error": {"message": "No."}}, 400), said({"error": {"message": "Not."}}, 400), "Not."),
        (said({"result": 1}), said({"error": {"message": "No."}}, 400), "No."),
        (npy([1, np.nan]), npy([1, np.nan]), None),
        (npy([1, 2, 3]), npy([1, 2.5, 3]), "1 of 3 pixels differ, by up to 0.5"),
    ],
)
def test_answers_differ_where_their_values_do(recorded, local, words):
    differing = difference(recorded, local)
    assert differing is None if words is None else words in differing


@pytest.mark.local_ee(catalog={})
def test_whoever_has_an_account_records_a_list_of_graphs_and_compares_it(tmp_path, capsys, local_ee):
    graphs, file = tmp_path / "graphs.json", tmp_path / "answers.json"
    three, absent = ee.Number(1).add(2), ee.Image("ABSENT/IMAGE")
    encoded = {name: ee.serializer.encode(each) for name, each in {"three": three, "absent": absent}.items()}
    graphs.write_text(json.dumps(encoded))
    assert main(["record", str(graphs), str(file), "--url", local_ee.url]) == 0
    assert sorted(answer.status < 400 for _, answer in Answers.read(file)) == [False, True]
    document = json.loads(file.read_text())
    for entry in document["answers"]:
        entry["answers"][0]["text"] = (
            entry["answers"][0]["text"].replace("3", "4")
            if "Number.add" in str(entry)
            else (entry["answers"][0]["text"])
        )
    file.write_text(json.dumps(document))
    (tmp_path / "catalog" / "MINE").mkdir(parents=True)
    (tmp_path / "catalog" / "MINE" / "TABLE.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert main(["compare", str(file), "--catalog", str(tmp_path / "catalog")]) == 1
    assert "1 of 2 recorded answers differ from the local engine's" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["7", '{"a": 1}', "{"])
def test_a_list_of_something_else_is_the_users_mistake(tmp_path, capsys, text):
    (tmp_path / "graphs.json").write_text(text)
    assert main(["record", str(tmp_path / "graphs.json"), str(tmp_path / "a.json"), "--url", "http://127.0.0.1:1"]) == 2
    assert "graphs.json" in capsys.readouterr().err
