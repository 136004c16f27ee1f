"""A whole proof against the local engine: its report, its budget, what it leaves behind, and its comparison offline."""

from __future__ import annotations

import json
from types import SimpleNamespace

import ee
import pytest
from google.auth.exceptions import RefreshError

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience, Refused, persist
from isamap.gee_export.earth_engine import session as session_module
from isamap.gee_export.earth_engine.session import connect
from isamap.inference.prove import place, run
from isamap.inference.prove.place import JOURNAL, NAME, NotHere, ProofPlace
from isamap.inference.prove.probe import CONFIRMED, MEASURED, REFUTED, UNTRIED, Probe, agrees, judged
from isamap.inference.prove.record import ANSWERS, PAGE, Proof
from isamap.inference.prove.run import EXACT, EXCHANGES, LOCAL_BUCKET, prove, replay
from isamap.inference.prove.steps import STEPS, TITLES, eecu_hours

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture(scope="module")
def proof(engine_home, tmp_path_factory) -> Proof:
    """The steps that do not read the world."""
    return prove(out=tmp_path_factory.mktemp("proof"), steps=EXACT)


def objects() -> list[str]:
    return [blob.name for blob in connect(None).storage_client().list_blobs(LOCAL_BUCKET)]


def names_of_assets() -> list[str]:
    return [asset["name"] for asset in ee.data.listAssets("projects/local/assets")["assets"]]


@pytest.mark.long
def test_nothing_is_left_behind(proof):
    assert objects() == [] and f"projects/local/assets/{NAME}" not in names_of_assets()
    assert not (proof.folder / JOURNAL).exists()


@pytest.mark.long
def test_every_request_is_recorded_with_its_probe_and_no_secret(proof, session):
    """Of the client, of isamap's own requests for pixels, and of Cloud Storage."""
    text = (proof.folder / EXCHANGES).read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    requests = {(row["path"].rpartition("/")[2], row["of"]) for row in rows}
    assert {("image:export", "exports.twice"), ("image:computePixels", "assets.pyramid")} <= requests
    assert ("value:compute", "constants.variance") in requests
    assert any(row["path"].startswith("/storage/v1/b/") and row["of"] == "exports.file" for row in rows)
    assert any(row["status"] == 400 and "did not match any bands" in row["received"] for row in rows)
    assert session.token and session.token not in text and "authorization" not in text.lower()


@pytest.mark.long
def test_what_a_killed_run_left_is_removed_first(proof, tmp_path):
    connect(None).storage_client().bucket(LOCAL_BUCKET).blob(f"{NAME}/left.tif").upload_from_string(b"1")
    ee.data.createFolder(f"projects/local/assets/{NAME}")
    ee.data.createFolder(f"projects/local/assets/{NAME}/below")
    assert prove(out=tmp_path, steps=("rights",)).ok
    assert objects() == [] and f"projects/local/assets/{NAME}" not in names_of_assets()


@pytest.mark.long
def test_what_cannot_be_removed_is_listed_and_no_success(tmp_path, monkeypatch, capsys):
    """A network that dies while it is cleaned up: names were written down before anything was made."""
    tidy, calls = ProofPlace._remove_objects, []

    def dead(self):
        calls.append(1)
        if len(calls) == 1:
            return tidy(self)
        raise ConnectionError("no route")

    monkeypatch.setattr(ProofPlace, "_remove_objects", dead)
    proof = prove(out=tmp_path, steps=("exports",))
    assert not proof.ok and any("objects isamap_prove/twice (not looked at: no route)" in name for name in proof.left)
    assert "left behind" in capsys.readouterr().err and "Left behind" in (tmp_path / PAGE).read_text("utf-8")
    assert "isamap_prove/twice" in (tmp_path / JOURNAL).read_text()
    monkeypatch.undo()
    assert prove(out=tmp_path, steps=("rights",)).ok and objects() == []


def test_a_fault_in_the_middle_keeps_the_verdicts_and_cleans_up(tmp_path, monkeypatch):
    def broken(place):
        place.asset("half")
        raise KeyboardInterrupt

    stopped = Probe("constants.broken", "no", broken)
    monkeypatch.setattr(run, "_chosen", lambda steps: {"constants": (*STEPS["constants"][:2], stopped)})
    with pytest.raises(KeyboardInterrupt):
        prove(out=tmp_path)
    assert [verdict.status for verdict in Proof.read(tmp_path).verdicts] == [CONFIRMED, CONFIRMED]
    assert f"projects/local/assets/{NAME}" not in names_of_assets()


def test_a_step_beyond_the_budget_is_not_tried(tmp_path, monkeypatch):
    session = SimpleNamespace(is_local=False)
    steps = []
    monkeypatch.setattr(run, "judged", lambda probe, place: steps.append(probe.step) or judged_nothing(probe))
    monkeypatch.setattr(run, "set_tag", lambda tag: None)
    verdicts = list(run._verdicts(ProofPlace(session, None, tmp_path), STEPS, eecu_hours("rights") + 1e-4))
    assert set(steps) == {"rights"}
    late = [verdict for verdict in verdicts if verdict.name.startswith("cost.")]
    assert {verdict.status for verdict in late} == {UNTRIED} and "would not suffice" in late[0].words


def judged_nothing(probe):
    return judged(Probe(probe.name, "", lambda place: 1), None)


def test_the_whole_of_it_stays_below_the_default_budget():
    """0.6 EECU-hours of a month's 150 were planned; the bound of all steps is what a default run may spend."""
    assert sum(map(eecu_hours, STEPS)) < run.BUDGET_HOURS


def test_what_may_pass_is_no_answer_and_a_refusal_is_one():
    def quota(place):
        raise ee.EEException("Quota exceeded for quota metric") from Refused(429, "Quota exceeded")

    def refused(place):
        raise ee.EEException("Image.select: Band pattern 'x' did not match any bands.")

    def absent(place):
        raise NotHere("no --bucket was given")

    def patience_ended(place):
        persist(lambda: quota(place), Patience(attempts=1))

    def no_network(place):
        raise Fault("no route") from ConnectionError("no route")

    def login_ended(place):
        raise Fault("the login ended") from RefreshError("invalid_grant")

    def will_not(place):
        raise Fault("Earth Engine will not export it") from ee.EEException("Invalid argument.")

    answers = {refused: REFUTED, will_not: REFUTED}
    passing = dict.fromkeys((quota, absent, patience_ended, no_network, login_ended), UNTRIED)
    for ask, status in {**answers, **passing}.items():
        assert judged(Probe("a.b", "", ask, 1), None).status == status, ask


def test_what_was_to_be_measured_and_is_refused_was_not_measured():
    def refused(place):
        raise ValueError("date '2019-06': expected YYYY-MM-DD")

    assert judged(Probe("a.b", "", lambda place: 3), None).status == MEASURED
    assert judged(Probe("a.b", "", refused), None).status == UNTRIED


def test_a_login_that_ends_before_the_costs_are_read_hides_nothing_that_is_left(tmp_path, monkeypatch):
    """The costs are asked for after the end, of another of Google's services."""

    def ended(session, since, tags):
        assert "Left behind" in (tmp_path / PAGE).read_text("utf-8")
        raise RefreshError("invalid_grant")

    removed = ProofPlace._remove_assets
    looks = iter([[], ["projects/local/assets/isamap_prove/x"]])
    monkeypatch.setattr(ProofPlace, "_remove_assets", lambda self: [*removed(self), *next(looks)])
    monkeypatch.setattr(run, "counted", ended)
    with pytest.raises(RefreshError):
        prove(out=tmp_path, steps=("rights",))


def test_a_task_that_does_not_end_is_listed(tmp_path, monkeypatch):
    operation = {"name": "projects/p/operations/1", "metadata": {"description": f"{NAME}-x", "state": "RUNNING"}}
    monkeypatch.setattr(ee.data, "listOperations", lambda: [operation])
    monkeypatch.setattr(ee.data, "cancelOperation", lambda name: None)
    monkeypatch.setattr(ee.data, "getOperation", lambda name: operation)
    monkeypatch.setattr(place, "CANCEL_S", 0.1)
    left = ProofPlace(SimpleNamespace(is_local=True, project="p"), None, tmp_path)._cancel_tasks()
    assert left == ["task projects/p/operations/1"]


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        (1.0000001, 1, True),
        (2, 1, False),
        (True, 1, False),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"b": 2}, {"a": 1}, False),
        ([1, "masked"], [1, "masked"], True),
        ([1], [1, 2], False),
        ("masked", 0, False),
    ],
)
def test_answers_are_compared_as_json(answer, expected, same):
    assert agrees(answer, expected) is same


@pytest.mark.long
def test_a_proof_replayed_on_the_engine_that_gave_it_is_the_same(proof):
    assert replay(proof.folder).ok


@pytest.mark.long
def test_a_recorded_answer_that_is_another_is_found_with_both(proof, tmp_path):
    document = json.loads((proof.folder / ANSWERS).read_bytes())
    row = next(each for each in document["verdicts"] if each["name"] == "constants.variance")
    row["answer"] = 1.6666667
    (tmp_path / ANSWERS).write_text(json.dumps(document))
    replayed = replay(tmp_path)
    assert replayed.unlike == (("constants.variance", 1.6666667, 1.25),)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1, "verdicts": [{"x": 1}]}'])
def test_a_damaged_file_of_answers_is_a_sentence(tmp_path, content):
    (tmp_path / ANSWERS).write_text(content)
    with pytest.raises(ValueError, match=r"answers\.json holds no answers of `isamap prove`"):
        replay(tmp_path)


def test_mistakes_are_sentences(tmp_path, capsys):
    assert isamap.main(["prove", "--steps", "nothing", "--out", str(tmp_path)]) == 2
    assert "expected some of rights, constants" in capsys.readouterr().err
    assert isamap.main(["prove", "--bucket", "b", "--out", str(tmp_path)]) == 2
    assert isamap.main(["prove", "--replay", str(tmp_path), "--project", "my-project"]) == 2


@pytest.mark.parametrize("command", ["check", "prove"])
@pytest.mark.parametrize("bucket", ["/data/out", "data/out", "gs://maps", "C:\\maps", ""])
def test_a_folder_where_a_bucket_is_expected_is_a_sentence_before_anything_is_asked(
    command, bucket, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session_module, "connect", lambda *given, **named: pytest.fail("asked"))
    assert isamap.main([command, "--project", "my-project", "--bucket", bucket]) == 2
    told = capsys.readouterr().err.strip()
    assert f"--bucket {bucket!r}: expected the name alone of a Cloud Storage bucket" in told and "\n" not in told
    assert not list(tmp_path.iterdir())


def test_an_earlier_run_that_cannot_be_removed_stops_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(ProofPlace, "_remove_assets", lambda self: ["projects/local/assets/isamap_prove/x"])
    with pytest.raises(Fault, match="isamap_prove/x, and it cannot be removed"):
        prove(out=tmp_path, steps=("rights",))


def test_every_probe_has_a_name_of_its_own_in_its_step():
    names = [probe.name for step in STEPS.values() for probe in step]
    assert len(set(names)) == len(names)
    assert all(probe.name.startswith(f"{step}.") for step, some in STEPS.items() for probe in some)
    assert TITLES.keys() == STEPS.keys()


@pytest.mark.long
def test_the_whole_proof_holds_on_the_local_engine(tmp_path):
    """Three to five minutes on two cores: every setting of composites, a year of a block, tiles."""
    proof = prove(out=tmp_path)
    assert proof.ok and proof.count(CONFIRMED) > 40, str(proof)
    measured = {verdict.name for verdict in proof.verdicts if verdict.status == MEASURED}
    assert measured >= {probe.name for probe in STEPS["cost"] if probe.expected is None}
    assert {verdict.page for verdict in proof.verdicts if verdict.status == UNTRIED} <= {"labels"}
