"""`isamap ask`: the pixels of a dataset that are most worth a look, as an answer sheet with pictures."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.gee_export.base.grid import ground_step_m
from isamap.gee_export.datasets.dataset import SPLITS, Dataset, Patch
from isamap.gee_export.datasets.manifest import NODATA
from isamap.inference.assessment.answer_sheet import POINTS, SHEET, write_sheet
from isamap.inference.assessment.reference_points import CHOSEN, SAMPLING
from isamap.inference.assessment.sample import KEY, DrawnSample, Point, Stratum
from isamap.inference.questions.page import PAGE
from isamap.inference.questions.pictures import PatchPictures
from isamap.inference.questions.scores import SCORES
from isamap.training.accuracy.evaluation import classify, source_for
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.recipes import RECIPES
from isamap.training.samples.arguments import check_address, check_count, dataset_addresses
from isamap.training.samples.data import SampleSource

RADIUS_PX = 3  # a question stands for the window of so many pixels around: 70 x 70 m at 10 m
FLAW = (
    "its points were chosen where networks disagree, so they stand for no ground but their own; draw a sample with "
    "`isamap assess sample`"
)


@dataclass(frozen=True)
class Question:
    """How many points to choose, by what score (SCORES), of which split, at most how many of each patch."""

    points: int = 100
    by: str = "entropy"
    split: str = "train"
    each: int = 3

    def __post_init__(self) -> None:
        check_count("points", self.points)
        check_count("each", self.each)
        if self.by not in SCORES:
            raise ValueError(f"--by {self.by!r}: expected {', '.join(SCORES)}")
        if self.split not in SPLITS:
            raise ValueError(f"--split {self.split!r}: expected {', '.join(SPLITS)}")


@dataclass(frozen=True)
class Candidate:
    """A pixel that may be asked: disagreement x area in pixels, its patch's number in the split, row, column, class."""

    area: float
    patch: int
    row: int
    col: int
    name: str


@dataclass(frozen=True)
class AskReport:
    """The folder written, how many points of how many patches were chosen, by which score.

    learning: the command that learns from the answers; empty of a split that nothing is learned from. asked: how many
    points were to be chosen. each: at most so many of a patch.
    """

    out: Path
    points: int
    patches: int
    by: str
    split: str
    simulated: bool
    learning: str = ""
    asked: int = 0
    each: int = 0

    def __str__(self) -> str:
        simulated, sheet = " The data are simulated." if self.simulated else "", self.out / SHEET
        return "\n".join(
            [
                f"{self.points} points in {self.patches} patches of {self.split}, by {self.by} x area.{simulated}",
                f"{sheet / PAGE}: pictures; {sheet / POINTS}: write the class of each point into column class",
                *([f"then: {self.learning}"] if self.learning else []),
                *([self._shortage] if self.points < self.asked else []),
                f"note: no probability sample: {FLAW}",
            ]
        )

    @property
    def _shortage(self) -> str:
        return (
            f"note: {self.points} points, fewer than the {self.asked} asked: no more places of the split are in doubt, "
            f"at most {self.each} a patch (--each)"
        )

    def to_json(self) -> dict[str, Any]:
        """Numbers and files."""
        return {**vars(self), "out": str(self.out), "flaw": FLAW}


def ask(
    checkpoints: str | Path | Sequence[str | Path],
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    question: Question | None = None,
    batch: int = 16,
    session: Any = None,
) -> AskReport:
    """Writes the answer sheet of the points most worth a look (disagreement x area) into a folder, which may hold it.

    checkpoints: one, or several of the same bands and classes. The sheet is that of `isamap assess sample` with columns
    by which `isamap train --answers` finds each pixel again; its key says that it is no probability sample. ValueError:
    checkpoints that differ, data that they cannot read, a folder that holds another sample, nothing to ask.
    """
    question, target = question or Question(), local_path(out)
    addresses = _addresses(checkpoints)
    members, places = [ck.load(address, session) for address in addresses], dataset_addresses(data)
    _check_alike(members, addresses)
    source = source_for(members[0], places, layer="label", session=session)
    if question.by == "members" and len(members) < 2:
        raise ValueError("--by members compares checkpoints: give --checkpoint twice or more, or --by entropy")
    if not source.patches(question.split):
        raise ValueError(f"split {question.split} of the data is empty: choose another --split")
    check_writable(target / KEY)
    ground = np.zeros(len(members[0].classes))
    by_patch = _pool(members, source, question, batch, ground)
    pool = [candidate for in_patch in by_patch for candidate in in_patch]
    points = _chosen(pool, source.patches(question.split), question.points)
    if not points:
        raise ValueError(f"by {question.by} there is nothing to ask: no pixel of split {question.split} is in doubt")
    _write(points, source, question, target, dict(zip(members[0].classes, ground, strict=True)))
    patches = len({point.patch for point in points})
    learning = _learning(members[0], places, target) if question.split == "train" else ""
    return AskReport(
        target, len(points), patches, question.by, question.split, source.simulated, learning, question.points,
        question.each,
    )  # fmt: skip


def _addresses(checkpoints: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """The checkpoints' addresses; ValueError for none, and for what is no address."""
    addresses = [checkpoints] if isinstance(checkpoints, (str, Path)) else list(checkpoints)
    for address in addresses:
        check_address("checkpoint", address, "runs/wuhan")
    if not addresses:
        raise ValueError("no checkpoint is named: give --checkpoint")
    return addresses


def _learning(asked: ck.Checkpoint, places: Sequence[str | Path], target: Path) -> str:
    """The command that learns from the filled-in sheet what the checkpoint was, by its recipe."""
    name = str(asked.recipe.get("name", ""))
    recipe = ["--recipe", name] if name in RECIPES else []
    words = ["--answers", str(target / SHEET / POINTS), "--out", str(target / "run")]
    return shlex.join(["isamap", "train", "--data", *map(str, places), *recipe, *words])


def _pool(
    members: Sequence[ck.Checkpoint], source: SampleSource, question: Question, batch: int, ground: np.ndarray
) -> Iterator[list[Candidate]]:  # fmt: skip
    """The candidates of each patch; adds every class's mapped km2 to `ground`."""
    first, pairs = members[0], source.patches(question.split)
    streams = [predicted(member, source, source.split(question.split), batch=batch) for member in members]
    for batches in zip(*streams, strict=True):
        chances_MBKHW = np.stack([each.probabilities_BKHW for each in batches])
        score_BHW = SCORES[question.by](chances_MBKHW, batches[0].label_BHW)
        class_BHW = classify(chances_MBKHW.mean(axis=0), first.thresholds["impervious"])
        for at, patch_index in enumerate(batches[0].patch_B.tolist()):
            dataset, patch = pairs[patch_index]
            valid = (dataset.read_image(patch) != NODATA).all(axis=0)
            ground += np.bincount(class_BHW[at][valid], minlength=len(ground)) * _pixel_km2(dataset, patch)
            places = candidates(score_BHW[at], valid, question.each)
            yield [
                Candidate(area, patch_index, row, col, first.classes[class_BHW[at][row, col]])
                for row, col, area in places
            ]


def candidates(score_HW: np.ndarray, known_HW: np.ndarray, each: int) -> list[tuple[int, int, float]]:
    """At most `each` pixels (row, column) of a patch with disagreement x area, in pixels; the greatest first.

    Disagreement x area is the sum of the scores in the window around; the pixel asked is that of the greatest score in
    it. No window holds another pixel asked. known_HW: which pixels may be asked about; others count as score 0.
    """
    side = 2 * RADIUS_PX + 1
    score = np.where(known_HW, score_HW, 0.0).astype(float)
    area = uniform_filter(score, side, mode="constant") * side**2
    area[~known_HW] = 0.0
    out: list[tuple[int, int, float]] = []
    while len(out) < each and area.max() > 1e-9:
        middle = tuple(map(int, np.unravel_index(area.argmax(), area.shape)))
        rows, cols = (slice(max(0, at - RADIUS_PX), at + RADIUS_PX + 1) for at in middle)
        window = np.where(known_HW[rows, cols] & (area[rows, cols] > 0), score[rows, cols], -1.0)
        down, right = np.unravel_index(window.argmax(), window.shape)
        row, col = int(down) + rows.start, int(right) + cols.start
        out.append((row, col, float(area[middle])))
        for y, x in ((row, col), middle):
            area[max(0, y - side) : y + side + 1, max(0, x - side) : x + side + 1] = 0.0
    return out


def _chosen(pool: Sequence[Candidate], pairs: Sequence[tuple[Dataset, Patch]], count: int) -> list[Candidate]:
    """The greatest, none on ground that another one stands for (overlapping patches, other periods)."""
    points: list[Candidate] = []
    taken: set[tuple[str, int, int]] = set()
    side = 2 * RADIUS_PX + 1
    for candidate in sorted(pool, key=lambda c: (-c.area, c.patch, c.row, c.col)):
        patch = pairs[candidate.patch][1]
        row, col = (patch.row + candidate.row) // side, (patch.col + candidate.col) // side
        if (patch.region, row, col) in taken:
            continue
        taken |= {(patch.region, row, col)}
        points.append(candidate)
        if len(points) == count:
            break
    return points


def _write(
    points: Sequence[Candidate], source: SampleSource, question: Question, target: Path, km2: dict[str, float]
) -> None:
    pairs = [source.patches(question.split)[point.patch] for point in points]
    lonlat = [_lonlat(*pair, point) for pair, point in zip(pairs, points, strict=True)]
    sample = DrawnSample(
        design="purposive",
        points=tuple(
            Point(at, lon, lat, "pool", point.name, 0.0)
            for at, (point, (lon, lat)) in enumerate(zip(points, lonlat, strict=True), 1)
        ),
        strata=(Stratum("pool", sum(km2.values()), 0),),
        class_km2={name: float(area) for name, area in km2.items()},
        maps=(),
        settings={"by": question.by, "split": question.split, "each": question.each},
        flaw=FLAW,
        simulated=source.simulated,
    )
    columns: dict[str, list[object]] = {
        "patch": [patch.id for _, patch in pairs],
        "row": [point.row for point in points],
        "col": [point.col for point in points],
        "image_crc32c": [patch.image_crc32c for _, patch in pairs],
        SAMPLING: [CHOSEN] * len(points),
    }
    pictures = PatchPictures([(*pair, point.row, point.col) for pair, point in zip(pairs, points, strict=True)])
    write_sheet(sample, target, thumbnails=[pictures], columns=columns)


def _lonlat(dataset: Dataset, patch: Patch, point: Candidate) -> tuple[float, float]:
    from pyproj import Transformer

    geobox = dataset.geobox(patch)
    x, y = geobox.affine * (point.col + 0.5, point.row + 0.5)
    lon, lat = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True).transform(x, y)
    return float(lon), float(lat)


def _pixel_km2(dataset: Dataset, patch: Patch) -> float:
    down_m, right_m = ground_step_m(dataset.geobox(patch))
    return down_m * right_m / 1e6


def _check_alike(members: Sequence[ck.Checkpoint], addresses: Sequence[str | Path]) -> None:
    for member, address in zip(members, addresses, strict=True):
        if member.band_names != members[0].band_names or member.classes != members[0].classes:
            raise ValueError(
                f"{address} and {addresses[0]} differ in bands or classes: ask checkpoints of one dataset together"
            )
        if member.scale != 1:
            raise ValueError(f"{address} maps pixels finer than the patches': give a checkpoint of the patches' pixels")
    if len({member.fingerprint for member in members}) < len(members):
        raise ValueError("the same checkpoint twice agrees with itself everywhere: give others")
