"""What a proof found, as the file `answers.json` and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isamap.gee_export.base.storage import write_whole
from isamap.gee_export.export import measured
from isamap.gee_export.export.measured import TagCost
from isamap.inference.prove.counting import compared
from isamap.inference.prove.probe import CONFIRMED, MEASURED, REFUTED, TIMES, UNTRIED, Verdict, agrees
from isamap.inference.prove.steps import TITLES

ANSWERS, PAGE = "answers.json", "proof.md"
FORMAT = 1
PAGES = {
    "engine": "local_ee/docs/engine.md",
    "batch": "docs/batch.md",
    "labels": "docs/labels.md",
    "sentinel1": "docs/sentinel1.md",
    "sentinel2": "docs/sentinel2.md",
    "embeddings": "docs/embeddings.md",
    "limits": "docs/limits.md",
    "google": "docs/google.md",
    "plan": "docs/plan.md",
    "publishing": "docs/publishing.md",
    "inside-earth-engine": "docs/inside-earth-engine.md",
}


@dataclass(frozen=True)
class Proof:
    """server: "earth-engine" or "local-engine". left: what could not be removed. eecu_s: by workload tag, of Google."""

    server: str
    begun: str
    verdicts: tuple[Verdict, ...]
    left: tuple[str, ...] = ()
    eecu_s: Mapping[str, float] = field(default_factory=dict)
    folder: Path | None = None

    def count(self, status: str) -> int:
        return sum(verdict.status == status for verdict in self.verdicts)

    @property
    def ok(self) -> bool:
        """Whether nothing was refuted and nothing is left behind."""
        return not self.count(REFUTED) and not self.left

    def __str__(self) -> str:
        counts = ", ".join(f"{self.count(status)} {status}" for status in (CONFIRMED, REFUTED, MEASURED, UNTRIED))
        lines = [f"{self.server}: {counts}" + (f"; see {self.folder / PAGE}" if self.folder else "")]
        lines += [f"refuted   {each.name}: {each.assumption}" for each in self.verdicts if each.status == REFUTED]
        lines += [f"left behind   {name}: remove it by hand" for name in self.left]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Both files, each whole or not at all."""
        document = {
            "format": FORMAT,
            "server": self.server,
            "begun": self.begun,
            "left": list(self.left),
            "eecu_s": dict(self.eecu_s),
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }
        write_whole(folder / ANSWERS, (json.dumps(document, indent=1) + "\n").encode())
        write_whole(folder / PAGE, page(self).encode())
        if costs := self.costs:
            write_whole(folder / measured.NAME, measured.encode(costs).encode())

    @property
    def costs(self) -> tuple[TagCost, ...]:
        """What composites cost by tag, where Cloud Monitoring has said it: for `isamap plan --measured`."""
        return tuple(
            TagCost(tag, seconds, each.answer["effort"], each.answer["of"])
            for each in self.verdicts
            if isinstance(each.answer, Mapping) and "effort" in each.answer and each.answer["effort"]
            for tag, seconds in self.eecu_s.items()
            if tag == f"prove-{each.name.replace('.', '-')}" and seconds > 0
        )

    @classmethod
    def read(cls, folder: Path) -> Proof:
        """What `write` wrote; ValueError names the file where it holds anything else."""
        path = folder / ANSWERS
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT:
                raise ValueError(f"its format is {document['format']}, expected {FORMAT}")
            verdicts = tuple(Verdict.from_json(each) for each in document["verdicts"])
            return cls(
                str(document["server"]),
                str(document["begun"]),
                verdicts,
                tuple(document["left"]),
                dict(document["eecu_s"]),
                folder,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{path} holds no answers of `isamap prove` ({type(error).__name__}: {error}): give its --out folder"
            ) from error


def page(proof: Proof) -> str:
    """The report: by page of the documentation, each assumption with what became of it."""
    head = [
        "# What was proved",
        "",
        f"Server: {proof.server}. Begun {proof.begun} UTC. "
        + ", ".join(f"{proof.count(status)} {status}" for status in (CONFIRMED, REFUTED, MEASURED, UNTRIED))
        + ".",
        "",
        *([f"**Left behind**: {', '.join(proof.left)}. Remove it by hand.", ""] if proof.left else []),
    ]
    by_page: dict[str, list[Verdict]] = {}
    for verdict in proof.verdicts:
        by_page.setdefault(verdict.page, []).append(verdict)
    for name, verdicts in by_page.items():
        head += [
            f"## {PAGES.get(name, name)}",
            "",
            "| probe | assumption | verdict | assumed | answer |",
            "|---|---|---|---|---|",
        ]
        head += [_row(verdict) for verdict in verdicts] + [""]
    addresses = compared(proof.eecu_s, "prove-cost-standard", "prove-cost-high-volume")
    if proof.eecu_s:
        head += [
            "## EECU seconds by workload tag",
            "",
            *(f"- {tag}: {s:.1f}" for tag, s in sorted(proof.eecu_s.items())),
            "",
            *([f"{addresses}.", ""] if addresses else []),
        ]
    steps = "; ".join(f"{name}: {title}" for name, title in TITLES.items())
    return "\n".join([*head, f"Steps: {steps}.", ""])


def _row(verdict: Verdict) -> str:
    status = f"**{verdict.status}**" if verdict.status == REFUTED else verdict.status
    answer = verdict.words.replace("|", "/") if verdict.status == UNTRIED else _cell(verdict.answer)
    cells = (f"`{verdict.name}`", verdict.assumption, status, _cell(verdict.expected), answer)
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    text = "" if value is None else json.dumps(value, ensure_ascii=False).replace("|", "/").replace("\n", " ")
    return text if len(text) <= 300 else f"{text[:300]}..."


def differences(recorded: Sequence[Verdict], now: Sequence[Verdict]) -> tuple[tuple[str, Any, Any], ...]:
    """Probe, recorded answer and present answer, where both servers answered and one not as the other.

    Compared is what a probe expects something of, or all of a measured answer; times and costs are the server's own.
    """
    present = {verdict.name: verdict for verdict in now if verdict.status != UNTRIED and verdict.page != TIMES}
    return tuple(
        (each.name, each.answer, present[each.name].answer)
        for each in recorded
        if each.status != UNTRIED
        and each.name in present
        and not agrees(present[each.name].answer, _wanted(each.answer, each.expected))
    )


def _wanted(answer: Any, expected: Any) -> Any:
    if isinstance(answer, Mapping) and isinstance(expected, Mapping):
        return {name: answer.get(name) for name in expected}
    return answer
