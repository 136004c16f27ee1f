"""The process `assess`: a probability sample of a map, and accuracies and areas from its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import write_whole
from isamap.inference.serve import request_fields
from isamap.inference.serve.estimate import JobEstimate
from isamap.inference.serve.job import Job
from isamap.inference.serve.library import Library
from isamap.inference.serve.request_fields import optional

SAMPLE, ANSWERS, REPORT, WORLD = "sample", "answers.csv", "report", "world"
MAP = "map"  # a folder of the job, for the files of a map that lies in a bucket
POINTS, SEEDS = (2, 20_000), (0, 2**31 - 1)
DESIGNS = ("stratified", "simple", "systematic")
CSV_LETTERS = 1 << 20
INPUTS: dict[str, dict[str, Any]] = {
    "map": {"title": "The map, by its id in GET /maps", "schema": {"type": "string", "maxLength": 100}},
    "points": optional("Points of the sample", "integer", minimum=POINTS[0], maximum=POINTS[1], default=500),
    "design": optional("How the points are drawn", "string", enum=list(DESIGNS), default=DESIGNS[0]),
    "seed": optional("The same seed draws the same points", "integer"),
    "answers": optional(
        "The filled answer sheet as CSV text, or world for a simulated map; without it a sample is drawn",
        "string",
        maxLength=CSV_LETTERS,
    ),
}


@dataclass(frozen=True)
class AssessRequest:
    """A sample and its answers as a request asks for them, checked."""

    map: str
    points: int
    design: str
    seed: int
    answers: str
    library: Library

    @classmethod
    def of(cls, inputs: Any, library: Library) -> AssessRequest:
        """From inputs; ValueError says what is wrong with them."""
        fields = request_fields.check_names(inputs, INPUTS)
        id, answers = request_fields.name(fields, "map"), fields.get("answers", "")
        if not isinstance(answers, str) or len(answers) > CSV_LETTERS:
            raise ValueError(f"answers: expected CSV text of up to {CSV_LETTERS:,} characters, or {WORLD}")
        if answers == WORLD and not library.map(id).shows_no_real_place:
            raise ValueError(f"answers {WORLD!r} are of the simulated world, and map {id!r} shows a real place")
        library.map(id)
        return cls(
            id,
            request_fields.whole(fields, "points", POINTS, 500),
            request_fields.choice(fields, "design", DESIGNS, DESIGNS[0]),
            request_fields.whole(fields, "seed", SEEDS, 0),
            answers,
            library,
        )

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        drawn = {"map": self.map, "points": self.points, "design": self.design, "seed": self.seed}
        return drawn | ({"answers": self.answers} if self.answers else {})

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the report: also the map's content."""
        return self.inputs | {"version": self.library.map(self.map).version}

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap assess sample` unless it is drawn, then `isamap assess estimate` where there are answers."""
        path = str(self.library.map(self.map).kept_in(folder / MAP))
        draw = ("assess", "sample", path, "--out", str(folder / SAMPLE), "--points", str(self.points), "--design",
                self.design, "--seed", str(self.seed))  # fmt: skip
        commands = () if (folder / SAMPLE / "key.json").exists() else (draw,)
        if not self.answers:
            return commands
        answers = WORLD
        if self.answers != WORLD:
            write_whole(folder / ANSWERS, self.answers.encode())
            answers = str(folder / ANSWERS)
        estimate = ("assess", "estimate", str(folder / SAMPLE), "--answers", answers, "--out", str(folder / REPORT))
        catalog = () if self.library.settings.server.project else ("--catalog", self.library.settings.server.catalog)
        return (*commands, (*estimate, *catalog))

    def progress(self, folder: Path) -> tuple[int, str]:
        """Half when the sample is drawn."""
        return (50, "estimates") if (folder / SAMPLE / "key.json").exists() else (0, "draws points")

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """Addresses of the sample and of the report."""
        files = {"sample": f"/jobs/{job.id}/files/{SAMPLE}.zip"}
        if self.answers:
            files["report"] = f"/jobs/{job.id}/files/{REPORT}.zip"
        return {name: {"href": href} for name, href in files.items()}

    def estimate(self) -> JobEstimate:
        """Nothing is fetched; what takes time is people's."""
        return JobEstimate(notes=(f"{self.points} points are drawn in seconds; interpreting them is people's work",))
