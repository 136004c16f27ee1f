"""How the trials of faults, of odd questions and of killed engines are counted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.reliability import fuzz, fuzzer
from benchmarks.reliability.graphs import question
from benchmarks.reliability.schedules import Schedule, outcome_of
from benchmarks.reliability.trials import Ending, Notebook
from benchmarks.reliability.writers import BUCKET, Writer, faults_of

DONE = Ending(0, 1.0, "")
ONE = Ending(1, 1.0, "error: Earth Engine still refuses after 3 attempts\n")
TWO = Ending(1, 1.0, "error: first\nerror: second\n")
TRACE = Ending(1, 1.0, "Traceback (most recent call last):\n")
SILENT = Ending(None, 400.0, "")


@pytest.mark.parametrize(
    ("first", "last", "unlike", "outcome"),
    [
        (DONE, DONE, [], "same bytes"),
        (DONE, DONE, ["a"], "wrong"),
        (ONE, DONE, [], "one sentence, then the same bytes"),
        (ONE, DONE, ["a"], "wrong"),
        (ONE, ONE, [], "stuck"),
        (TWO, DONE, [], "unclear words"),
        (TRACE, DONE, [], "traceback"),
        (SILENT, SILENT, [], "hang"),
        (ONE, SILENT, [], "hang"),
    ],
)
def test_an_outcome_is_named(first, last, unlike, outcome):
    assert outcome_of(first, last, unlike) == outcome


def test_schedules_follow_from_the_seed():
    drawn = [Schedule.draw(index, 1) for index in range(40)]
    assert drawn == [Schedule.draw(index, 1) for index in range(40)]
    assert drawn != [Schedule.draw(index, 2) for index in range(40)]
    assert all(schedule.strikes or schedule.rules for schedule in drawn)


@pytest.mark.parametrize(
    ("reply", "odd"),
    [
        ((200, b'{"result": 1}', "application/json"), []),
        ((200, b'{"result": NaN}', "application/json"), ["not JSON"]),
        ((200, b"\x93NUMPY", "application/octet-stream"), []),
        ((400, b'{"error": {"message": "Invalid type."}}', "application/json"), []),
        ((400, b"<html>", "text/html"), ["not JSON"]),
        ((503, b'{"error": {"message": "stopping"}}', "application/json"), ["status 5xx"]),
    ],
)
def test_a_reply_is_looked_at(reply, odd):
    assert fuzzer.findings(*reply) == (odd, "")


def test_an_internal_error_keeps_its_words():
    body = json.dumps({"error": {"message": f"{fuzzer.INTERNAL}: TypeError: no"}}).encode()
    assert fuzzer.findings(400, body, "application/json") == (["internal error"], "TypeError: no")


def test_questions_follow_from_number_and_seed():
    bodies = [question(index, 1).body for index in range(50)]
    assert bodies == [question(index, 1).body for index in range(50)]
    assert len(set(bodies)) == 50


DYING = """
import json, os, sys
for line in sys.stdin:
    first, stop = map(int, line.split())
    for number in range(first, stop):
        if number == 3:
            os._exit(1)
        print(json.dumps({"number": number, "odd": [], "seconds": 0, "words": ""}), flush=True)
    print(json.dumps({"rss_mb": 1.0}), flush=True)
"""


class DyingWorker(fuzz.Worker):
    """A worker whose process dies of question 3."""

    def _started(self) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", DYING], **pipes, text=True, bufsize=1, start_new_session=True)


def test_a_process_that_dies_is_counted_and_replaced(tmp_path):
    worker = DyingWorker(tmp_path, "worker", 1)
    answers = [(answer["number"], answer["odd"]) for answer in worker.answers(1, 6)]
    worker.close()
    assert answers == [(1, []), (2, []), (3, ["process died"]), (4, []), (5, [])]


def test_a_fuzz_goes_on_with_the_chunks_that_are_not_noted(tmp_path):
    notebook = Notebook(tmp_path / "fuzz.jsonl")
    notebook.add({"chunk": 1, "count": 1000})
    assert fuzz.chunks(notebook, 2500) == [0, 2]


def test_memory_is_that_of_the_second_and_of_the_last_tenth():
    assert fuzz.memory([{"rss_mb": 100.0 + index} for index in range(20)]) == "102 to 118"


def writer(**expected: set[str | None]) -> Writer:
    made = Writer.__new__(Writer)
    made.expected, made.ingested = expected, {"operation": "asset"}
    return made


def state(objects: dict[str, str], operation: str = "SUCCEEDED", assets: tuple[str, ...] = ("asset",)) -> dict:
    named = {f"gs://{BUCKET}/{name}": digest for name, digest in objects.items()}
    return {"objects": named, "assets": dict.fromkeys(assets, "1"), "operations": {"operation": operation}}


@pytest.mark.parametrize(
    ("engine_state", "wrong"),
    [
        (state({"a": "new"}), []),
        (state({}), [f"gs://{BUCKET}/a"]),
        (state({"a": "torn"}), [f"gs://{BUCKET}/a"]),
        (state({"a": "new", "b": "half"}), []),
        (state({"a": "new", "b": "torn"}), [f"gs://{BUCKET}/b"]),
        (state({"a": "new", "c": "stray"}), [f"gs://{BUCKET}/c"]),
        (state({"a": "new"}, "RUNNING"), ["operation is RUNNING for ever"]),
        (state({"a": "new"}, "SUCCEEDED", ()), ["asset is not there, its task succeeded"]),
        (state({"a": "new"}, "FAILED", ()), []),
        ({**state({"a": "new"}), "operations": {}}, ["operation is not there"]),
    ],
)
def test_what_an_engine_acknowledged_must_be_there(engine_state, wrong):
    assert faults_of([writer(a={"new"}, b={None, "half"})], engine_state) == wrong
