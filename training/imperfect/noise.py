"""Which training patches have labels that a model of the same data agrees with: LandCover3m's filter for imperfect
labels.

LandCover3m section 2.3: a preliminary model is trained on all chips, the share of pixels that it and the label call the
same is counted chip by chip, chips below 20 % are left out, and the model is trained again. The counts come from
training/imperfect/agreement.py and lie in a JSON file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import write_json
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import Patch

VERSION = 1
LEAST = 0.2  # LandCover3m section 2.3


@dataclass(frozen=True)
class Chip:
    """A training patch: its id, its files' checksums, its known pixels, and those of them called the same."""

    id: str
    image_crc32c: int
    label_crc32c: int
    known: int
    same: int

    def __post_init__(self) -> None:
        if not 0 <= self.same <= self.known:
            raise ValueError(f"chip {self.id}: {self.same} of {self.known} pixels agree, expected 0 to all of them")

    @property
    def similarity(self) -> float | None:
        """Share of known pixels that model and label call the same; None where nothing is known."""
        return self.same / self.known if self.known else None


@dataclass(frozen=True)
class Agreement:
    """Chips of the train split of `dataset` (a fingerprint), by the checkpoint of that fingerprint."""

    checkpoint: str
    dataset: str
    simulated: bool
    chips: tuple[Chip, ...]

    def below(self, least: float) -> int:
        """Chips that a filter at `least` leaves out."""
        return sum(not _kept(chip, least) for chip in self.chips)

    def histogram(self, bins: int = 10) -> np.ndarray:
        """Chips by similarity in equal steps of 0 to 1; the last step holds 1 itself."""
        similarities = [chip.similarity for chip in self.chips if chip.similarity is not None]
        return np.histogram(similarities, bins=bins, range=(0.0, 1.0))[0]

    def write(self, path: str | Path) -> None:
        """One JSON file, whole or not at all. Fault: it cannot be written."""
        write_json(Path(path), {"version": VERSION} | asdict(self))


def read(path: str | Path) -> Agreement:
    """The agreement of a file; ValueError where there is none or it is of another version, Fault where damaged."""
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{file}: no such file; make one with `isamap agreement`")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        version = values.pop("version")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{file} is not what `isamap agreement` writes: make it again") from error
    if version != VERSION:
        raise ValueError(f"{file} is of version {version}, this isamap reads {VERSION}: make it again")
    return _decoded(values, file)


def keeper(path: str | Path, least: float = LEAST) -> Callable[[Patch], bool]:
    """Whether a training patch stays: its similarity is `least` or more, or nothing in it is known.

    ValueError: the file leaves nothing over. The function raises one for a patch that the file does not name with
    this image and this label: data that were exported otherwise.
    """
    if not 0 <= least <= 1:
        raise ValueError(f"min_agreement={least:g}: expected a share of 0 to 1")
    agreement = read(path)
    if agreement.below(least) == len(agreement.chips):
        raise ValueError(f"{path}: no chip agrees with its label by {least:.0%} or more; lower min_agreement")
    stays = {(chip.id, chip.image_crc32c, chip.label_crc32c): _kept(chip, least) for chip in agreement.chips}

    def keep(patch: Patch) -> bool:
        key = (patch.id, patch.image_crc32c, patch.label_crc32c)
        if key not in stays:
            raise ValueError(
                f"{path} was made with other data: it does not name patch {patch.id} with this image and label; "
                "run `isamap agreement` with these data"
            )
        return stays[key]

    return keep


def described(path: str | Path, least: float = LEAST) -> str:
    """What a filter leaves out, in one sentence that is another one for another file or limit."""
    agreement = read(path)
    digest = hashlib.sha256(json.dumps(asdict(agreement)).encode()).hexdigest()[:16]
    return (
        f"chips: {agreement.below(least):,} of {len(agreement.chips):,} training patches left out, on which checkpoint "
        f"{agreement.checkpoint[:16]} and the label agree by less than {least:g} (agreement {digest})"
    )


def _kept(chip: Chip, least: float) -> bool:
    # A chip without a known pixel teaches nothing wrong, and no share says that it should go.
    return chip.similarity is None or chip.similarity >= least


def _decoded(values: dict[str, Any], file: Path) -> Agreement:
    try:
        chips = tuple(Chip(**chip) for chip in values.pop("chips"))
        return Agreement(**values, chips=chips)
    except (TypeError, KeyError, ValueError) as error:
        raise Fault(f"{file} is damaged ({error}): make it again with `isamap agreement`") from error
