"""How fast networks are, as measured: a TOML table with program, date and device of every number."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path

from isamap.gee_export.base.storage import write_whole

SHIPPED = "rates.toml"
_HEAD = "# Measured rates of networks (docs/plan.md): km2 of maps that so many processors or GPUs make in an hour.\n"


@dataclass(frozen=True)
class Rate:
    """What one network maps in an hour on one device, windows overlapping as in a map. steps in metres."""

    network: str
    input_m: float
    output_m: float
    km2_per_hour: float
    device: str
    units: int
    runtime: str
    precision: str
    program: str
    date: str

    def __post_init__(self) -> None:
        for name in ("input_m", "output_m", "km2_per_hour", "units"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise ValueError(f"{name} = {value!r}: expected a number above 0")
        for name in ("network", "device", "runtime", "precision", "program", "date"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected words in quotes")

    def hours(self, area_km2: float) -> float:
        """How long a map of so many km2 takes."""
        return area_km2 / self.km2_per_hour

    def __str__(self) -> str:
        return f"{self.network}, {self.device}, {self.runtime} {self.precision} ({self.program}, {self.date})"


def read(path: str | Path | None = None) -> tuple[Rate, ...]:
    """The rates of a table, by default those shipped; ValueError names the file and what is wrong with it."""
    if path is None:
        return _parsed(files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8"), SHIPPED)
    try:
        return _parsed(Path(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--rates {path} cannot be read ({error}): give a table as docs/plan.md shows it") from error


def add(rate: Rate, path: str | Path) -> None:
    """Writes the rate into a table, made where there is none; one of the same network, device and way is replaced."""
    # A newer measurement of the same network, device and way replaces the older one.
    kept = [each for each in (read(path) if Path(path).exists() else ()) if _way(each) != _way(rate)]
    write_whole(Path(path), encode([*kept, rate]).encode())


def encode(rates: list[Rate]) -> str:
    """The table's text."""
    blocks = ["\n".join(f"{name} = {_toml(value)}" for name, value in asdict(rate).items()) for rate in rates]
    return _HEAD + "".join(f"\n[[rate]]\n{block}\n" for block in blocks)


def _way(rate: Rate) -> tuple[object, ...]:
    return rate.network, rate.input_m, rate.output_m, rate.device, rate.units, rate.runtime, rate.precision


def _parsed(text: str, name: str) -> tuple[Rate, ...]:
    try:
        rows = tomllib.loads(text).get("rate", [])
        return tuple(_rate(row) for row in rows)
    except (tomllib.TOMLDecodeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"table of rates {name}: {error}; docs/plan.md shows its form") from error


def _rate(row: dict[str, object]) -> Rate:
    names = [field.name for field in fields(Rate)]
    if wrong := sorted(set(names) ^ set(row)):
        raise ValueError(f"a rate has other fields than {', '.join(names)}: look at {', '.join(wrong)}")
    return Rate(**row)  # type: ignore[arg-type]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:g}" if isinstance(value, float) else str(value)
