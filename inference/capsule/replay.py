"""`isamap replay`: the map of a capsule made again, and what differs from the one that the capsule was made of."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gee_export.base import option_files
from gee_export.base.atomic import local_path, make_folder
from gee_export.base.errors import Fault
from gee_export.base.options import from_options
from gee_export.earth_engine.session import is_world
from inference.capsule import archive
from inference.capsule.capsule import composed, outputs_of, scenes_of
from inference.capsule.document import Document, Scenes, digest, versions
from inference.map import map_requested
from inference.map_file import open_map
from inference.request import MapRequest
from training.checkpoints import checkpoint as ck

SHOWN = 5  # scenes named of each kind of difference


@dataclass(frozen=True)
class Here:
    """What a capsule cannot bring: the engine's address, the mapped file; and a checkpoint to try instead."""

    project: str | None = None
    catalog: str | None = None
    input: str | None = None
    checkpoint: str | None = None


@dataclass(frozen=True)
class ReplayReport:
    """The map that was made, and a sentence for each difference; `same`: all its files have the capsule's bytes."""

    path: Path
    same: bool
    changes: tuple[str, ...]

    def __str__(self) -> str:
        verdict = "the same bytes" if self.same else "other bytes than the capsule's"
        return "\n".join([f"{self.path}: {verdict}", *(f"- {change}" for change in self.changes)])


def replay(
    capsule: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    project: str | None = None,
    catalog: str | None = None,
    input: str | None = None,
    checkpoint: str | None = None,
    compare: str | os.PathLike[str] | None = None,
) -> ReplayReport:
    """The capsule's map in the folder `out`, and every difference: versions, checkpoint, scenes, graph, files, pixels.

    project, catalog: where to ask (the local engine's world if the capsule was made there). input: the file that was
    mapped, for maps of files. checkpoint: another one than the capsule's. compare: the original map, to count the
    pixels that differ. Nothing in a capsule is run or believed: its files are taken by name, size and digest.
    ValueError: no capsule, one that holds what none has, or something missing here. Fault: a damaged one.
    """
    where, folder = Path(capsule), local_path(out)
    files = archive.read(where)
    document, written = _checked(files, where)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"--out {folder} is not empty: choose a new folder")
    here = Here(project, catalog, input, checkpoint)
    with tempfile.TemporaryDirectory(prefix="isamap-replay-") as scratch:
        request = _request(files, document, Path(scratch), here, folder)
        trained = ck.load(request.checkpoint)
        changes = [] if written else ["capsule.json was changed after it was written (its digest differs)"]
        changes += _versions_changed(document.versions)
        changes += _checkpoint_changed(document, trained)
        changes += list(_sources_changed(document, files, request, trained))
        make_folder(folder)
        map_requested(request, progress=False)
        changes += list(_outputs_changed(document, request.file, compare))
    same = _digests(request.file) == dict(document.outputs)
    return ReplayReport(request.file, same, tuple(changes))


def _checked(files: Mapping[str, bytes], where: Path) -> tuple[Document, bool]:
    """The document, whether it is as written; Fault where a file has not the digest that it names."""
    if archive.DOCUMENT not in files:
        raise ValueError(f"{where} is no capsule: it has no {archive.DOCUMENT}")
    document, written = Document.decode(files[archive.DOCUMENT], str(where))
    for name in (archive.OPTIONS, *archive.CHECKPOINT[:2]):
        if name not in files:
            raise Fault(f"capsule {where} lacks {name}: copy it again")
    for name, data in files.items():
        if name != archive.DOCUMENT and document.files.get(name) != digest(data):
            raise Fault(
                f"capsule {where}: {name} differs from its digest, so it was damaged or exchanged: copy it again"
            )
    return document, written


def _request(files: Mapping[str, bytes], document: Document, scratch: Path, here: Here, folder: Path) -> MapRequest:
    """The capsule's options with its own files and this machine's places; a capsule's paths are never followed."""
    for name, data in files.items():
        if name.startswith(("checkpoint/", "geometry/")):
            target = scratch / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
    values = option_files.decode(MapRequest, files[archive.OPTIONS].decode("utf-8", "strict"), archive.OPTIONS)
    for name in ("project", "catalog", "input", "geometry", "checkpoint"):
        values.pop(name, None)
    return from_options(
        MapRequest, values | _places(files, document, scratch, here) | {"out": str(folder / document.map)}
    )


def _places(files: Mapping[str, bytes], document: Document, scratch: Path, here: Here) -> dict[str, Any]:
    places: dict[str, Any] = {"checkpoint": here.checkpoint or str(scratch / "checkpoint")}
    if outline := [name for name in files if name.startswith("geometry/")]:
        places["geometry"] = str(scratch / outline[0])
    if document.input is not None:
        if here.input is None:
            raise ValueError(
                f"the capsule is of a map of the file {document.input['name']!r}: give it with --input FILE"
            )
        return places | {"input": here.input}
    server, catalog = document.engine.get("server"), document.engine.get("catalog", "")
    if server == "earth-engine" and here.project is None:
        raise ValueError("the capsule's composite is Google's: give --project NAME")
    if server != "earth-engine" and not is_world(catalog) and here.catalog is None:
        raise ValueError(f"the capsule's images lay in a folder {catalog!r}: give it with --catalog FOLDER")
    return places | {key: value for key, value in (("project", here.project), ("catalog", here.catalog)) if value}


def _versions_changed(stored: Mapping[str, str]) -> list[str]:
    now = versions()
    return [
        f"{name}: version {stored.get(name, 'none')} there, {now.get(name, 'none')} here"
        for name in sorted({*stored, *now})
        if stored.get(name) != now.get(name)
    ]


def _checkpoint_changed(document: Document, trained: ck.Checkpoint) -> list[str]:
    if trained.fingerprint == document.checkpoint:
        return []
    return [f"checkpoint: {document.checkpoint[:16]} there, {trained.fingerprint[:16]} here"]


def _sources_changed(
    document: Document, files: Mapping[str, bytes], request: MapRequest, trained: ck.Checkpoint
) -> Iterator[str]:
    """Of a file its digest, of a composite its scenes and its graph."""
    if document.input is not None:
        actual = digest(Path(str(request.options.pixels.input)).read_bytes())
        if actual != document.input["sha256"]:
            yield f"input: sha256 {document.input['sha256'][:16]} there, {actual[:16]} here"
        return
    source, _ = composed(request, trained)
    with closing(source):
        yield from _scenes_changed(document.scenes, scenes_of(source, request, trained))
        graph = digest(source.made.packed.serialize().encode())
    if graph != document.graph:
        yield f"graph of the composite: sha256 {document.graph[:16]} there, {graph[:16]} here"


def _scenes_changed(stored: Scenes, now: Scenes) -> Iterator[str]:
    for sensor in sorted({*stored, *now}):
        there, here = stored.get(sensor, {}), now.get(sensor, {})
        for words, names in (
            ("gone", there.keys() - here.keys()),
            ("new", here.keys() - there.keys()),
            ("with other properties", {name for name in there.keys() & here.keys() if there[name] != here[name]}),
        ):
            if names:
                listed = ", ".join(sorted(names)[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
                yield f"scenes of {sensor}: {len(names)} {words} ({listed})"


def _digests(path: Path) -> dict[str, str]:
    return {file.name: digest(file.read_bytes()) for file in outputs_of(open_map(path))}


def _outputs_changed(document: Document, path: Path, compare: str | os.PathLike[str] | None) -> Iterator[str]:
    """Files, tags and, where the original is at hand, pixels that differ."""
    now, stored = _digests(path), document.outputs
    for name in sorted({*now, *stored}):
        if now.get(name) != stored.get(name):
            yield f"file {name}: sha256 {stored.get(name, 'none')[:16]} there, {now.get(name, 'none')[:16]} here"
    tags = open_map(path).tags
    for name in sorted({*tags, *document.tags}):
        if tags.get(name) != document.tags.get(name) and name != "AREA_OR_POINT":
            yield f"tag {name}: {document.tags.get(name, 'none')[:80]} there, {tags.get(name, 'none')[:80]} here"
    if compare is not None:
        yield from _pixels_changed(path, Path(compare))


def _pixels_changed(path: Path, original: Path) -> Iterator[str]:
    here, there = open_map(path), open_map(original)
    if here.geobox != there.geobox:
        yield f"grid: {there.geobox.shape.yx} pixels there, {here.geobox.shape.yx} here, or another place"
        return
    for name, band in here.bands.items():
        if name not in there.bands:
            yield f"band {name} is new"
            continue
        differs = band.read() != there.bands[name].read()
        if differs.any():
            yield f"pixels of {name}: {int(differs.sum()):,} of {differs.size:,} differ"
