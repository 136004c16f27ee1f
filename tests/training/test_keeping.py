"""Which epoch a run keeps and when it gives up, from scores alone: no network is trained here."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.training.accuracy.metrics import scores
from isamap.training.accuracy.uncalled import uncalled_note, validation_notes
from isamap.training.fitting.keeping import Records

CONSTANT = np.array([[900, 0], [100, 0]])  # pervious everywhere
FAIR, GOOD = np.array([[880, 20], [60, 40]]), np.array([[890, 10], [20, 80]])


def records(*epochs: tuple[np.ndarray, float]) -> Records:
    """The records of a run whose epochs had these confusion counts and validation losses."""
    noted = Records(plan=None)  # type: ignore[arg-type]
    for confusion, loss in epochs:
        noted.note(0.0, loss, scores(confusion))
    return noted


def test_among_equal_epochs_the_lowest_validation_loss_is_kept():
    assert records((CONSTANT, 0.177), (CONSTANT, 0.136), (CONSTANT, 0.150)).best_epoch == 2


def test_a_higher_miou_wins_over_a_lower_loss():
    assert records((CONSTANT, 0.1), (GOOD, 0.3), (FAIR, 0.05)).best_epoch == 2


def test_a_run_goes_on_while_the_loss_falls_and_a_class_has_no_pixel_yet():
    falling = [(CONSTANT, 0.5 - 0.01 * epoch) for epoch in range(12)]
    assert not records(*falling).has_stalled(2)


def test_a_class_that_was_lost_again_is_waited_for_while_the_loss_falls():
    """A first epoch of chance hits has the best MIoU; afterwards no pixel is called impervious for a while."""
    by_chance, falling = np.array([[880, 20], [95, 5]]), [(CONSTANT, 0.4 - 0.01 * epoch) for epoch in range(12)]
    noted = records((by_chance, 0.5), *falling)
    assert noted.best_epoch == 1 and not noted.has_stalled(2)


def test_a_loss_that_falls_is_no_progress_once_every_class_is_called():
    worse = [(FAIR, 0.4 - 0.01 * epoch) for epoch in range(3)]
    assert records((GOOD, 0.5), *worse).has_stalled(3)


def test_a_constant_map_whose_loss_does_not_fall_ends_the_run():
    assert records((CONSTANT, 0.3), (CONSTANT, 0.3), (CONSTANT, 0.31)).has_stalled(2)


def test_a_resumed_run_counts_its_patience_from_where_it_was():
    noted = records((CONSTANT, 0.3), (CONSTANT, 0.2), (CONSTANT, 0.25))
    resumed = Records(plan=None)  # type: ignore[arg-type]
    resumed.restore(noted.to_state())
    assert (resumed.best_epoch, resumed.advanced_epoch, resumed.has_stalled(1)) == (2, 2, True)


def test_a_network_that_says_one_class_everywhere_is_told_with_the_remedy():
    note = uncalled_note(CONSTANT, ("pervious", "impervious"))
    assert note is not None
    assert note.startswith(
        "the network calls no pixel impervious, though 10.0 % of the known labels are".replace(" %", "%")
    )
    assert "pervious everywhere" in note and "epochs" in note and "isamap calibrate" in note


@pytest.mark.parametrize("confusion", [FAIR, np.array([[900, 0], [0, 0]])])
def test_nothing_is_told_where_every_labelled_class_is_called(confusion):
    assert uncalled_note(confusion, ("pervious", "impervious")) is None


def test_validation_labels_of_one_class_are_told():
    (note,) = validation_notes(np.array([[0, 0], [3, 7]]), ("pervious", "impervious"))
    assert "validation labels hold impervious only" in note and "--split random" in note
