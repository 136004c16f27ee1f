"""Options in TOML files."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.base import option_files
from isamap.gee_export.base.option_files import decode, to_toml
from isamap.gee_export.base.options import from_options
from tests.support.toy_request import Cut, Toy

texts = st.text(st.characters(exclude_categories=["Cs"]))
toys = st.builds(
    Toy,
    bbox=st.none() | st.tuples(*[st.floats(allow_nan=False)] * 4),
    month=st.lists(texts).map(tuple),
    cut=st.builds(Cut, size=st.integers(8, 2**60), ways=st.sampled_from(["stream", "batch"])),
    settings=st.dictionaries(texts, st.integers() | texts | st.booleans() | st.floats(allow_nan=False), min_size=1),
    share=st.booleans(),
    lr=st.none() | st.floats(allow_nan=False),
)


@pytest.mark.long
@given(toys)
def test_a_record_comes_back_from_its_text(toy):
    assert from_options(Toy, decode(Toy, to_toml(toy), "run.toml")) == toy


@given(toys)
def test_the_text_is_toml_for_others_too(toy):
    """The standard library's reader is the oracle."""
    assert tomllib.loads(to_toml(toy)).get("lr") == toy.lr


def test_the_text_holds_the_version_and_what_is_no_default():
    toy = Toy(bbox=(1, 2, 3.5, 4), cut=Cut(size=64), month=("2019-06",))
    assert to_toml(toy) == 'version = 1\nbbox = [1, 2, 3.5, 4]\nmonth = ["2019-06"]\nsize = 64\n'


def test_options_can_be_left_out():
    assert to_toml(Toy(cut=Cut(size=64), share=True), without={"share"}) == "version = 1\nsize = 64\n"


def test_a_value_that_no_file_can_hold_is_refused():
    with pytest.raises(ValueError, match=r"settings=.* cannot be written to a file: a object is no text"):
        to_toml(Toy(settings={"displacement": object()}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size = ", "run.toml is no TOML file: "),
        ("sise = 64", "run.toml: 'sise' is no option: did you mean size?"),
        ("guard-px = 1\nsizes = 3", "run.toml: 'guard-px' is no option"),
        ('size = "64"', 'run.toml: size = "64": expected a whole number'),
        ("size = 2.5", "run.toml: size = 2.5: expected a whole number"),
        ("month = 2019-06-01", "run.toml: month = 2019-06-01: expected text, or several (YYYY-MM)"),
        ("[cut]\nsize = 64", "run.toml: 'cut' is no option: "),
        ("version = 2", "run.toml is of version 2, this isamap reads version 1: install a newer one"),
        ("version = true", "run.toml is of version True"),
    ],
)
def test_a_file_is_refused_by_its_name_and_line(text, words):
    with pytest.raises(ValueError) as refusal:
        decode(Toy, text, "run.toml")
    assert str(refusal.value).startswith(words)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read: No such file or directory"), (b"size = '\xff'", "is not UTF-8 text")]
)
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path, content, words):
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        option_files.read(Toy, path)
