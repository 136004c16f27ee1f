"""The trials of benchmarks/reliability see what is wrong: changed bytes, commands that are stuck, lost writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.reliability import victim
from benchmarks.reliability.kills import Moment, Outcome, lines, trial
from benchmarks.reliability.trials import Ending, Notebook, Sitting, differences, digests, run, table

KILLED, ENDED = Ending(-9, 1.0, ""), Ending(0, 1.0, "")
FAILED = Ending(1, 1.0, "some words\nerror: the disk is full\n")
EXPECTED = {"a": "1", "b": "2"}


def outcome(*endings: Ending, outputs: dict[str, str] = EXPECTED, moments: int = 1) -> Outcome:
    coming = iter(endings)
    return trial(lambda moment: next(coming), lambda: outputs, [Moment(1.0)] * moments, expected=EXPECTED)


def test_a_changed_byte_is_a_difference(tmp_path):
    for name, content in (("x/a.bin", b"12345"), ("x/b.bin", b"1"), ("y/a.bin", b"12346"), ("y/b.bin", b"1")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert differences(digests(tmp_path / "x"), digests(tmp_path / "y")) == ["a.bin"]


def test_files_missing_and_too_many_are_differences():
    assert differences({"a": "1", "b": "2"}, {"b": "2", "c": "3"}) == ["a", "c"]


def test_folders_of_excluded_names_are_left_out(tmp_path):
    (tmp_path / "d" / ".run").mkdir(parents=True)
    (tmp_path / "d" / ".run" / "log").write_bytes(b"1")
    (tmp_path / "d" / "kept").write_bytes(b"1")
    assert list(digests(tmp_path, (".run",))) == ["d/kept"]


def test_measured_rates_are_no_difference_and_other_numbers_are(tmp_path):
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for file, rate, epochs in zip(files, (1.5, 2.5, 2.5), (2, 2, 3), strict=True):
        file.write_text(json.dumps({"samples_per_s": rate, "seconds": [rate, 1e-5], "epochs": epochs}, indent=1))
    first, second, third = (digests(file)[file.name] for file in files)
    assert first == second != third


def test_a_trial_that_leaves_other_bytes_is_wrong():
    assert outcome(KILLED, ENDED, outputs={"a": "1", "b": "changed"}) == Outcome(hits=1, wrong=("b",))


def test_a_trial_that_leaves_the_same_bytes_is_right():
    assert outcome(KILLED, ENDED) == Outcome(hits=1)


def test_a_temporary_file_is_left_and_not_wrong():
    left = outcome(KILLED, ENDED, outputs={**EXPECTED, "best/.last.17.tmp/weights": "3"})
    assert left == Outcome(hits=1, left=("best/.last.17.tmp/weights",))


def test_a_kill_after_the_end_is_no_hit():
    assert outcome(ENDED, KILLED, ENDED, moments=2).hits == 1


def test_workers_that_are_killed_are_hits():
    assert outcome(KILLED, Ending(0, 1.0, f"{victim.WORKER_KILLED}\n" * 2)).hits == 3


ENDS = """
import sys
sys.path.insert(0, sys.argv[1])
import victim
victim.__file__, victim.LATER_S = sys.argv[2], 0.0
print(victim.at_once([["0"], sys.argv[3:]]))
"""
ONE = (
    "import sys; print('error: no', file=sys.stderr); [print(word, file=sys.stderr) for word in sys.argv[2:]]; "
    "sys.exit(int(sys.argv[1]))"
)


@pytest.mark.parametrize(
    ("words", "status"), [(["2"], "0"), (["1"], "0"), (["3"], "1"), (["2", "error: also"], "1"), (["0"], "0")]
)
def test_beside_a_command_that_ends_well_another_may_be_refused_in_one_sentence(tmp_path, words, status):
    (tmp_path / "ends.py").write_text(ONE, encoding="utf-8")
    folder = str(Path(victim.__file__).parent)
    program = [sys.executable, "-c", ENDS, folder, str(tmp_path / "ends.py"), *words]
    ending = subprocess.run(program, capture_output=True, text=True, check=True)
    assert ending.stdout.split()[-1] == status


def test_a_command_that_fails_once_and_then_ends_is_not_stuck():
    assert outcome(KILLED, FAILED, ENDED).stuck == ""


def test_a_command_that_never_ends_well_is_stuck_with_its_words():
    assert outcome(KILLED, FAILED, FAILED, FAILED).stuck == "error: the disk is full"


def test_a_traceback_is_counted():
    shown = Ending(1, 1.0, "Traceback (most recent call last):\n  ...\n")
    assert outcome(KILLED, shown, ENDED).traceback and not outcome(KILLED, ENDED).traceback


def test_an_output_that_cannot_be_read_is_stuck():
    def unreadable() -> dict[str, str]:
        raise RuntimeError("the state cannot be read")

    ending = trial(lambda moment: ENDED, unreadable, [], expected=EXPECTED)
    assert ending.stuck == "the state cannot be read"


def test_wrong_bytes_and_stuck_commands_are_counted_in_the_table(tmp_path):
    sitting = Sitting(tmp_path)
    notebook = sitting.notebook("kills")
    bad = outcome(KILLED, ENDED, outputs={"a": "1"}), outcome(KILLED, FAILED, FAILED, FAILED), outcome(KILLED, ENDED)
    for index, ending in enumerate(bad):
        notebook.add({"scenario": "map", "mode": "kill", "trial": index, **asdict(ending)})
    assert lines(sitting, "kill") == [("map", 3, 3, 1, 1, 0, 0, 0)]
    assert lines(sitting, "power cut") == []


@pytest.mark.long
def test_a_process_is_killed_at_its_time(tmp_path):
    words = ["-c", "import time; print('begun', flush=True); time.sleep(600)"]
    ending = run(words, tmp_path / "log", os.environ, limit_s=60, kill_after_s=2.0)
    assert ending.killed


def test_a_process_beyond_the_limit_has_no_status(tmp_path):
    assert run(["-c", "import time; time.sleep(600)"], tmp_path / "log", os.environ, limit_s=0.5).status is None


def test_the_notebook_goes_on_after_a_line_that_was_cut_short(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b'{"trial": 1}\n{"tri')
    Notebook(path).add({"trial": 2})
    assert [row["trial"] for row in Notebook(path).rows] == [1, 2]


def test_a_table_is_markdown():
    assert table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


POWER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from victim import PowerCut
PowerCut(2, 0.5).install()
for name in ("first", "second"):
    with open(name + ".part", "wb") as file:
        file.write(b"12345678")
        file.flush()
        {sync}
    os.replace(name + ".part", name)
"""


@pytest.mark.parametrize(("sync", "kept"), [("", b"1234"), ("os.fsync(file.fileno())", b"12345678")])
def test_a_power_cut_tears_the_file_just_renamed_unless_it_was_synced(tmp_path, sync, kept):
    program = POWER.replace("{sync}", sync)
    folder = str(Path(victim.__file__).parent)
    ending = subprocess.run([sys.executable, "-c", program, folder], cwd=tmp_path)
    assert ending.returncode == -9
    assert ((tmp_path / "first").read_bytes(), (tmp_path / "second").read_bytes()) == (b"12345678", kept)
