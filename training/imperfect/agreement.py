"""`isamap.agreement`: how far a checkpoint and the labels of each training patch agree (LandCover3m section 2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import local_path
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.dataset import Patch
from isamap.training.accuracy.evaluation import classify, source_for
from isamap.training.accuracy.predictions import Predicted, predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.imperfect.noise import LEAST, Agreement, Chip
from isamap.training.samples.arguments import check_address, check_count, dataset_addresses
from isamap.training.samples.data import SampleSource

_BAR = 40


@dataclass(frozen=True)
class AgreementReport:
    """What `agreement` found and where it lies; prints a histogram and how many chips would go at 20 %."""

    path: Path
    found: Agreement

    def __str__(self) -> str:
        chips, gone = len(self.found.chips), self.found.below(LEAST)
        simulated = " The data are simulated." if self.found.simulated else ""
        return "\n".join(
            [
                f"share of known pixels that checkpoint {self.found.checkpoint[:16]} and the label call the same, "
                f"by training patch:{simulated}",
                *self._bars(),
                f"{gone:,} of {chips:,} patches lie below {LEAST:.0%}: "
                f"`isamap train --chips {self.path}` leaves them out (--set min_agreement={LEAST:g})",
            ]
        )

    def _bars(self) -> Iterator[str]:
        counts = self.found.histogram()
        for step, count in enumerate(counts.tolist()):
            bar = "#" * -(-count * _BAR // max(1, int(counts.max())))
            yield f"{step * 10:>3}-{step * 10 + 10:<3} % {count:>8,}  {bar}".rstrip()


def agreement(
    checkpoint: str | Path,
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    batch: int = 16,
    device: str = "auto",
    session: Any = None,
) -> AgreementReport:
    """Similarity of every training patch of the data, written to the JSON file `out` (for `isamap train --chips`).

    checkpoint: a preliminary model of the same data, trained on all of it. ValueError: bands that a dataset lacks, no
    training patches, one patch in two datasets. Fault: `out` cannot be written.
    """
    check_address("checkpoint", checkpoint, "runs/wuhan")
    check_address("out", out, "runs/chips.json")
    check_count("batch", batch)
    addresses = dataset_addresses(data)
    trained, target = ck.load(checkpoint, session), local_path(out)
    source = source_for(trained, addresses, session=session)
    patches = source.split("train")
    if not len(patches):
        raise ValueError("the train split is empty: give the data that the checkpoint was trained on")
    batches = predicted(trained, source, patches, batch=batch, device=device)
    chips = tuple(_chips(trained, _training(source), batches))
    report = AgreementReport(target, Agreement(trained.fingerprint, source.fingerprint, source.simulated, chips))
    report.found.write(target)
    return report


def _training(source: SampleSource) -> list[Patch]:
    patches = [patch for _, patch in source.patches("train")]
    if len({(patch.id, patch.image_crc32c, patch.label_crc32c) for patch in patches}) < len(patches):
        raise ValueError("the same patch is in two of the datasets: give each dataset once")
    return patches


def _chips(checkpoint: ck.Checkpoint, patches: Sequence[Patch], batches: Iterable[Predicted]) -> Iterator[Chip]:
    for batch in batches:
        labelled_BHW = batch.label_BHW != UNKNOWN
        same = classify(batch.probabilities_BKHW, checkpoint.thresholds["impervious"]) == batch.label_BHW  # never 255
        counts = zip(batch.patch_B, labelled_BHW.sum(axis=(1, 2)), same.sum(axis=(1, 2)), strict=True)
        for at, known_pixels, same_pixels in counts:
            patch = patches[at]
            yield Chip(patch.id, patch.image_crc32c, patch.label_crc32c, int(known_pixels), int(same_pixels))
