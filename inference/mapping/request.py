"""What to map, written once: the options of `isamap map`, of `map_region`, and of the file beside a map that makes it
again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

from isamap.gee_export.base import option_files
from isamap.gee_export.base.options import Option, from_options, options_of
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.base.storage import write_whole
from isamap.gee_export.earth_engine.assets import check_composite_asset
from isamap.gee_export.export.place_options import OnePeriod, OnePlace

Project = Annotated[str | None, replace(PROJECT, metavar="NAME", group="Pixels")]
Catalog = Annotated[
    str, Option("Local engine's images: world, open (public archives), a folder, or a class map.", group="Pixels")
]
TORCH, FP32, NO_TTA, NO_POST = "torch", "fp32", "none", "none"
NO_SIEVE = "none"
HEAD = "# Made by isamap map: `isamap map --config THIS.toml --out NEW.tif` makes the map beside this file again.\n"


@dataclass(frozen=True)
class Pixels:
    """Whose pixels are mapped: a file's, or a composite's by Earth Engine or by the local engine."""

    GROUP: ClassVar[str] = "Pixels"
    input: Annotated[
        str | None, Option("A GeoTIFF with named bands to map instead of a composite.", metavar="FILE")
    ] = None
    project: Project = None
    catalog: Catalog = "world"
    image: Annotated[
        str | None, Option("Earth Engine image or collection to map instead of a composite.", metavar="ASSET")
    ] = None
    composite_asset: Annotated[
        str | None, Option("Collection of `isamap composite` to read the composite from.", metavar="ASSET")
    ] = None
    unit: Annotated[str | None, Option("Of --image's numbers, as `isamap export` takes it.", metavar="UNIT")] = None

    def __post_init__(self) -> None:
        if self.image is not None and self.input is not None:
            raise ValueError(f"--input {self.input} and --image {self.image} are two images: give one of them")
        check_composite_asset(self.composite_asset, instead=_other_image(self.input, self.image))
        if self.unit is not None and self.image is None:
            raise ValueError(f"--unit {self.unit} is of an --image: give one, or leave it out")


def _other_image(file: str | None, asset: str | None) -> str | None:
    named = {"input": file, "image": asset}
    return next((f"--{option} {value}" for option, value in named.items() if value is not None), None)


@dataclass(frozen=True)
class Computing:
    """What runs the network and what follows it; all but workers may change pixels in their last bits or more."""

    GROUP: ClassVar[str] = "Computing"
    workers: Annotated[int, Option("Windows at once; 0: one for each core.", local=True)] = 0
    runtime: Annotated[str, Option("What runs the network (openvino is fastest).", metavar="[torch|onnx|openvino]")] = (
        TORCH
    )
    precision: Annotated[
        str,
        Option("bf16 and fp16 where the processor has them; int8 after `quantize`.", metavar="[fp32|bf16|fp16|int8]"),
    ] = FP32
    tta: Annotated[
        str, Option("Mean over flips, or over flips and turns, of each window.", metavar="[none|flips|d4]")
    ] = NO_TTA
    device: Annotated[str, Option("What computes.", metavar="[auto|cpu|gpu]")] = "auto"
    post: Annotated[
        str, Option("clahe favours impervious where it stands out; see `calibrate`.", metavar="[none|clahe]")
    ] = NO_POST
    mask: Annotated[
        tuple[str, ...],
        Option("Set pixels where the raster is above 0 to this class, or unknown.", metavar="FILE=CLASS"),
    ] = ()
    sieve: Annotated[
        str, Option("Smaller components take the class around them: pixels, or 500m2.", metavar="UNIT")
    ] = NO_SIEVE

    @property
    def forward(self) -> dict[str, str]:
        """What runs the network, in which numbers, and over which symmetries if any."""
        symmetries = {} if self.tta == NO_TTA else {"tta": self.tta}
        return {"runtime": self.runtime, "precision": self.precision} | symmetries


@dataclass(frozen=True)
class MapOptions:
    """All that decides a map beside the checkpoint."""

    GROUP: ClassVar[str] = "Computing"
    where: OnePlace = field(default_factory=OnePlace)
    when: OnePeriod = field(default_factory=OnePeriod)
    pixels: Pixels = field(default_factory=Pixels)
    computing: Computing = field(default_factory=Computing)
    sets: Annotated[bool, Option("Also NAME_set.tif: which classes a pixel may have; see `calibrate`.")] = False

    @property
    def tags(self) -> dict[str, str]:
        """What the map will say of its place and time, as far as that is known before anything is opened."""
        file = self.pixels.input
        origin = {"region": self.where.area.name} if file is None else {"input": Path(file).name}
        timed = file is None or not self.when.is_open
        return origin | ({"period": str(self.when.composite)} if timed else {})


@dataclass(frozen=True)
class MapRequest:
    """A map: of which network, where it is written, and its options."""

    GROUP: ClassVar[str] = "What"
    checkpoint: Annotated[str, Option("A run's folder, or one checkpoint in it.", metavar="FOLDER")] = ""
    out: Annotated[str, Option("The map, a .tif; an interrupted map continues.", metavar="MAP.tif", local=True)] = ""
    options: MapOptions = field(default_factory=MapOptions)
    overwrite: Annotated[bool, Option("Replace what is there with other content.", local=True)] = False

    @property
    def file(self) -> Path:
        """The file of classes; ValueError where its name is no GeoTIFF's, or nothing says which checkpoint."""
        for name, example in (("checkpoint", "runs/NAME"), ("out", "NAME.tif")):
            if not getattr(self, name):
                raise ValueError(f"--{name} is missing: give --{name} {example}")
        if self.out.startswith("gs://"):
            raise ValueError(
                f"--out {self.out}: a map is a file of this machine; `isamap run` and `isamap publish` fill buckets"
            )
        path = Path(self.out)
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise ValueError(f"--out {path}: a map is a GeoTIFF, give a name that ends in .tif")
        if path.is_dir():
            raise ValueError(f"--out {path} is a folder: give the name of a file in it, such as {path / 'map.tif'}")
        return path


def request_file_of(path: Path) -> Path:
    """NAME.toml of NAME.tif, the options that make the map again."""
    return path.with_suffix(".toml")


def check_keepable(request: MapRequest, *, replaces: bool) -> None:
    """ValueError where the request's file would take the place of another one, which a user may have written.

    replaces: whether the file of a map that is replaced may go with it.
    """
    path = request_file_of(request.file)
    if not path.exists() or _asks_the_same(path, request) or (replaces and _is_ours(path)):
        return
    raise ValueError(
        f"{path} exists and is not the file of this map, which would take its place: choose another --out, or move it"
    )


def keep(request: MapRequest) -> None:
    """Writes the request's file beside its map; none where Python gave a region that no name or box stands for."""
    path, text = request_file_of(request.file), _text(request)
    if path.exists() and _asks_the_same(path, request):
        return
    if text is not None:
        write_whole(path, (HEAD + text).encode())
    elif path.exists():  # of the map that was replaced
        path.unlink()


def _text(request: MapRequest) -> str | None:
    try:
        return option_files.to_toml(request, without=[o.name for o in options_of(MapRequest) if o.option.local])
    except ValueError:
        return None


def _is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(HEAD.encode())


def _asks_the_same(path: Path, request: MapRequest) -> bool:
    """Whether a file holds the options of the request, however it spells them."""
    try:
        return _text(from_options(MapRequest, option_files.read(MapRequest, path))) == _text(request)
    except ValueError:
        return False
