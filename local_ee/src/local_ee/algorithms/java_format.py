"""Numbers as text by the rules of java.util.Formatter and Double.toString, which the page of Number.format links."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

Number = int | float
_SPECIFIER = re.compile(
    r"%(?:1\$)?(?P<flags>[-#+ 0,(]{0,7})(?P<width>[1-9]\d{0,2})?(?:\.(?P<precision>\d{1,3}))?(?P<kind>[sSdoxXeEfgGaA])"
)
_LITERALS = re.compile(r"%%|%n")
_MOST_TEXT = 1000  # characters around the number
_ALLOWED = {"s": "-", "d": "-+ 0,(", "o": "-#0", "x": "-#0", "e": "-#+ 0(", "f": "-#+ 0,(", "g": "-+ 0,(", "a": "-#+ 0"}
_WITHOUT_PRECISION = "dox"
_UNSIGNED = 2**64  # negative whole numbers in octal and hexadecimal digits
_CONTEXT = Context(prec=2000)  # holds any double with any precision
_PLAIN_SINCE, _PLAIN_UNTIL = 1e-3, 1e7  # Double.toString writes others with an exponent


@dataclass(frozen=True)
class Specifier:
    """One format specifier: its flags, least width, precision and conversion (in small letters)."""

    flags: str
    width: int
    precision: int | None
    kind: str
    upper: bool

    def __post_init__(self) -> None:
        flags = self.flags
        if set(flags) - set(_ALLOWED[self.kind]) or len(set(flags)) < len(flags):
            raise ValueError(f"flags {flags!r} of %{self.kind}")
        if self.precision is not None and self.kind in _WITHOUT_PRECISION:
            raise ValueError(f"precision of %{self.kind}")
        if ("-" in flags or "0" in flags) and not self.width:
            raise ValueError(f"flags {flags!r} need a width")
        if {"-", "0"} <= set(flags) or {"+", " "} <= set(flags):
            raise ValueError(f"flags {flags!r} exclude each other")

    def text_of(self, number: Number) -> str:
        """The number as this conversion writes it, as wide as asked for."""
        text = self._padded(*self._parts(number))
        return text.upper() if self.upper else text

    def _parts(self, number: Number) -> tuple[str, str, str]:
        """What stands before the digits, the digits, and what stands behind."""
        if self.kind == "s":
            return "", string_of(number)[: self.precision], ""
        if self.kind in "ox":
            return _in_base(int(number), self.kind, "#" in self.flags)
        number = int(number) if self.kind == "d" else float(number)
        before, behind = self._signs(math.copysign(1, number) < 0 and number == number)
        digits, mark = self._digits(abs(number))
        return before + mark, digits, behind

    def _signs(self, negative: bool) -> tuple[str, str]:
        if negative:
            return ("(", ")") if "(" in self.flags else ("-", "")
        return next((flag for flag in "+ " if flag in self.flags), ""), ""

    def _digits(self, number: Number) -> tuple[str, str]:
        """The digits of a number that is not negative, and the mark in front of them."""
        if isinstance(number, float) and not math.isfinite(number):
            return ("NaN" if math.isnan(number) else "Infinity"), ""
        if self.kind == "a":
            return _hexadecimal(float(number), self.precision), "0x"
        text = _WRITERS[self.kind](number, 6 if self.precision is None else self.precision)
        if "#" in self.flags and "." not in text:
            text = re.sub(r"^\d+", lambda whole: whole[0] + ".", text)
        return (_grouped(text) if "," in self.flags else text), ""

    def _padded(self, before: str, digits: str, behind: str) -> str:
        missing = self.width - len(before + digits + behind)
        if "0" in self.flags and digits[:1] not in "NI":
            digits = "0" * missing + digits
        text = before + digits + behind
        return text.ljust(self.width) if "-" in self.flags else text.rjust(self.width)


def formatted(number: Number, pattern: str) -> str:
    """A number by a pattern with one specifier such as %.2f, %03d or %s; ValueError for another pattern."""
    match = _SPECIFIER.search(_LITERALS.sub(lambda literal: "\0" * len(literal[0]), pattern))
    if match is None:
        raise ValueError("no specifier")
    before, behind = pattern[: match.start()], pattern[match.end() :]
    if len(before) + len(behind) > _MOST_TEXT or "%" in _LITERALS.sub("", before + behind):
        raise ValueError("another specifier, or too long a text")
    conversion = match["kind"]
    precision = None if match["precision"] is None else int(match["precision"])
    specifier = Specifier(match["flags"], int(match["width"] or 0), precision, conversion.lower(), conversion.isupper())
    return _literal(before) + specifier.text_of(number) + _literal(behind)


def string_of(number: Number) -> str:
    """A number as String.valueOf writes it: 1.0E-5, 1.2E7, 0.5, 3."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number == 0 or _PLAIN_SINCE <= abs(number) < _PLAIN_UNTIL:
        return repr(number)
    sign, digits, _ = Decimal(repr(number)).normalize().as_tuple()
    exponent = Decimal(repr(number)).adjusted()
    tail = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{tail}E{exponent}"


def _literal(text: str) -> str:
    return text.replace("%n", "\n").replace("%%", "%")


def _fixed(number: Number, precision: int) -> str:
    """Decimals of the shortest text of the number, rounded half up."""
    return f"{Decimal(repr(number)).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP, _CONTEXT):f}"


def _scientific(number: Number, precision: int) -> str:
    value = Decimal(repr(number))
    exponent = value.adjusted() if value else 0
    mantissa = value.scaleb(-exponent, _CONTEXT).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP, _CONTEXT)
    if mantissa >= 10:
        mantissa, exponent = mantissa.scaleb(-1).quantize(Decimal(1).scaleb(-precision)), exponent + 1
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _general(number: Number, precision: int) -> str:
    """Fixed decimals from 1e-4 to below 10 to the precision, of as many digits; else with an exponent."""
    digits = max(precision, 1)
    exponent = int(_scientific(number, digits - 1).partition("e")[2])
    if number == 0 or -4 <= exponent < digits:
        return _fixed(number, max(digits - 1 - exponent, 0))
    return _scientific(number, digits - 1)


_WRITERS: dict[str, Callable[[Number, int], str]] = {
    "d": lambda number, precision: str(number),
    "f": _fixed,
    "e": _scientific,
    "g": _general,
}


def _in_base(number: int, kind: str, marked: bool) -> tuple[str, str, str]:
    digits = f"{number % _UNSIGNED:{kind}}"
    return ({"o": "0", "x": "0x"}[kind] if marked else ""), digits, ""


def _grouped(text: str) -> str:
    integer, point, decimals = text.partition(".")
    return f"{int(integer):,}{point}{decimals}" if integer.isdigit() else text


def _hexadecimal(number: float, precision: int | None) -> str:
    """Digits of Double.toHexString, without 0x; rounded half to even where a precision is given."""
    if number == 0:
        return "0." + "0" * max(precision or 1, 1) + "p0"
    exponent = max(math.frexp(number)[1] - 1, -1022)
    scaled = Fraction(number) / Fraction(2) ** exponent
    places = 13 if precision is None else max(precision, 1)
    integer, fraction = divmod(round(scaled * 16**places), 16**places)
    digits = f"{fraction:0{places}x}"
    if precision is None:
        digits = digits.rstrip("0") or "0"
    return f"{integer}.{digits}p{exponent}"
