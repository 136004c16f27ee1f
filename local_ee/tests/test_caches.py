"""What the engine keeps for later is bounded: clients choose many of the keys."""

from __future__ import annotations

import ast
from pathlib import Path

import local_ee

# functions whose keys are few, whoever asks: files of the engine, bands, states of the sky, levels, zones, data types,
# kernels
FEW = {
    "_stamp", "_source", "_imports", "_file", "_wheel", "texture", "_quantiles", "_moves", "_bands", "_range",
    "ids_of", "of_dtype", "_network", "_irradiances", "interpreted",
}  # fmt: skip


def unbounded() -> set[str]:
    """Names of the modules' functions with arguments whose answers are all kept."""
    modules = (ast.parse(path.read_text(encoding="utf-8")) for path in Path(local_ee.__file__).parent.rglob("*.py"))
    functions = (node for module in modules for node in module.body if isinstance(node, ast.FunctionDef))
    return {
        function.name
        for function in functions
        if any(isinstance(mark, ast.Name) and mark.id == "cache" for mark in function.decorator_list)
        and (function.args.args or function.args.vararg)
    }


def test_answers_for_keys_that_clients_choose_are_not_all_kept():
    assert unbounded() <= FEW


def test_the_list_of_few_keys_has_no_function_that_is_gone():
    assert unbounded() >= FEW


def test_many_coordinate_systems_do_not_fill_the_memory():
    from local_ee.raster.projection import crs_of, transformer

    for cache in (crs_of, transformer):
        assert cache.cache_info().maxsize <= 1000
