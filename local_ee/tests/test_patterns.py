"""Regular expressions of users, and globs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_ee.budget import VALUE_BYTES, Budget
from local_ee.errors import EngineError
from local_ee.evaluation import patterns
from local_ee.evaluation.patterns import MOST_SIZE, InvalidPattern, Pattern, written_out
from local_ee.storage.globs import Glob


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(patterns, "MOST_SECONDS", 1.0)


def refused(call) -> str:
    with pytest.raises(EngineError) as error:
        call()
    return str(error.value)


@given(st.text("ab(.)*+?|[]\\^$", max_size=8), st.text("ab.", max_size=8))
def test_an_expression_matches_what_the_standard_library_matches(expression, text):
    try:
        expected = re.search(expression, text)
    except re.error:
        return
    try:
        found = Pattern(expression).search(text)
    except InvalidPattern:  # `regex` reads a[ and nested sets by its own rules
        return
    assert (found and found.span()) == (expected and expected.span())


@pytest.mark.parametrize("method", ["search", "fullmatch", "matches", "split"])
def test_an_expression_that_backtracks_ends(method):
    pattern = Pattern("(a|aa)+$" if method != "fullmatch" else "(a|aa)+c")
    assert "use one without nested repetitions" in refused(lambda: getattr(pattern, method)("a" * 50 + "b"))


def test_a_replacement_that_backtracks_ends():
    assert "takes more than" in refused(lambda: Pattern("(a|aa)+$").replace("x", "a" * 50 + "b"))


def test_an_expression_ends_with_its_computation():
    with Budget(0.2).running():
        assert refused(lambda: Pattern("(a|aa)+$").search("a" * 50 + "b")) == "Computation timed out."


@pytest.mark.parametrize(
    ("expression", "size"),
    [("abc", 3), ("a{5}", 5), ("(ab){10}", 30), ("((a{10}){10}){10}", 1110), ("a{2,7}b", 8), (r"\{5}", 3), ("a{0}", 1)],
)
def test_counted_repetitions_are_written_out(expression, size):
    """An open group counts one more."""
    assert written_out(expression) == size


def test_an_expression_of_too_many_copies_is_refused_before_it_is_compiled():
    assert f"at most {MOST_SIZE} characters" in refused(lambda: Pattern("((a{1000}){1000}){1000}"))


def test_what_is_no_expression_is_refused():
    assert refused(lambda: Pattern("(a")).startswith("Invalid regular expression '(a': ")
    assert refused(lambda: Pattern(3)) == "Invalid regular expression 3: it must be a String."


def test_a_replacement_that_would_be_too_large_is_refused():
    assert refused(lambda: Pattern("a").replace("b" * 20_000, "a" * 100_000)) == "Computed value is too large."


def test_a_long_replacement_is_the_standard_librarys():
    """The piecewise way, which only long replacements take."""
    text, replacement = "xay" * 60_000, r"<\g<0>>" * 300
    assert len(replacement) * len(text) > VALUE_BYTES
    assert Pattern("a").replace(replacement, text, 2) == re.sub("a", replacement, text, count=2)


GLOB_SIGNS = st.lists(
    st.sampled_from(["a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "[a-c]", "{", "}", ",", "\\*", "."]), max_size=8
)


def as_expression(glob: str) -> re.Pattern[str] | None:
    """The glob as a regular expression of the standard library, by the rules of objects.list; None for a bad one."""
    depth, expression = 0, ""
    for token in re.findall(r"\*\*|\*|\?|\[[^\]]+\]|\\.|.", glob, re.DOTALL):
        depth += (token == "{") - (token == "}")
        fixed = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}
        if token == "," and depth > 0:
            expression += "|"
        elif token.startswith("[") and len(token) > 2:
            expression += token.replace("[!", "[^")
        else:
            expression += fixed.get(token) or re.escape(token[-1])
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:
        return None


@given(GLOB_SIGNS, st.lists(st.text("ab/.*c,", max_size=6), max_size=8))
def test_a_glob_matches_what_its_expression_matches(signs, names):
    text = "".join(signs)
    expression = as_expression(text)
    if expression is None:
        with pytest.raises(ValueError):
            Glob(text)
        return
    glob = Glob(text)
    assert [glob.matches(name) for name in names] == [expression.fullmatch(name) is not None for name in names]


def test_a_glob_of_many_stars_is_matched():
    """Backtracking would take 2^25 tries for each character."""
    assert Glob("*a" * 25).matches("a" * 1000)
    assert not Glob("*a" * 25 + "b").matches("a" * 1000)


def test_a_glob_of_many_choices_is_matched():
    assert Glob("{a,aa}" * 150).matches("a" * 200)
    assert not Glob("{a,aa}" * 150).matches("a" * 301)


@pytest.mark.parametrize(
    ("glob", "reason"),
    [
        ("{a", "no }"),
        ("a}", "no {"),
        ("[z-a]", "backwards"),
        ("a" * 1025, "at most 1024"),
        ("{" * 600 + "}" * 600, "1024"),
        ("{" * 500 + "}" * 500, "nested too deeply"),
    ],
)
def test_what_is_no_glob_is_refused_in_words(glob, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        Glob(glob)


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("{start%t}", "a {start%t} b", "a X b"),
        ("a{2}", "caab", "cXb"),
        (r"\{x}", "{x}", "X"),
        ("(?:ab){e<=1}", "ac", "ac"),
    ],
)
def test_a_brace_that_begins_no_count_is_itself(expression, text, expected):
    """RE2, syntax: x{n,m} is a repetition only with digits; geetools formats "{start%tyyyy-MM-dd}"."""
    assert Pattern(expression).replace("X", text) == expected
