"""Where the local engine answers a recorded question otherwise than the server that was recorded."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import requests

from local_ee.testing.answers import Answer, Answers, Question

if TYPE_CHECKING:
    from local_ee import LocalEngine

COMPARED = ("value:compute", "image:computePixels", "table:computeFeatures")
ABSENT = "(does not exist or caller does not have access)."  # ends Google's sentence
RELATIVE = 1e-9  # of numbers in JSON; pixels are compared exactly
MOST_SHOWN = 120  # characters of an answer


@dataclass(frozen=True)
class Drift:
    """What was compared, and a sentence for each question that is answered otherwise."""

    compared: int
    differences: tuple[str, ...]

    def lines(self) -> Sequence[str]:
        """The report for people."""
        total = f"{len(self.differences)} of {self.compared} recorded answers differ from the local engine's"
        return (total, *(f"  {difference}" for difference in self.differences))


def drift(answers: Answers, engine: LocalEngine) -> Drift:
    """Asks the engine every recorded question that a computation answers, and compares."""
    pairs = [(question, answer) for question, answer in answers if _method(question) in COMPARED]
    differences = ((question, difference(answer, ask(question, engine.url))) for question, answer in pairs)
    return Drift(len(pairs), tuple(f"{question}: {words}" for question, words in differences if words))


def ask(question: Question, url: str) -> Answer:
    """The answer of the server at an address."""
    reply = requests.request(
        question.method, f"{url}/v1/projects/local/{_method(question)}", json=dict(question.body), timeout=600
    )
    return Answer(reply.status_code, reply.headers.get("content-type", ""), reply.content)


def difference(recorded: Answer, local: Answer) -> str | None:
    """How two answers differ, in words; None where they do not."""
    if recorded.status != local.status:
        return f"recorded {_shown(recorded)}, local {_shown(local)}"
    if recorded.content == local.content:
        return None
    if recorded.content.startswith(b"\x93NUMPY") and local.content.startswith(b"\x93NUMPY"):
        return _pixels_differ(*(np.load(io.BytesIO(each.content), allow_pickle=False) for each in (recorded, local)))
    try:
        same = _close(_content(recorded), _content(local))
    except ValueError:
        same = False
    return None if same else f"recorded {_shown(recorded)}, local {_shown(local)}"


def _content(answer: Answer) -> Any:
    """The value, or Google's words of a refusal: what the engine adds on an asset that is absent is its own."""
    document = answer.document
    if answer.status < 400 or "error" not in document:
        return document
    words, absent, _ = document["error"]["message"].partition(ABSENT)
    return words + absent


def _method(question: Question) -> str:
    return question.path.partition("?")[0].rpartition("/")[2]


def _close(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_close(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_close, left, right))
    if _is_number(left) and _is_number(right):
        return math.isclose(left, right, rel_tol=RELATIVE)
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pixels_differ(recorded: np.ndarray, local: np.ndarray) -> str | None:
    if recorded.shape != local.shape or recorded.dtype != local.dtype:
        return f"recorded {recorded.shape} {recorded.dtype}, local {local.shape} {local.dtype}"
    names = recorded.dtype.names or ()
    pairs = [(recorded[name], local[name]) for name in names] or [(recorded, local)]
    unlike = [(left != right) & ~(np.isnan(left) & np.isnan(right)) for left, right in pairs]
    count = sum(int(each.sum()) for each in unlike)
    if not count:
        return None
    largest = max(
        float(np.abs(left[where].astype(float) - right[where].astype(float)).max())
        for (left, right), where in zip(pairs, unlike, strict=True)
        if where.any()
    )
    return f"{count} of {sum(each.size for each in unlike)} pixels differ, by up to {largest:g}"


def _shown(answer: Answer) -> str:
    if "json" not in answer.media_type:
        return f"{answer.status} with {len(answer.content)} bytes of {answer.media_type}"
    text = " ".join(answer.content.decode("utf-8", "replace").split())
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
