"""What a comment of Google's API-doc samples says is printed, for conformance.py, compared with an answer.

A comment is read as a value in one of the forms of _FORMS: a literal (`[1, 1/√2]`, rows of a matrix, `[Almost zero]`),
a pixel type (`int ∈ [0, 1]`), a date, an image's bands, fields (`unit: meters value: 1`) or a count (`999 elements`).
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_NAMES = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "inf": math.inf}
_NAMES |= {"NaN": math.nan, "Infinity": math.inf, "pi": math.pi, "π": math.pi}
_OPERATORS = {ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b}
_OPERATORS |= {ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b}
_CALLS: dict[str, Callable[..., float]] = {"sqrt": math.sqrt, "pow": math.pow}
_LEAD = re.compile(r"^(?:The string|Result:|Empty|Rounds\.|[\d\s.*+/()-]+=)\s+")  # "1*3 + 2*4 = 11"
_REMARK = re.compile(r"\s+\([^()]*\)$")  # "1.570796326 (π/2)"
_PIXEL_TYPE = re.compile(
    r"(?P<sign>unsigned )?(?P<name>int|float|double)(?P<bits>\d*)"
    r"(?: ∈ \[(?P<min>[^,\]]+), (?P<max>[^\]]+)\])?(?:, (?P<dimensions>\d+) dimensions?)?"
)
_BAND = re.compile(r'(\d+): "(?P<id>[^"]+)", (?P<type>.+), (?P<crs>EPSG:\d+)')
_IMAGE = re.compile(r"(?:\d+: )?Image (?:(?P<id>\S+/\S+) )?\((?P<count>\d+) bands?\)")
_DATE = re.compile(r"Date \((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\)")
_FIELD = re.compile(r"(\w+): (\S+)")


class _Text(str):
    """A printed text without quotation marks."""


@dataclass(frozen=True)
class Length:
    """How many elements a list has whose elements are not printed."""

    count: int


@dataclass(frozen=True)
class Printed:
    """A printed value that was read from a comment; numbers know how many digits were printed."""

    text: str
    value: Any

    def equals(self, answer: Any) -> bool:
        return _same(self.value, answer, self.text)

    def states(self, answer: Any) -> bool:
        """Whether the comment is about an answer like this: words without quotation marks are only about texts."""
        return not isinstance(self.value, _Text) or isinstance(answer, str | list)


def printed_value(lines: Sequence[str]) -> Printed | None:
    """The value of a comment's lines; None where they are prose."""
    whole = "\n".join(lines)
    rows = next(("\n".join(lines[index:]) for index, line in enumerate(lines) if line.startswith("[")), "")
    singles = [line for line in (*lines[-1:], *lines[:1]) if "\n" not in rows or line not in rows]
    readings = [(form, whole) for form in _FORMS] + [(_literal, text) for text in (rows, *singles)]
    for form, text in readings:
        try:
            return Printed(" ".join(text.split()), form(text))
        except (ValueError, ZeroDivisionError, OverflowError, RecursionError):
            continue
    return None


def printed_text(line: str) -> Printed | None:
    """The words of a comment that stands beside its statement: a text without quotation marks."""
    return None if line.startswith("ee.") else Printed(line, _Text(line))


def _literal(text: str) -> Any:
    source = _LEAD.sub("", text.strip()).rstrip(".")
    source = _REMARK.sub("", source.replace("Almost zero", "0").replace("~", ""))
    source = re.sub(r"\b[Aa]lmost ", "", re.sub(r"√(\d+)", r"sqrt(\1)", source)).strip()
    try:
        return _evaluated(ast.parse(_balanced(re.sub(r"\]\s*,?\s*\[", "], [", source)), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(text) from error


def _balanced(source: str) -> str:
    """Brackets that a sample forgot at the end, or has too many of."""
    excess = source.count("]") - source.count("[")
    return source[:-excess] if excess > 0 and source.endswith("]" * excess) else source + "]" * -excess


def _evaluated(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_evaluated(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_key(key): _evaluated(value) for key, value in pairs if key is not None}
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "math.e":
        return math.e
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluated(node.left), _evaluated(node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        return _CALLS[node.func.id](*map(_evaluated, node.args))
    raise ValueError(ast.dump(node))


def _key(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else _evaluated(node)


def _pixel_type(text: str) -> dict[str, Any]:
    match = _PIXEL_TYPE.fullmatch(text.strip())
    if not match:
        raise ValueError(text)
    bits = int(match["bits"] or 0)
    limits = [float(match["min"]), float(match["max"])] if match["min"] else None
    if bits:
        limits = [0, 2**bits - 1] if match["sign"] else [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    dimensions = int(match["dimensions"]) if match["dimensions"] else None
    return {"type": "PixelType", "precision": match["name"], "dimensions": dimensions, "limits": limits}


def _date(text: str) -> dict[str, Any]:
    match = _DATE.fullmatch(text.strip())
    if not match:
        raise ValueError(text)
    return {"type": "Date", "value": datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp() * 1000}


def _image(text: str) -> Any:
    """An image as its number of bands, or as each of them; in a numbered list beside texts, the list."""
    lines = text.splitlines()
    heads = [index for index, line in enumerate(lines) if _IMAGE.fullmatch(line.strip())]
    if len(heads) != 1:
        raise ValueError(text)
    head = _IMAGE.fullmatch(lines[heads[0]].strip())
    described = [band for band in map(_BAND.match, lines) if band]
    bands = [{"id": band["id"], "crs": band["crs"], "data_type": _pixel_type(band["type"])} for band in described]
    image = {"type": "Image", "bands": bands or Length(int(head["count"]))} | ({"id": head["id"]} if head["id"] else {})
    return [*(_Text(line.partition(": ")[2]) for line in lines[: heads[0]]), image] if heads[0] else image


def _fields(text: str) -> dict[str, Any]:
    words = text.strip()
    link = re.fullmatch(r"https://epsg\.io/(\d+)", words)
    if link:
        return {"type": "Projection", "crs": f"EPSG:{link[1]}"}
    if not re.fullmatch(rf"{_FIELD.pattern}(?: {_FIELD.pattern})*", words):
        raise ValueError(text)
    return {name: float(value) if value.lstrip("-").isdigit() else value for name, value in _FIELD.findall(words)}


def _count(text: str) -> Any:
    elements = re.fullmatch(r"(\d+) elements", text.strip())
    if elements:
        return Length(int(elements[1]))
    repeated = re.fullmatch(r'Array of (\d+) "(\d+)" values', text.strip())
    if not repeated:
        raise ValueError(text)
    return [int(repeated[2])] * int(repeated[1])


_FORMS: tuple[Callable[[str], Any], ...] = (_literal, _pixel_type, _date, _image, _fields, _count)


def _same(expected: Any, answer: Any, text: str) -> bool:
    if isinstance(expected, Length):
        return isinstance(answer, list) and len(answer) == expected.count
    if isinstance(answer, str) and answer in (text, _REMARK.sub("", text)):  # "# 123476.00" beside a string
        return True
    if isinstance(answer, list) and len(answer) == 1 and not isinstance(expected, list):
        return _same(expected, answer[0], text)
    if isinstance(expected, list):
        return _same_items(expected, answer, text)
    if isinstance(expected, dict):
        fields = _fields_of(answer)
        return all(_same(value, fields.get(key), text) for key, value in expected.items())
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return answer == expected or (isinstance(expected, str) and str(answer) == expected)
    return _same_number(expected, answer, text)


def _fields_of(answer: Any) -> dict[str, Any]:
    """An answer's fields; of a pixel type both limits in one, which are printed only where there are both."""
    fields = dict(answer) if isinstance(answer, dict) else {}
    limits = [fields.get("min"), fields.get("max")]
    return fields | {"limits": None if None in limits else limits}


def _same_items(expected: list[Any], answer: Any, text: str) -> bool:
    if isinstance(answer, dict) and "weights" in answer:  # a kernel, printed as its rows
        answer = answer["weights"]
    if not isinstance(answer, list):
        return len(expected) == 1 and _same(expected[0], answer, text)  # "# [16]" beside a number
    return len(expected) == len(answer) and all(_same(*pair, text) for pair in zip(expected, answer, strict=True))


def _same_number(expected: float, answer: Any, text: str) -> bool:
    """Equal in the digits that are printed, rounded or cut off."""
    if isinstance(answer, str) and answer in ("NaN", "Infinity", "-Infinity"):
        answer = float(answer.replace("Infinity", "inf"))
    if not isinstance(answer, int | float):
        return False
    if math.isnan(expected) or math.isinf(expected):
        return math.isnan(answer) if math.isnan(expected) else answer == expected
    printed = [len(decimals) for decimals in re.findall(r"\.(\d+)", text)]
    digits = max(printed, default=12 if "√" in text or "/" in text else 9)
    return math.isclose(expected, answer, rel_tol=1e-3 if "~" in text else 1e-6, abs_tol=10.0**-digits)
