"""`isamap to-ee`: a student of a checkpoint, written as a checkpoint, as Earth Engine graphs and as one script."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.atomic import check_writable, local_path, write_json, write_whole
from isamap.gee_export.base.options import from_options, takes_options
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import Region, on_lattice
from isamap.gee_export.base.revision import revision
from isamap.gee_export.datasets.manifest import DatasetManifest
from isamap.inference.inputs.composite import composite_settings
from isamap.inference.student import graph
from isamap.inference.student.distillation import StudentCandidate, candidates_of, chosen
from isamap.inference.student.parameters import MODEL, Parameters, student_bands
from isamap.inference.student.request import StudentOptions, StudentRequest
from isamap.inference.student.script import Subject, code_editor_script
from isamap.inference.student.teaching import drawn
from isamap.training.accuracy.evaluation import EvaluationReport, evaluate, source_for
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models.student import StudentConfig

if TYPE_CHECKING:
    from isamap.training.samples.data import SampleSource

VERSION = 1
DESCRIPTION, GRAPH, FUNCTION, SCRIPT = "student.json", "graph.json", "function.json", "map.js"
LIMITS = (
    "A student sees a window of 15 x 15 pixels: shapes that need a wider view are its teacher's alone.",
    "Windows are counted in pixels of the output's grid: compute it at 10 m, never at a map's zoom.",
    "Near the edge of a file that is mapped isamap map reads nothing beyond it, Earth Engine does.",
    "It is as simulated, as biased and as old as its teacher and the labels.",
)


@dataclass(frozen=True)
class StudentReport:
    """The student's folder, its accuracy beside the teacher's, and the sizes of its graphs."""

    folder: Path
    parameters: int
    graph_bytes: int
    function_bytes: int
    student: EvaluationReport
    teacher: EvaluationReport
    candidates: tuple[Mapping[str, object], ...]

    def __str__(self) -> str:
        rows = [_row("teacher", self.teacher), _row("student", self.student)]
        blocks = len(self.student.by_block)
        return "\n".join(
            [
                f"{self.folder}: a student of {self.parameters:,} numbers, graph {self.graph_bytes:,} bytes",
                f"{'':<8} {'OA':<21} {'MIoU':<21} F1 of impervious",
                *rows,
                f"on the test split, 95 % intervals by bootstrap over {blocks} spatial blocks",
                *(["The data are simulated: this says nothing about real imagery."] if self.student.simulated else []),
                f"Code Editor: paste {self.folder / SCRIPT}; map: isamap map --checkpoint {self.folder}",
            ]
        )


def _row(name: str, report: EvaluationReport) -> str:
    cells = [_cell(report, key) for key in ("oa", "miou", "f1_impervious")]
    return f"{name:<8} " + " ".join(f"{cell:<21}" for cell in cells).rstrip()


def _cell(report: EvaluationReport, key: str) -> str:
    """`0.8123 [0.7911, 0.8301]`, without brackets where blocks are too few, - where nothing defines it."""
    value, bounds = report.scores.to_json(report.classes)[key], report.intervals[key]
    if value is None:
        return "-"
    return f"{value:.4f}" + (f" [{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else "")


@takes_options(StudentOptions)
def to_earth_engine(
    checkpoint: str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    **options: Any,
) -> StudentReport:
    """A folder with a student of the checkpoint: itself (best/, as `map` and `evaluate` take it), its Earth Engine
    graphs (graph.json: the image of a region and period; function.json: of any composite), a Code Editor script
    (map.js) and student.json.

    The student learns the teacher's probabilities on the dataset's train split; the validation split chooses between
    candidates; the test split judges both. Region and period are the dataset's unless named. ValueError: the user's
    mistakes. Fault: server, disk or file.
    """
    return export(from_options(StudentRequest, {"checkpoint": checkpoint, "data": data, "out": out, **options}))


def export(request: StudentRequest) -> StudentReport:
    """The student that a request asks for; as `to_earth_engine`."""
    from isamap.gee_export.earth_engine.session import connect

    request.check()
    folder = _new_folder(request.out)
    with closing(connect(request.options.project, catalog=request.options.catalog)) as session:
        teacher = ck.load(request.checkpoint, session)
        _check_teacher(teacher)
        source = source_for(teacher, list(request.data), session=session)
        region, period = _subject(request.options, source.datasets[0].manifest)
        candidate, figures = _taught(request, teacher, source)
        trained = _saved(candidate, teacher, source, folder, request)
        # The teacher on the same split: a student's figures say nothing alone.
        judged = [
            evaluate(path, list(request.data), "test", session=session)
            for path in (request.checkpoint, folder / ck.BEST)
        ]
        report = _write_graphs(
            trained, Subject(region, period, teacher.fingerprint, trained.simulated), folder, figures, judged
        )
        _describe(request, report, (trained, teacher), source, (region, period))
        return report


def _new_folder(out: str) -> Path:
    folder = local_path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"--out {folder} is not empty: choose a new folder")
    check_writable(folder / DESCRIPTION)
    return folder


def _check_teacher(teacher: ck.Checkpoint) -> None:
    """ValueError for checkpoints whose map no graph of one composite can be."""
    if teacher.model == MODEL:
        raise ValueError("the checkpoint is a student already: give its teacher")
    if teacher.frames:
        raise ValueError(f"the checkpoint looks at {teacher.frames} dates, a student at one composite: frames=0")
    if teacher.scale != 1:
        raise ValueError(
            f"the checkpoint draws {teacher.scale} pixels along each of the composite's, a student one: "
            "take a checkpoint at 10 m"
        )
    if not teacher.composite:
        raise ValueError("the checkpoint was trained on images of another origin: Earth Engine cannot compose them")
    settings = composite_settings(teacher)
    if "sentinel1" in settings.sensors and teacher.backscatter == "gamma0" and settings.radar.terrain == "none":
        raise ValueError(
            "the checkpoint was trained on gamma0 scenes, such as the public archives', and Earth Engine's are sigma0: "
            "take one of Sentinel-2 alone, or one that was trained with --terrain volume"
        )


def _subject(options: StudentOptions, manifest: DatasetManifest) -> tuple[Region, Period]:
    """The place and time named, or the dataset's first."""
    region = _region_of(manifest) if options.where.is_open else options.where.area
    if not options.when.is_open:
        return region, options.when.composite
    first = manifest.periods[0]
    return region, Period(date.fromisoformat(first["start"]), date.fromisoformat(first["end"]))


def _region_of(manifest: DatasetManifest) -> Region:
    """The box of the dataset's first grid."""
    name, grid = next(iter(manifest.grids.items()))
    geobox = grid.geobox
    epsg = geobox.crs.to_epsg() if geobox.crs else None
    if epsg is None:
        raise ValueError(f"the dataset's region {name!r} lies in no EPSG zone: give --bbox W S E N")
    left, bottom, right, top = geobox.extent.boundingbox
    return on_lattice(name, epsg, (left, bottom, right, top))


def _taught(
    request: StudentRequest, teacher: ck.Checkpoint, source: SampleSource
) -> tuple[StudentCandidate, tuple[Mapping[str, object], ...]]:
    options = request.options.learning
    config = StudentConfig(len(teacher.classes))
    lessons = [
        drawn(teacher, source, split, config, pixels=options.pixels, seed=options.seed) for split in ("train", "val")
    ]
    candidates = candidates_of(options, teacher.band_names, lessons[0], lessons[1])
    return chosen(candidates), tuple(candidate.to_json() for candidate in candidates)


def _saved(
    candidate: StudentCandidate, teacher: ck.Checkpoint, source: SampleSource, folder: Path, request: StudentRequest
) -> ck.Checkpoint:
    carried = ("classes", "thresholds", "composite", "backscatter", "target")
    described = ck.of_network(
        candidate.network,
        MODEL,
        student_bands(source.stored, teacher.bands),
        **{name: getattr(teacher, name) for name in carried},
        simulated=teacher.simulated or source.simulated,
        dataset=teacher.dataset,
        origin={"teacher": teacher.fingerprint, "taught_on": source.fingerprint, "taken": [_words(teacher)]},
        recipe={"name": MODEL, **asdict(request.options.learning)},
        revision=revision(),
    )
    return ck.save(described, candidate.network, folder / ck.BEST)


def _words(teacher: ck.Checkpoint) -> str:
    return f"a student that learned the probabilities of {teacher.model} {teacher.fingerprint[:16]}"


def _write_graphs(
    trained: ck.Checkpoint,
    subject: Subject,
    folder: Path,
    figures: tuple[Mapping[str, object], ...],
    judged: list[EvaluationReport],
) -> StudentReport:
    import ee

    from isamap.gee_export.sentinel import composite

    parameters = Parameters.of(trained)
    settings = composite_settings(trained)
    made = composite.build(subject.region, subject.period, settings)
    texts = {
        GRAPH: graph.serialised(graph.student_image(made.packed, parameters)),
        FUNCTION: graph.as_function(parameters),
        SCRIPT: code_editor_script(
            json.loads(made.packed.serialize()), ee.ApiFunction.allSignatures(), parameters, subject
        ),
    }
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
    sizes = len(texts[GRAPH]), len(texts[FUNCTION])
    return StudentReport(folder, parameters.count, *sizes, judged[1], judged[0], figures)


def _describe(
    request: StudentRequest,
    report: StudentReport,
    checkpoints: tuple[ck.Checkpoint, ck.Checkpoint],
    source: SampleSource,
    subject: tuple[Region, Period],
) -> None:
    """student.json, written last: what is there with it is whole."""
    trained, teacher = checkpoints
    write_json(
        report.folder / DESCRIPTION,
        {
            "version": VERSION,
            "fingerprint": trained.fingerprint,
            "teacher": {"fingerprint": teacher.fingerprint, "model": teacher.model},
            "dataset": {"fingerprint": source.fingerprint, "name": source.datasets[0].manifest.name},
            "learning": asdict(request.options.learning),
            "candidates": list(report.candidates),
            "parameters": Parameters.of(trained).to_json(),
            "region": {"name": subject[0].name, "epsg": subject[0].epsg, "bounds_m": list(subject[0].bounds_m)},
            "period": str(subject[1]),
            "graph": {
                "bytes": report.graph_bytes,
                "function_bytes": report.function_bytes,
                "limit_bytes": graph.PAYLOAD_LIMIT_BYTES,
            },
            "accuracy": {"teacher": report.teacher.to_json(), "student": report.student.to_json()},
            "limits": list(LIMITS),
            "revision": revision(),
        },
    )
