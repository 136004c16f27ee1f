"""Options of records: flat names, values that are refused instead of guessed, functions with their signatures."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

from isamap.gee_export.base.options import (
    Option,
    as_flag,
    changed_options,
    from_options,
    options_of,
    takes_options,
    to_options,
)
from tests.support.toy_request import Cut, Toy

BOX = (15.42, 47.05, 15.46, 47.08)


def test_the_options_of_nested_records_are_one_flat_list_in_order():
    names = [option.name for option in options_of(Toy)]
    assert names == ["bbox", "month", "size", "ratios", "mode", "settings", "share", "lr"]


def test_nested_records_are_made_of_flat_names():
    toy = from_options(Toy, {"bbox": list(BOX), "size": 64, "mode": "batch", "month": "2019-06"})
    assert toy == Toy(bbox=BOX, cut=Cut(size=64, ways="batch"), month=("2019-06",))


def test_what_is_none_is_the_default():
    assert from_options(Toy, {"size": None, "bbox": None, "ratios": None}) == Toy()


def test_a_record_is_made_again_of_its_options():
    toy = Toy(bbox=BOX, cut=Cut(ways="batch"), settings={"kernel_px": 5}, lr=0.5)
    assert from_options(Toy, to_options(toy)) == toy


def test_only_what_is_no_default_has_changed():
    assert changed_options(Toy(cut=Cut(size=64), share=True)) == {"size": 64, "share": True}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bbox": "15,47,16,48"}, "bbox='15,47,16,48': expected 4 numbers (W S E N)"),
        ({"bbox": (1, 2, 3)}, "bbox=(1, 2, 3): expected 4 numbers (W S E N)"),
        ({"month": 201906}, "month=201906: expected text, or several (YYYY-MM)"),
        ({"size": "128"}, "size='128': expected a whole number"),
        ({"size": True}, "size=True: expected a whole number"),
        ({"ratios": (7, 1.5, 1)}, "ratios=(7, 1.5, 1): expected a whole number, or several"),
        ({"share": "yes"}, "share='yes': expected true or false"),
        ({"lr": "0.1"}, "lr='0.1': expected a number"),
        ({"settings": 5}, "settings=5: expected text, or several or a Mapping"),
        ({"mode": "strem"}, "mode='strem': expected one of stream, batch (did you mean stream?)"),
        ({"sise": 64}, "'sise' is no option: did you mean size?"),
        ({"set": ["a=1"]}, "'set' is no option: did you mean settings?"),
        ({"zzzz": 1}, "'zzzz' is no option: expected some of bbox, lr, mode, month, ratios, settings, share, size"),
        ({"size": 4}, "--size 4: expected at least 8"),
    ],
)
def test_what_is_no_such_value_is_refused_by_name_value_and_form(options, words):
    with pytest.raises(ValueError) as refusal:
        from_options(Toy, options)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"size": np.int64(64)}, 64),
        ({"lr": 1}, 1.0),
        ({"lr": np.float32(0.5)}, 0.5),
        ({"month": Path("a") / "b"}, ("a/b",)),
        ({"ratios": np.array([7, 2, 1])}, (7, 2, 1)),
        ({"share": np.True_}, True),
        ({"bbox": np.array(BOX)}, BOX),
    ],
)
def test_numbers_of_numpy_and_paths_are_plain_values(options, value):
    ((name, _),) = options.items()
    assert repr(to_options(from_options(Toy, options))[name]) == repr(value)


def test_the_command_line_is_refused_in_its_own_words():
    with pytest.raises(ValueError, match=r"^--mode strem: expected one of stream, batch"):
        from_options(Toy, {"mode": "strem"}, spelled=as_flag)


def test_two_options_of_one_name_are_a_fault_of_the_program():
    record = make_dataclass(
        "Twice", [("size", Annotated[int, Option("")], 1), ("cut", Cut, field(default_factory=Cut))]
    )
    with pytest.raises(TypeError, match="two options size"):
        options_of(record)


def test_an_option_without_default_must_be_given():
    @dataclass(frozen=True)
    class Map:
        checkpoint: Annotated[str, Option("A folder.", positional=True)]

    globals()["Map"] = Map
    with pytest.raises(ValueError, match=r"checkpoint is missing: A folder\."):
        from_options(Map, {})


def test_a_function_has_the_options_as_its_parameters():
    @takes_options(Toy)
    def cut(toy: Toy | None = None, *, progress: bool = True, **options: object) -> str:
        """Cuts."""
        return f"{sorted(options)}"

    parameters = inspect.signature(cut).parameters
    assert [*parameters][:2] == ["toy", "bbox"] and [*parameters][-1] == "progress"
    assert parameters["size"].default == 128 and parameters["size"].annotation is int
    assert cut(size=3) == "['size']"
