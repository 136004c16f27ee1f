"""Faults that an engine is asked for: which requests and tasks go wrong, in which way, when (local_ee/docs/engine.md).

Nothing here acts: `injector` decides call by call and keeps the log, `rest.faulty` and the task and list routes act.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PIXELS = ("pixels", "thumbnails", "maps")
COMPUTED = ("value", *PIXELS)
TASKS = ("task",)
TRANSFERS = ("upload", "download")
STORAGE = (*TRANSFERS, "list", "object", "delete", "copy", "bucket", "batch")
HTTP = (*COMPUTED, "export", "import", "operations", "assets", "other", *STORAGE)
ROUTES = (*HTTP, *TASKS)
ANY = "any"  # every HTTP route


@dataclass(frozen=True)
class Kind:
    """A way to go wrong: where it can happen, what it needs to know, its default words."""

    name: str
    routes: tuple[str, ...]
    asks: tuple[str, ...] = ()  # parameters that it may be given
    needs: tuple[str, ...] = ()  # of these, one at least
    message: str = ""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("429", HTTP, ("message",), message="Quota exceeded: Too many concurrent aggregations."),
        Kind("500", HTTP, ("message",), message="An internal error has occurred."),
        Kind("503", HTTP, ("message",), message="The service is currently unavailable."),
        Kind("reset", HTTP),
        Kind("lost", HTTP),
        Kind("truncate", HTTP),
        Kind("delay", ROUTES, ("seconds", "spread"), ("seconds",)),
        Kind("quota", HTTP, ("at_once", "per_second", "message"), ("at_once", "per_second"), "Too Many Requests"),
        Kind("memory", (*COMPUTED, *TASKS), ("above_px", "message"), message="User memory limit exceeded."),
        Kind("timeout", (*COMPUTED, *TASKS), ("above_px", "message"), message="Computation timed out."),
        Kind("corrupt", TRANSFERS),
        Kind("lag", ("list",), ("lists",), ("lists",)),
        Kind("fail", TASKS, ("message",), message="Execution failed; out of memory."),
        Kind("missing", TASKS),
    )
}


@dataclass(frozen=True)
class FaultRule:
    """One kind of fault on some routes. Calls that the rule looks at are counted from 1.

    matching: a regular expression found in the request's address (list: in the object's name; task: in its
    description). It strikes with `probability` on the calls `nth`, or on those from `first` to `last`, at most
    `count` times. seconds: the delay's median, spread: of its natural logarithm (0: always the same). above_px: only
    requests of more pixels. at_once and per_second: the quota. lists: how often an object is left out of a list.
    """

    on: tuple[str, ...]
    kind: str
    probability: float = 1.0
    nth: tuple[int, ...] = ()
    first: int = 1
    last: int | None = None
    count: int | None = None
    matching: str = ""
    seconds: float | None = None
    spread: float = 0.0
    above_px: int = 0
    at_once: int | None = None
    per_second: float | None = None
    lists: int | None = None
    message: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault of kind {self.kind!r}: expected one of {', '.join(KINDS)}")
        object.__setattr__(self, "on", _routes(self.on, KINDS[self.kind]))
        object.__setattr__(self, "nth", _numbers(self.nth))
        _check_parameters(self)
        if not 0 <= self.probability <= 1:
            raise ValueError(f"{self.kind}: probability {self.probability} must lie in 0 to 1")
        if self.nth and (self.first, self.last) != (1, None):
            raise ValueError(f"{self.kind}: nth and first or last both say which calls: give one of them")
        try:
            re.compile(self.matching)
        except re.error as error:
            raise ValueError(f"{self.kind}: matching {self.matching!r} is no regular expression: {error}") from error

    @property
    def words(self) -> str:
        """What the client is told."""
        return self.message or KINDS[self.kind].message

    def covers(self, call: int) -> bool:
        """Whether the rule may strike on its call of this number."""
        if self.nth:
            return call in self.nth
        return self.first <= call and (self.last is None or call <= self.last)

    def matches(self, address: str) -> bool:
        return re.search(self.matching, address) is not None


@dataclass(frozen=True)
class Faults:
    """Everything that an engine is asked to do wrong; no rules: it does nothing wrong and only keeps its log."""

    rules: tuple[FaultRule, ...] = field(default=())
    seed: int = 0

    @classmethod
    def of(cls, *rules: FaultRule | Mapping[str, Any], seed: int = 0) -> Faults:
        """Of rules, or of their JSON forms."""
        return cls(tuple(rule if isinstance(rule, FaultRule) else _rule(rule) for rule in rules), seed)

    @classmethod
    def from_json(cls, document: Any) -> Faults:
        """Of {"seed": 7, "rules": [{"on": "pixels", "kind": "503", "nth": 3}, ...]}; ValueError otherwise."""
        if not isinstance(document, Mapping) or not isinstance(document.get("rules"), list):
            raise ValueError('faults: expected an object with a list of "rules"')
        _refuse_unknown("faults", document, ("seed", "rules"))
        seed = document.get("seed", 0)
        if not _is_whole(seed):
            raise ValueError(f"faults: seed {seed!r} must be a whole number")
        return cls.of(*document["rules"], seed=seed)

    @classmethod
    def from_file(cls, path: str | Path) -> Faults:
        """From a JSON file; ValueError where it is absent or no such file."""
        try:
            return cls.from_json(json.loads(Path(path).read_text("utf-8")))
        except OSError as error:
            raise ValueError(f"faults file {path} cannot be read: {error.strerror}") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"faults file {path} is no JSON: {error}") from error
        except ValueError as error:
            raise ValueError(f"faults file {path}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The form that from_json takes, without what is left at its default."""
        return {"seed": self.seed, "rules": [_json(rule) for rule in self.rules]}


_DEFAULTS = {f.name: f.default for f in fields(FaultRule)}
_WHOLE = ("first", "last", "count", "above_px", "at_once", "lists")
_REAL = ("probability", "seconds", "spread", "per_second")


def _rule(document: Any) -> FaultRule:
    if not isinstance(document, Mapping) or not {"on", "kind"} <= document.keys():
        raise ValueError(f'fault rule {document!r}: expected an object with "on" and "kind"')
    _refuse_unknown(f"fault rule of kind {document['kind']!r}", document, _DEFAULTS)
    return FaultRule(**{**document, "kind": str(document["kind"])})


def _refuse_unknown(where: str, document: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in document:
        if key not in keys:
            raise ValueError(f"{where}: unknown key {key!r}, expected {', '.join(keys)}")


def _routes(on: Any, fault_kind: Kind) -> tuple[str, ...]:
    names = (on,) if isinstance(on, str) else tuple(on) if isinstance(on, list | tuple) else ()
    if not names:
        raise ValueError(
            f"{fault_kind.name}: on names no route, expected some of {', '.join(fault_kind.routes)} or {ANY}"
        )
    routes = tuple(r for r in fault_kind.routes if r in HTTP) if names == (ANY,) else names
    for route in routes:
        if route not in fault_kind.routes:
            raise ValueError(f"{fault_kind.name} cannot happen on {route!r}: expected {', '.join(fault_kind.routes)}")
    if not routes:
        raise ValueError(
            f"{fault_kind.name} happens to tasks, not to requests: set on to {', '.join(fault_kind.routes)}"
        )
    return routes


def _numbers(nth: Any) -> tuple[int, ...]:
    numbers = (nth,) if _is_whole(nth) else nth
    if not isinstance(numbers, list | tuple) or not all(
        _is_whole(call_number) and call_number >= 1 for call_number in numbers
    ):
        raise ValueError(f"nth {nth!r}: expected a call number from 1, or a list of them")
    return tuple(numbers)


def _check_parameters(rule: FaultRule) -> None:
    fault_kind, settings = KINDS[rule.kind], {name for name in _DEFAULTS if getattr(rule, name) != _DEFAULTS[name]}
    own = {"seconds", "spread", "above_px", "at_once", "per_second", "lists", "message"}
    for name in sorted(settings & own - set(fault_kind.asks)):
        raise ValueError(f"{rule.kind} has no {name}: it takes {', '.join(fault_kind.asks) or 'nothing of its own'}")
    if fault_kind.needs and not settings & set(fault_kind.needs):
        raise ValueError(f"{rule.kind} needs {' or '.join(fault_kind.needs)}")
    for name in (*_WHOLE, *_REAL):
        value = getattr(rule, name)
        sound = value is None or (_is_whole(value) if name in _WHOLE else _is_number(value))
        if not sound or (value is not None and value < 0):
            noun = "whole number" if name in _WHOLE else "number"
            raise ValueError(f"{rule.kind}: {name} {value!r} must be a {noun} of at least 0")
    for name in ("at_once", "per_second"):
        if getattr(rule, name) == 0:
            raise ValueError(f"{rule.kind}: {name} 0 lets nothing through: use 429 for that")
    for name in ("matching", "message"):
        if not isinstance(getattr(rule, name), str):
            raise ValueError(f"{rule.kind}: {name} {getattr(rule, name)!r} must be a text")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _json(rule: FaultRule) -> dict[str, Any]:
    settings = {name: getattr(rule, name) for name in _DEFAULTS if getattr(rule, name) != _DEFAULTS[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
