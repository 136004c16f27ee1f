"""`isamap.training.ensemble`: several checkpoints as one, whose probability is the mean of theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.training.checkpoints import checkpoint as ck

# what all members must agree in, and the words for it
EQUAL = {
    "bands": "bands or their standardisation",
    "classes": "classes",
    "scale": "output pixels",
    "frames": "dates",
    "target": "what they learned",
    "composite": "settings of the composite",
    "backscatter": "backscatter",
}


@dataclass(frozen=True)
class EnsembleReport:
    """The ensemble's folder and its members: location and fingerprint."""

    folder: Path
    members: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"ensemble of {len(self.members)}: the mean of their probabilities"]
        return "\n".join([*lines, *(f"  {name} ({digest[:12]})" for name, digest in self.members),
                          f"checkpoint: {self.folder}"])  # fmt: skip


def ensemble(checkpoints: Sequence[str | Path], out: str | Path, *, session: Any = None) -> EnsembleReport:
    """Write checkpoints as one that maps by the mean of their probabilities; weights are copied into it.

    Members may have learned from windows of different sizes: maps take the largest, which every member can halve.

    Its threshold of impervious is the mean of theirs; those of other steps are to be calibrated again.
    ValueError: fewer than two, the same one twice, members that differ in bands, standardisation, classes or
    composite, classifiers of pixels, `out` is taken.
    """
    folder, members = local_path(out), [ck.load(address, session) for address in checkpoints]
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: choose another --out")
    check_writable(folder / ck.DESCRIPTION)
    _check(members, [str(address) for address in checkpoints])
    ck.save(*_joined(members), folder)
    names = [(str(address), member.fingerprint) for address, member in zip(checkpoints, members, strict=True)]
    return EnsembleReport(folder, tuple(names))


def members_of(checkpoint: ck.Checkpoint) -> tuple[str, ...]:
    """Fingerprints of an ensemble's members; none for any other checkpoint."""
    return tuple(checkpoint.origin.get("members", ()))


def _joined(members: Sequence[ck.Checkpoint]) -> tuple[ck.Checkpoint, Any]:
    from isamap.training.models import ENSEMBLE, build

    first, (window, lattice) = members[0], _windows(members)
    config = {
        "members": [{"model": member.model, "config": dict(member.config)} for member in members],
        "window": window,
        "lattice": lattice,
    }
    network = build(ENSEMBLE, first.band_names, config).eval()
    for module, member in zip(network.members, members, strict=True):  # type: ignore[arg-type]
        module.load_state_dict(member.build().state_dict())
    facts = {name: getattr(first, name) for name in ("classes", "composite", "backscatter", "frames", "target")}
    threshold = fmean(float(member.thresholds.get("impervious", 0.5)) for member in members)
    described = ck.of_network(
        network,
        ENSEMBLE,
        first.bands,
        thresholds={"impervious": threshold},
        simulated=any(member.simulated for member in members),
        dataset=dict(first.dataset),
        recipe={},
        origin={"members": [member.fingerprint for member in members]},
        revision=first.revision,
        **facts,
    )
    return described, network


def _windows(members: Sequence[ck.Checkpoint]) -> tuple[int, int]:
    """Side and lattice of the joint windows: the largest member's, in whole steps that every member can halve."""
    multiple = math.lcm(*(member.multiple for member in members))
    side = max(member.window for member in members)
    lattice = min(member.lattice for member in members if member.window == side)
    return math.ceil(side / multiple) * multiple, max(1, lattice // multiple) * multiple


def _check(members: Sequence[ck.Checkpoint], places: Sequence[str]) -> None:
    from isamap.training.models import model_named
    from isamap.training.models.classical import PixelClassifier

    if len(members) < 2:
        raise ValueError(f"an ensemble of {len(members)}: give two checkpoints or more")
    first = members[0]
    for address, member in zip(places, members, strict=True):
        if issubclass(model_named(member.model).network, PixelClassifier):
            raise ValueError(f"{address} classifies single pixels by trees or support vectors: give networks only")
        if member.calibration:
            raise ValueError(
                f"{address} has calibrated probabilities: join the networks first, then calibrate the mean"
            )
        for name, words in EQUAL.items():
            if getattr(member, name) != getattr(first, name):
                raise ValueError(
                    f"{address} and {places[0]} differ in {words}: members of an ensemble are trained on the same "
                    "dataset with the same settings"
                )
    if len({member.fingerprint for member in members}) < len(members):
        raise ValueError("the same checkpoint twice: an ensemble of equals says what one of them says; give others")
