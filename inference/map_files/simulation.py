"""What a map's simulated parts mean, in words: its input and its network are judged each by itself."""

from __future__ import annotations

from collections.abc import Mapping

INPUT, TRAINING = "input", "training"
NOTHING_REAL = "this map says nothing about the real place"
SIMULATED_TRAINING = (
    "the network learned from simulated images alone. Such networks do find built ground in the real images that were "
    "tried (docs/starter.md); only reference points of the place say how good this map is (isamap assess, isamap "
    "calibrate --points)"
)
# simulated parts -> what is said
SIMULATED = {
    (): "",
    (INPUT,): f"simulated input: {NOTHING_REAL}",
    (TRAINING,): f"simulated training: {SIMULATED_TRAINING}",
    (INPUT, TRAINING): f"simulated input and training: {NOTHING_REAL}",
}


def parts_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The simulated parts of a map by its tags; of one that does not name them, the input."""
    if tags.get("simulated") != "true":
        return ()
    parts = tuple(tags.get("simulated_parts", INPUT).split(", "))
    return parts if parts in SIMULATED else (INPUT,)


def sentence(tags: Mapping[str, str]) -> str:
    """What the simulated parts of a map mean; empty where none is."""
    return SIMULATED[parts_of(tags)]


def preface(tags: Mapping[str, str]) -> str:
    """What a map's description begins with, where its input or its network's training was simulated; else empty."""
    if shows_no_real_place(tags):
        return "SIMULATED, says nothing about the real place. "
    return "Of a network that learned from SIMULATED images. " if parts_of(tags) else ""


def shows_no_real_place(tags: Mapping[str, str]) -> bool:
    """Whether a map's input was simulated: a network that learned from simulated images still sees a real place."""
    return INPUT in parts_of(tags)
