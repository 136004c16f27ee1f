"""The sentence about a network that never calls a class that the labels have: its maps look finished and are empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isamap.training.accuracy.metrics import scores

REMEDY = "train more epochs (--set epochs=N) on data with more of it, or choose another threshold (`isamap calibrate`)"


# A map of one class looks finished; the scores alone (a high OA where ground is mostly pervious) do not give it away.
def uncalled_note(confusion: np.ndarray, classes: Sequence[str]) -> str | None:
    """What to do about classes that the reference (rows) has and no pixel was called (columns); None without such."""
    if not (uncalled := scores(confusion).uncalled):
        return None
    share = confusion[list(uncalled)].sum() / confusion.sum()
    called = [name for at, name in enumerate(classes) if confusion[:, at].any()]
    everywhere = f", it says {called[0]} everywhere" if len(called) == 1 else ""
    names = " or ".join(classes[at] for at in uncalled)
    return f"the network calls no pixel {names}, though {share:.1%} of the known labels are{everywhere}: {REMEDY}"


def validation_notes(confusion: np.ndarray, classes: Sequence[str]) -> tuple[str, ...]:
    """What is wrong with the validation that chose a run's best epoch: a class never called, labels of one class."""
    notes = [] if (note := uncalled_note(confusion, classes)) is None else [f"warning: {note}"]
    present = [name for name, count in zip(classes, confusion.sum(axis=1), strict=True) if count]
    if len(present) == 1:
        notes.append(
            f"warning: the validation labels hold {present[0]} only, so they cannot tell a good epoch from a bad one: "
            "export with --split random, another --seed or more validation (--ratios 6 2 2)"
        )
    return tuple(notes)
