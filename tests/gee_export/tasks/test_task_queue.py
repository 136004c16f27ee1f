"""The queue of Export tasks: asked how full it is, never overfilled, and what its refusals mean."""

from __future__ import annotations

import ee
import httplib2
import pytest
from ee import _state
from google.auth.exceptions import RefreshError
from googleapiclient.errors import HttpError
from local_ee.limits import Limits

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine.handshake import Questions
from isamap.gee_export.requests.transport import PixelAddress
from isamap.gee_export.sentinel import scenes
from isamap.gee_export.tasks import export_task
from isamap.gee_export.tasks.task_queue import TaskQueue, pauses
from tests.gee_export.tasks.test_batch import assert_right, cells, serving, states, supply

pytestmark = pytest.mark.usefixtures("reconnected")


@pytest.mark.long
def test_the_queue_is_never_overfilled(tmp_path, monkeypatch):
    """docs/reference/wishes.md, "Wish 7": at most so many tasks wait; the rest stays here."""
    monkeypatch.setattr(export_task, "TASK_PX", 100)
    rule = {"on": "task", "kind": "delay", "seconds": 0.05}
    with serving(tmp_path / "home", rule) as (session, _):
        made = supply(session, tmp_path / "run")
        made.queue.most_waiting = 2
        most, look = [], made.queue.look

        def watched():
            found = look()
            most.append(sum(state.name == "PENDING" for state in found.values()))
            return found

        made.queue.look = watched
        assert assert_right(made(cells(100))) == 30
        assert made.counts["tasks"] == 30 and most and max(most) <= 2


@pytest.mark.long
def test_a_full_queue_is_waited_for(tmp_path, monkeypatch):
    """429 Too many tasks already in the queue: others may fill it too. The first two tasks hold up the others."""
    monkeypatch.setattr(export_task, "TASK_PX", 200)
    rule = {"on": "task", "kind": "delay", "seconds": 3, "nth": [1, 2]}
    with serving(tmp_path / "home", rule, limits=Limits(queued_tasks=1)) as (session, engine):
        assert assert_right(supply(session, tmp_path / "run")(cells(200))) == 9
        refused = [c for c in engine.injector.report()["calls"] if c["route"] == "export" and c["status"] == 429]
        assert refused and states(engine) == ["SUCCEEDED"] * 9


def test_a_name_that_is_taken_is_a_task_that_has_started(tmp_path, monkeypatch):
    """REST image:export: of requests with one requestId only one may start a task; 409 is Google's ALREADY_EXISTS."""
    with serving(tmp_path / "home") as (session, engine):
        original = ee.data.exportImage

        def twice(request, config):
            original(request, config)
            try:
                raise HttpError(httplib2.Response({"status": 409}), b"{}")
            except HttpError:
                raise ee.EEException("Already exists.")  # noqa: B904  (as the client does: implicit context)

        monkeypatch.setattr(ee.data, "exportImage", twice)
        assert assert_right(supply(session, tmp_path / "run")(cells())) == 4
        assert states(engine) == ["SUCCEEDED"]


def test_looking_at_tasks_leaves_pixels_their_time(session):
    """The client's deadline is the process's; computing may take five minutes (docs/reference/earth-engine.md, "Request
    limits").
    """
    session.activate()
    before = _state.get_state().deadline_ms
    ee.data.setDeadline(0)
    try:
        TaskQueue().look()
        assert PixelAddress.current().deadline_s >= 300
    finally:
        ee.data.setDeadline(before)


def test_pauses_grow_to_their_bound_and_end():
    assert list(pauses(1.0, 2.0, 8.0)) == [1.0, 1.5, 2.0, 2.0, 1.5]


@pytest.mark.long
@pytest.mark.parametrize("ask", [lambda: TaskQueue().look(), lambda: scenes.ask(ee.Number(1))])
def test_a_login_that_ends_in_the_middle_is_a_sentence(ask, monkeypatch, tmp_path):
    """The 7 days of a notebook's login, or a token that was withdrawn."""
    with serving(tmp_path):
        ended = RefreshError("invalid_grant: Token has been expired or revoked.")
        monkeypatch.setattr(Questions, "request", lambda *_, **__: (_ for _ in ()).throw(ended))
        with pytest.raises(Fault, match=r"no longer accepts the login of this machine.*authenticate --force"):
            ask()
