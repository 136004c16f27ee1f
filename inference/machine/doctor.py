"""`isamap doctor`: what this machine has of what isamap needs, as text for an issue without secrets or folders.

Each line is looked at by itself and never raises: a machine that is ill is the one that has to be described.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from isamap.gee_export.base.login import has_login
from isamap.gee_export.base.outage import NETWORK, outage
from isamap.gee_export.base.platform import lock
from isamap.gee_export.base.revision import revision
from isamap.gee_export.earth_engine.check import CheckRow
from isamap.training.home import cache_home

PACKAGES = (
    "earthengine-api", "google-cloud-storage", "numpy", "rasterio", "pyogrio", "pyproj", "shapely", "odc-geo", "torch",
    "pytorch-lightning", "scikit-learn", "numba", "onnxruntime", "openvino", "starlette",
)  # fmt: skip
DRIVERS = ("GTiff", "COG", "VRT", "JP2OpenJPEG", "PNG")
SERVERS = {
    "Earth Engine": "https://earthengine.googleapis.com/",
    "Earth Search": "https://earth-search.aws.element84.com/v1",
    "Planetary": "https://planetarycomputer.microsoft.com/api/stac/v1",
}
ANSWER_S = 8.0
# whose values may be shown; of others only that they are set, for a proxy's address may hold a password
SHOWN = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "GDAL_CACHEMAX", "EARTHENGINE_GRPC")
NAMED = ("GDAL_DATA", "PROJ_DATA", "PROJ_LIB", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE",
         "GOOGLE_APPLICATION_CREDENTIALS", "EARTHENGINE_TOKEN", "ISAMAP_HOME")  # fmt: skip
LEAST_FREE_BYTES, LEAST_MEMORY_BYTES = 5 << 30, 2 << 30
Reach = Callable[[str], str]


@dataclass(frozen=True)
class DoctorReport:
    """Every line in order; printed as a block of Markdown that an issue shows as it is."""

    rows: tuple[CheckRow, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that is needed is wrong."""
        return all(row.ok for row in self.rows if row.required)

    def __str__(self) -> str:
        return "\n".join(["```", *map(str, self.rows), "```"])


def doctor(*, offline: bool = False, reach: Reach | None = None) -> DoctorReport:
    """Versions, GDAL, memory, disk, locks, GPU, login and servers of this machine, each line with its remedy.

    offline: no server is asked. reach: what asks one, an address to words (OSError: not reached); for tests.
    """
    named: list[tuple[str, Callable[[], Iterator[CheckRow]]]] = [
        ("isamap", _versions), ("packages", _packages), ("GDAL", _gdal), ("computer", _computer), ("GPU", _gpu),
        ("disk", _disks), ("environment", _environment), ("login", _login),
    ]  # fmt: skip
    rows = [row for name, look in named for row in _looked(name, look)]
    servers = [] if offline else _servers(reach or _reach)
    return DoctorReport((*rows, *servers))


def _looked(name: str, look: Callable[[], Iterator[CheckRow]]) -> list[CheckRow]:
    """The lines of one look; the error's words instead where it fails."""
    rows: list[CheckRow] = []
    try:
        rows.extend(look())
    except Exception as error:  # the machine is described whatever is wrong with it
        rows.append(CheckRow(name, False, f"{type(error).__name__}: {_without_home(str(error))}", required=False))
    return rows


def _versions() -> Iterator[CheckRow]:
    try:
        version = metadata.version("isamap")
    except metadata.PackageNotFoundError:
        version = "unreleased"
    yield CheckRow("isamap", True, f"{version} (revision {revision() or 'unknown'})")
    is_known = sys.platform == "linux" and sys.version_info >= (3, 11)
    system = f"Python {platform.python_version()}, {platform.platform()}"
    yield CheckRow("system", is_known, system, "isamap is tested on Linux with Python 3.11 and later", required=False)


def _packages() -> Iterator[CheckRow]:
    present: dict[str, str | None] = {}
    for name in PACKAGES:
        present[name] = None
        with suppress(metadata.PackageNotFoundError):
            present[name] = metadata.version(name)
    yield CheckRow("packages", True, ", ".join(f"{name} {version}" for name, version in present.items() if version))
    if missing := [name for name, version in present.items() if version is None]:
        yield CheckRow("not installed", False, ", ".join(missing), "only some commands need them", required=False)


def _gdal() -> Iterator[CheckRow]:
    import rasterio

    with rasterio.Env() as environment:
        missing = [name for name in DRIVERS if name not in environment.drivers()]
    words = f"{rasterio.__gdal_version__}, PROJ {rasterio.__proj_version__}"
    yield CheckRow(
        "GDAL", not missing, f"{words}{', lacks ' * bool(missing)}{', '.join(missing)}", "reinstall rasterio"
    )
    if foreign := [name for name in ("GDAL_DATA", "PROJ_DATA", "PROJ_LIB") if name in os.environ]:
        remedy = f"unset {' '.join(foreign)}: rasterio brings its own files, and those of others mislead it"
        yield CheckRow("GDAL files", False, f"{', '.join(foreign)} set", remedy, required=False)


def _computer() -> Iterator[CheckRow]:
    from isamap.training.cpu import cores
    from isamap.training.memory import available_bytes

    yield CheckRow("processors", True, f"{cores()} of {os.cpu_count()} usable, {platform.machine()}")
    available = available_bytes("cpu")
    remedy = "close other programs, or take smaller batches and crops"
    yield CheckRow("memory", available >= LEAST_MEMORY_BYTES, f"{_gib(available)} GiB free", remedy, required=False)


def _gpu() -> Iterator[CheckRow]:
    import torch

    from isamap.training.gpu import MPS, gpu_of

    if gpu_of() == MPS:
        yield CheckRow("GPU", True, "Apple's, in fp32; isamap was not tried on one")
        return
    if not torch.cuda.is_available():
        yield CheckRow("GPU", True, f"none that torch {torch.__version__} can use: networks are trained on the CPU")
        return
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        yield CheckRow("GPU", True, f"{torch.cuda.get_device_name(index)}, {_gib(free)} of {_gib(total)} GiB free")


def _disks() -> Iterator[CheckRow]:
    for name, locks, folder in (
        ("this folder", "locks here", Path.cwd()),
        ("ISAMAP_HOME", "locks there", cache_home()),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        yield CheckRow(name, free >= LEAST_FREE_BYTES, f"{_gib(free)} GiB free", "free some space", required=False)
        yield _locks(locks, folder)


def _locks(name: str, folder: Path) -> CheckRow:
    """Whether a file can be written and locked there: mounted drives often know no locks."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            lock.need(file)
    except OSError as error:
        remedy = "two processes may then write one file: work on a local disk, or run one command at a time"
        return CheckRow(name, False, f"no file can be written and locked ({error.strerror})", remedy, required=False)
    return CheckRow(name, True, "files can be written and locked")


def _environment() -> Iterator[CheckRow]:
    shown = [f"{name}={os.environ[name]}" for name in SHOWN if name in os.environ]
    shown += [f"{name} set" for name in NAMED if name in os.environ]
    yield CheckRow("environment", True, ", ".join(shown) or "nothing set that isamap, GDAL or Google's clients read")


def _login() -> Iterator[CheckRow]:
    is_there = has_login()
    detail = "credentials lie on this machine" if is_there else "no credentials of Earth Engine lie on this machine"
    remedy = "run `earthengine authenticate` (only Google's servers need it)"
    yield CheckRow("login", is_there, detail, remedy, required=False)


def _servers(reach: Reach) -> list[CheckRow]:
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        return list(pool.map(lambda pair: _server(pair[0], pair[1], reach), SERVERS.items()))


def _server(name: str, address: str, reach: Reach) -> CheckRow:
    try:
        return CheckRow(name, True, reach(address))
    except OSError as error:
        words = outage(error) or str(getattr(error, "reason", None) or error)
        return CheckRow(name, False, f"not reached: {words}", NETWORK, required=False)


def _reach(address: str) -> str:
    """That a server answers, whatever it says."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=ANSWER_S):
            return "answers"
    except HTTPError:  # an answer, too
        return "answers"


def _without_home(text: str) -> str:
    return text.replace(str(Path.home()), "~")


def _gib(size: float) -> str:
    return f"{size / (1 << 30):.1f}"
