"""`isamap prove`: the steps in order, under a budget, cleaned up whatever happens, and compared offline later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.exchanges import recorded
from isamap.gee_export.base.project import check_project
from isamap.gee_export.base.storage import check_bucket
from isamap.gee_export.earth_engine.handshake import watch_client
from isamap.gee_export.earth_engine.session import LOCAL, connect
from isamap.gee_export.earth_engine.workload_tag import set_tag
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.prove import cost
from isamap.inference.prove.counting import counted
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import UNTRIED, Probe, Verdict, judged, untried
from isamap.inference.prove.record import Proof, differences
from isamap.inference.prove.steps import STEPS, TITLES, eecu_hours

BUDGET_HOURS = 1.0
LOCAL_BUCKET = "isamap-prove"
EXCHANGES = "exchanges.jsonl"  # every request of the proof with its answer
EXACT = ("constants", "refusals", "exports", "assets")  # steps whose answers do not depend on what a catalog shows


def prove(
    *,
    project: str | None = None,
    bucket: str | None = None,
    out: str | os.PathLike[str] = "proof",
    eecu_hours_most: float = BUDGET_HOURS,
    steps: tuple[str, ...] = (),
) -> Proof:
    """Asks the server whatever isamap assumes of it; writes `answers.json` and `proof.md` to `out`.

    Without a project the local engine is asked. Everything that is made has a fixed name (isamap_prove) and is removed
    at the end, also after a fault; a run that was killed is cleaned up by the next one, before it begins. A step that
    could exceed eecu_hours_most is not tried. ValueError for the user's mistakes, Fault where nothing could be asked.
    """
    probes = _chosen(steps)
    if eecu_hours_most <= 0:
        raise ValueError(f"--eecu-hours {eecu_hours_most:g}: expected more than 0")
    if bucket and project in (None, "", LOCAL):
        raise ValueError(f"--bucket {bucket} needs --project NAME: without it the local engine's own bucket is used")
    check_project(project)
    if bucket is not None:
        check_bucket(bucket)
    folder = Path(checked_argument("out", out, str))
    folder.mkdir(parents=True, exist_ok=True)
    with connect(project) as session:
        proof_place = ProofPlace(session, LOCAL_BUCKET if session.is_local else bucket, folder)
        return _proved(proof_place, probes, eecu_hours_most)


def _chosen(steps: tuple[str, ...]) -> Mapping[str, tuple[Probe, ...]]:
    for step in steps:
        if step not in STEPS:
            raise ValueError(f"--steps {step}: expected some of {', '.join(STEPS)}")
    return {name: probes for name, probes in STEPS.items() if not steps or name in steps}


def _proved(place: ProofPlace, chosen: Mapping[str, tuple[Probe, ...]], most_hours: float) -> Proof:
    begun = datetime.now(UTC)
    if earlier := place.tidy():
        raise Fault(
            f"an earlier run left {', '.join(earlier)}, and it cannot be removed: remove it by hand, then again"
        )
    verdicts: list[Verdict] = []
    server = "local-engine" if place.session.is_local else "earth-engine"
    proof = Proof(server, f"{begun:%Y-%m-%d %H:%M}", (), folder=place.folder)
    try:
        with recorded(place.folder / EXCHANGES, lambda: place.probe):
            watch_client()
            for verdict in _verdicts(place, chosen, most_hours):
                verdicts.append(verdict)
                replace(proof, verdicts=tuple(verdicts)).write(place.folder)  # a killed run keeps what it learned
    finally:
        proof = replace(proof, verdicts=tuple(verdicts), left=place.tidy())
        set_tag(None)
        proof.write(place.folder)  # before Monitoring is asked: what is left is listed whatever comes of that
        for name in proof.left:
            notice(f"left behind: {name}")
    proof = replace(proof, eecu_s=counted(place.session, begun, _costing(verdicts)))
    proof.write(place.folder)
    return proof


def _verdicts(place: ProofPlace, chosen: Mapping[str, tuple[Probe, ...]], most_hours: float) -> Iterator[Verdict]:
    spent_hours = 0.0
    for step, probes in chosen.items():
        if not place.session.is_local and spent_hours + eecu_hours(step) > most_hours:
            words = (
                f"--eecu-hours {most_hours:g} would not suffice: {spent_hours:.2f} may be spent already, "
                f"{eecu_hours(step):.2f} more for this step"
            )
            yield from (untried(probe, words) for probe in probes)
            continue
        notice(f"step {step}: {TITLES[step]}")
        spent_hours += eecu_hours(step)
        for probe in probes:
            begun_s = monotonic()
            set_tag(probe.tag)
            place.probe = probe.name
            yield replace(judged(probe, place), seconds=round(monotonic() - begun_s, 2))


def _costing(verdicts: Iterable[Verdict]) -> frozenset[str]:
    """The workload tags of what was computed to learn its cost."""
    answered = {verdict.name for verdict in verdicts if verdict.status != UNTRIED}
    return frozenset(tag for probe in STEPS["cost"] if probe.name in answered for tag in cost.tags(probe))


@dataclass(frozen=True)
class Comparison:
    """A recorded proof beside the local engine: which probes it answers otherwise."""

    folder: Path
    compared: int
    unlike: tuple[tuple[str, Any, Any], ...]

    @property
    def ok(self) -> bool:
        return not self.unlike

    def __str__(self) -> str:
        lines = [f"{self.folder}: {len(self.unlike)} of {self.compared} recorded answers are not the local engine's"]
        lines += [f"{name}: recorded {before}, local engine {now}" for name, before, now in self.unlike]
        return "\n".join(lines)


def replay(folder: str | os.PathLike[str], judge: Callable[[Probe, ProofPlace], Verdict] = judged) -> Comparison:
    """The answers of a recorded proof beside those of the local engine, without network.

    Compared are the steps whose answers do not depend on what a catalog shows: the world is simulated. ValueError
    where the folder holds no proof.
    """
    recorded = Proof.read(Path(checked_argument("replay", folder, str)))
    exact = [verdict for verdict in recorded.verdicts if verdict.name.partition(".")[0] in EXACT]
    names = {verdict.name for verdict in exact}
    with connect(None) as session:
        proof_place = ProofPlace(session, LOCAL_BUCKET, recorded.folder or Path())
        try:
            now = [judge(probe, proof_place) for step in EXACT for probe in STEPS[step] if probe.name in names]
        finally:
            proof_place.tidy()
    return Comparison(recorded.folder or Path(), len(exact), differences(exact, now))
