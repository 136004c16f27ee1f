"""Files of a run that a power cut emptied or halved, as where nothing was synced: the same command goes on."""

from __future__ import annotations

import json

import pytest

from isamap.gee_export.datasets.progress_log import HEAD, ProgressLog, run_folder
from isamap.gee_export.export.export import export_patches
from tests.gee_export.export.test_power_exports import ASKED, contents

pytestmark = pytest.mark.usefixtures("small_requests")


@pytest.fixture(scope="module")
def whole(plot_session, tmp_path_factory):
    """The files of an export that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "data"
    export_patches(**ASKED, out=out, session=plot_session)
    return contents(out)


@pytest.fixture
def stopped(plot_session, tmp_path):
    """An export that was stopped before its manifest; and the command again."""
    out = tmp_path / "data"
    export_patches(**ASKED, out=out, session=plot_session)
    (out / "manifest.json").unlink()
    return out


@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_head_that_cannot_be_read_is_written_again(stopped, whole, plot_session, share):
    head = run_folder(stopped) / HEAD
    data = head.read_bytes()
    head.write_bytes(data[: int(len(data) * share)])
    export_patches(**ASKED, out=stopped, session=plot_session)
    assert contents(stopped) == whole and head.read_bytes() == data


@pytest.mark.long
def test_work_whose_head_cannot_be_read_is_never_taken_for_that_of_other_settings(stopped, plot_session, tmp_path):
    """Its patches hold other bands here."""
    others = ASKED | {"bands": ["B2"]}
    export_patches(**others, out=tmp_path / "other", session=plot_session)
    (run_folder(stopped) / HEAD).write_bytes(b"")
    export_patches(**others, out=stopped, session=plot_session)
    assert contents(stopped) == contents(tmp_path / "other")


@pytest.mark.long
def test_a_ledger_that_cannot_be_read_is_begun_again(stopped, whole, plot_session):
    progress_log = run_folder(stopped) / "ledger.jsonl"
    progress_log.write_bytes(bytes(progress_log.stat().st_size))
    export_patches(**ASKED, out=stopped, session=plot_session)
    assert contents(stopped) == whole


def test_a_revision_that_cannot_be_read_is_no_other_revision(tmp_path):
    tmp_path.joinpath("revision").write_bytes(b"")
    assert ProgressLog(tmp_path).note_revision("1") is None


@pytest.mark.long
def test_a_head_of_another_version_is_a_fault_and_stays(stopped, plot_session):
    head = run_folder(stopped) / HEAD
    head.write_text(json.dumps(json.loads(head.read_text()) | {"version": 99}))
    with pytest.raises(Exception, match="version 99"):
        export_patches(**ASKED, out=stopped, session=plot_session)
    assert json.loads(head.read_text())["version"] == 99


@pytest.mark.long
def test_a_ledger_without_its_end_is_gone_on_with(stopped, whole, plot_session):
    progress_log = run_folder(stopped) / "ledger.jsonl"
    progress_log.write_bytes(progress_log.read_bytes()[:-40])
    export_patches(**ASKED, out=stopped, session=plot_session)
    assert contents(stopped) == whole
