"""Colours of a map's classes."""

from __future__ import annotations

from isamap.gee_export.base.scheme import SCHEMES
from isamap.inference.map_files.legend import COLOURS, Legend


def test_every_class_that_is_learned_has_a_colour_of_its_own():
    """By the names that checkpoints carry (docs/reference/formats.md, "Patch dataset")."""
    for classes in (scheme.names for scheme in SCHEMES.values()):
        colours = Legend(classes).colours
        assert colours == tuple(COLOURS[name] for name in classes) and len(set(colours)) == len(classes)


def test_a_class_of_somebody_elses_scheme_is_grey():
    assert Legend(("impervious", "swamp")).colours[1] == "7f7f7f"
