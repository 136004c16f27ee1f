"""One question to a server, what the documents assume of its answer, and how the two compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Reaction, Refused, classify
from isamap.inference.prove.place import ProofPlace

CONFIRMED, REFUTED, MEASURED, UNTRIED = "confirmed", "refuted", "measured", "not tried"
RELATIVE = 1e-5  # of numbers: pixels travel as float32
REFUSED = "refused"
TIMES = "plan"  # the page of probes that measure times and costs


@dataclass(frozen=True)
class Probe:
    """A question. name: step.slug; assumption: one sentence; expected: the answer in plain JSON, None to measure it.

    page: of docs/ that makes the assumption. eecu_s: the most that Google may count for it.
    """

    name: str
    assumption: str
    ask: Callable[[ProofPlace], Any] = field(repr=False)
    expected: Any = None
    page: str = "engine"
    eecu_s: float = 1.0

    @property
    def step(self) -> str:
        return self.name.partition(".")[0]

    @property
    def tag(self) -> str:
        """The workload tag: of its step, or its own where its cost is what is asked."""
        return f"prove-{self.name.replace('.', '-') if self.page == TIMES else self.step}"


@dataclass(frozen=True)
class Verdict:
    """What became of a probe, plain JSON. words: why it was not tried."""

    name: str
    assumption: str
    page: str
    status: str
    expected: Any = None
    answer: Any = None
    words: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Verdict:
        """ValueError for what `to_json` did not write."""
        try:
            return cls(**document)
        except TypeError as error:
            raise ValueError(f"no verdict of isamap prove: {error}") from error


def untried(probe: Probe, words: str) -> Verdict:
    return Verdict(probe.name, probe.assumption, probe.page, UNTRIED, probe.expected, words=words)


def judged(probe: Probe, place: ProofPlace) -> Verdict:
    """Asks once and compares. What the server refuses for good is its answer; what may pass is not one.

    Nor is a refusal where something was to be measured.
    """
    try:
        answer = probe.ask(place)
    except Exception as error:
        if probe.expected is None or not _is_an_answer(error):
            return untried(probe, _line(error))
        answer = {REFUSED: _line(error)}
    return Verdict(probe.name, probe.assumption, probe.page, _status(answer, probe.expected), probe.expected, answer)


def agrees(answer: Any, expected: Any) -> bool:
    """Whether an answer is the expected one; numbers to RELATIVE, mappings by the expected keys alone."""
    if isinstance(expected, Mapping):
        return isinstance(answer, Mapping) and all(
            name in answer and agrees(answer[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list | tuple):
        return isinstance(answer, list | tuple) and len(answer) == len(expected) and all(map(agrees, answer, expected))
    if _is_number(expected) and _is_number(answer):
        return math.isclose(answer, expected, rel_tol=RELATIVE, abs_tol=1e-9)
    return type(answer) is type(expected) and bool(answer == expected)


def _status(answer: Any, expected: Any) -> str:
    if expected is None:
        return MEASURED
    return CONFIRMED if agrees(answer, expected) else REFUTED


def _is_an_answer(error: BaseException) -> bool:
    """Whether the server, or isamap, has spoken about the question, rather than about itself, the login or the line."""
    import ee

    source = _source(error)
    if isinstance(source, (ee.EEException, Refused)):
        return classify(source) in (Reaction.NEVER, Reaction.SMALLER)
    return source is error and isinstance(error, (Fault, ValueError))


def _source(error: BaseException) -> BaseException:
    """What the server or the line said, behind isamap's own words for it."""
    while isinstance(error, (Fault, ValueError)) and (behind := error.__cause__ or error.__context__):
        error = behind
    return error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
