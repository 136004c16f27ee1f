"""Imports without the search for garbage, which comes back, and without what nobody uses."""

from __future__ import annotations

import gc
import importlib
import sys

import pytest

from isamap.gee_export.base import imports
from isamap.gee_export.base.imports import quick_imports


@pytest.fixture(autouse=True)
def thawed():
    """The rest of the tests are searched as before."""
    yield
    gc.unfreeze()
    gc.enable()


def test_no_search_runs_in_between_and_it_comes_back():
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_comes_back_after_an_error():
    with pytest.raises(ImportError), quick_imports():
        raise ImportError("no such library")
    assert gc.isenabled()


def test_a_program_that_has_switched_it_off_keeps_it_off():
    gc.disable()
    with quick_imports():
        pass
    assert not gc.isenabled()


def test_what_was_loaded_is_never_searched_again():
    before = gc.get_freeze_count()
    with quick_imports():
        modules = [[index] for index in range(1000)]
    assert gc.get_freeze_count() - before >= len(modules)


def test_what_libraries_load_and_nobody_uses_is_left_out_and_can_be_loaded_later(monkeypatch):
    monkeypatch.setattr(imports, "UNUSED", ("wave",))
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with quick_imports(), pytest.raises(ImportError):
        importlib.import_module("wave")
    assert importlib.import_module("wave") is sys.modules["wave"]
    with quick_imports():
        assert importlib.import_module("wave") is sys.modules["wave"]
