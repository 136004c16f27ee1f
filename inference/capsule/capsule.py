"""`isamap capsule`: all that made a map, written beside each other with digests."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gee_export.base import option_files
from gee_export.base.atomic import check_writable, local_path
from gee_export.base.options import from_options
from gee_export.base.periods import Period
from inference.capsule import archive
from inference.capsule.document import PROPERTIES, Document, Scenes, digest, versions
from inference.map_file import MapFile, open_map, sidecar_of
from inference.request import MapOptions, MapRequest, request_file_of
from training.checkpoints import checkpoint as ck

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session
    from inference.composite import CompositeSource

_ONE_FILE = (".geojson", ".json", ".gpkg", ".kml", ".fgb")


@dataclass(frozen=True)
class CapsuleReport:
    """Where the capsule lies, what it holds, and how large it is."""

    path: Path
    files: int
    size: int
    scenes: int

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.files} files, {self.size:,} bytes, {self.scenes} scenes named; "
            f"isamap replay {self.path} --out FOLDER makes the map again"
        )


def capsule(
    map_path: str | os.PathLike[str], *, out: str | os.PathLike[str], checkpoint: str | os.PathLike[str] = ""
) -> CapsuleReport:
    """A capsule of a map: a ZIP where `out` ends in .zip, else a new folder.

    The options beside the map (NAME.toml) say how it was made. checkpoint: where the network lies now, if not there.
    A composite's graph and scenes are asked of the engine again. ValueError: no map, no options beside it, the
    checkpoint is another one, or the scenes are no longer those of the map.
    """
    map_file, target = open_map(map_path), local_path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"--out {target} exists: choose a new name")
    check_writable(target if archive.is_zip(target) else target / archive.DOCUMENT)
    request = _request(map_file, str(checkpoint))
    trained = ck.load(request.checkpoint)
    if trained.fingerprint != map_file.tags.get("checkpoint"):
        raise ValueError(
            f"{map_file.path} was made with checkpoint {map_file.tags.get('checkpoint', 'unknown')[:16]}, "
            f"{request.checkpoint} is {trained.fingerprint[:16]}: give the map's own with --checkpoint"
        )
    if image := request.options.pixels.image:
        raise ValueError(
            f"{map_file.path} is of --image {image}, and capsules keep composites and files: export the image as a "
            "GeoTIFF, map it with --input, and keep that"
        )
    files = _checkpoint_files(trained) | _option_files(map_file.path, request.options)
    facts = (
        _file_facts(request.options)
        if request.options.pixels.input
        else _composite_facts(map_file, request, trained, files)
    )
    document = Document(
        map=map_file.path.name,
        outputs={path.name: digest(path.read_bytes()) for path in outputs_of(map_file)},
        files={name: digest(data) for name, data in files.items()},
        checkpoint=trained.fingerprint,
        tags=dict(map_file.tags),
        versions=versions(),
        **facts,
    )
    files[archive.DOCUMENT] = document.encode()
    archive.write(target, files)
    count = sum(map(len, document.scenes.values()))
    return CapsuleReport(target, len(files), sum(map(len, files.values())), count)


def outputs_of(map_file: MapFile) -> list[Path]:
    """The map's files that a replay must make again byte for byte."""
    return [path for path in (*map_file.files, sidecar_of(map_file.path)) if path.is_file()]


def composed(request: MapRequest, trained: ck.Checkpoint) -> tuple[CompositeSource, Session]:
    """The composite that a request maps, and the session that it was asked of."""
    from gee_export.earth_engine.session import current
    from inference.composite import open_composite

    where, when, pixels = request.options.where, request.options.when, request.options.pixels
    source = open_composite(where.area, when.composite, trained, project=pixels.project, catalog=pixels.catalog)
    session = current()
    assert session is not None
    return source, session


def scenes_of(source: CompositeSource, request: MapRequest, trained: ck.Checkpoint) -> Scenes:
    """The scenes of a composite and those of their properties that decide pixels."""
    from gee_export.sentinel import scenes
    from gee_export.sentinel.composite import Settings

    collections = Settings.from_json({"level": "l2a"} | dict(trained.composite)).collections
    if "sentinel2" in collections:
        collections["sentinel2"] = source.made.info["sentinel2"]["collection"]
    named = {}
    for sensor, collection in collections.items():
        year = source.made.info[sensor].get("year")  # of what is annual
        period = request.options.when.composite if year is None else Period.parse(f"{year}")
        images = scenes.collection(collection, source.region.bounds_wsen, period)
        used = set(source.made.scenes[sensor])
        named[sensor] = {
            scene.index: {name: scene.get(name) for name in PROPERTIES if scene.get(name) is not None}
            for scene in scenes.listed(images, period)
            if scene.index in used
        }
    return named


def _request(map_file: MapFile, checkpoint: str) -> MapRequest:
    path = request_file_of(map_file.path)
    if not path.is_file():
        raise ValueError(
            f"{path} is missing, which says how the map was made: copy it beside the map, or make the map again "
            "with a named region, --bbox or --geometry"
        )
    values: dict[str, Any] = option_files.read(MapRequest, path)
    return from_options(MapRequest, values | ({"checkpoint": checkpoint} if checkpoint else {}))


def _checkpoint_files(trained: ck.Checkpoint) -> dict[str, bytes]:
    folder = Path(trained.location)
    return {f"checkpoint/{name}": (folder / name).read_bytes() for name in (ck.DESCRIPTION, ck.WEIGHTS, ck.CARD)
            if (folder / name).is_file()}  # fmt: skip


def _option_files(map_path: Path, options: MapOptions) -> dict[str, bytes]:
    """The options as they lie beside the map, and the outline that they name."""
    files = {archive.OPTIONS: request_file_of(map_path).read_bytes()}
    if options.where.geometry is None:
        return files
    path = Path(options.where.geometry)
    name = f"geometry/{path.name}"
    if path.suffix.lower() not in _ONE_FILE or not archive.GEOMETRY.fullmatch(name):
        raise ValueError(f"outline {path} is more than one file or has another name than a capsule takes: save it as a "
                         "GeoPackage or GeoJSON with a plain name and map with that")  # fmt: skip
    return files | {name: path.read_bytes()}


def _file_facts(options: MapOptions) -> dict[str, Any]:
    path = Path(str(options.pixels.input))
    return {"input": {"name": path.name, "sha256": digest(path.read_bytes())}, "engine": {"server": "none"}}


def _composite_facts(
    map_file: MapFile, request: MapRequest, trained: ck.Checkpoint, files: dict[str, bytes]
) -> dict[str, Any]:
    """Scenes, graph (put into `files`), requests and engine of the composite, asked again."""
    source, session = composed(request, trained)
    with closing(source):
        if source.tags["scenes"] != map_file.tags.get("scenes"):
            raise ValueError(
                f"the engine lists other scenes now than {map_file.path} was made of "
                f"({map_file.tags.get('scenes')}): a capsule of it would be untrue; make the map again first"
            )
        graph = source.made.packed.serialize().encode()
        files[archive.GRAPH] = graph
        blocks = source.blocks
        return {
            "scenes": scenes_of(source, request, trained),
            "graph": digest(graph),
            "engine": {"server": session.server, "catalog": Path(session.catalog).name},
            "requests": {
                "blocks": [[block.row, block.col, block.height, block.width] for block in blocks],
                "first": [source.ground.seen.row, source.ground.seen.col],
                "bands": list(source.bands),
                "crs": str(source.geobox.crs),
                "affine": list(source.geobox.affine)[:6],
            },
        }
