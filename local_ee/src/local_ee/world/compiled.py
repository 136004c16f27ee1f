"""The decorator of the world's kernels: compiled once, kept on disk, free of Python's lock."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
from numba import njit, types

_IMPORT = re.compile(r"^from local_ee\.world(?:\.(\w+))? import (.+)$", re.MULTILINE)

_WORLD = "local_ee.world."

# numba's hypot is that of C, which NumPy calls too; Python's own rounds otherwise
_MATH = SimpleNamespace(**{**vars(math), "hypot": np.hypot})


def _floored(numbers: Any) -> Any:
    return np.floor(numbers).astype(np.int64) if isinstance(numbers, np.ndarray) else math.floor(numbers)


# What the words of a kernel mean for arrays. Not sines and logarithms: NumPy's own round otherwise than C's, as
# its powers do, which go one by one.
_OF_ARRAYS = {
    "math": SimpleNamespace(floor=_floored, pow=np.vectorize(math.pow, otypes=[np.float64])),
    "min": np.minimum,
    "max": np.maximum,
    "int": lambda numbers: numbers.astype(np.int64),
    "either": np.where,
}


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A numba function whose kept machine code is dropped when its file, or a file of the world it imports, changes.

    Numba looks only at the file that holds the function, so a change in a kernel it calls would go unseen. It would
    also compile a kernel anew for every number written out in a call; here draw(key, 1) and draw(key, 2) share one.
    """
    # nogil: strips of a window run on several threads. No wrapper for C: nothing calls one, and it is a fifth of the
    # compiling.
    dispatcher = njit(nogil=True, cache=True, no_cfunc_wrapper=True)(kernel)
    typed = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: typed([types.unliteral(arg) for arg in args], kws)
    # numba has no public way to its cache's stamp: without these insides a kernel would be kept by its own file alone.
    index = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = _stamp(Path(kernel.__code__.co_filename).stem)
    return dispatcher


@cache
def interpreted(kernel: Any, kept: frozenset[Any] = frozenset(), of_arrays: bool = False) -> Callable[..., Any]:
    """A kernel, and the kernels that it calls, run by Python: bit-equal, sooner for a few pixels than compiling.

    Those in `kept` stay compiled: their loops are long. Only for kernels of float64 and of integers that stay NumPy's:
    literals are float64 in numba, but weak in Python; and x * x, not x ** 2, which Python rounds as a power.
    """
    if kernel in kept:
        return cast("Callable[..., Any]", kernel)
    function = kernel.py_func
    names = function.__code__.co_names
    known = {name: function.__globals__[name] for name in names if name in function.__globals__}
    run = {name: _by_python(each, names, kept, of_arrays) for name, each in known.items()}
    words = _OF_ARRAYS if of_arrays else {"math": _MATH}
    return FunctionType(function.__code__, run | words, kernel.__name__, function.__defaults__)


def _by_python(value: Any, names: tuple[str, ...], kept: frozenset[Any], of_arrays: bool) -> Any:
    """A global of a kernel whose code has these names: kernels interpreted, those of the world's modules too."""
    if hasattr(value, "py_func"):
        return interpreted(value, kept, of_arrays)
    if isinstance(value, ModuleType) and value.__name__.startswith(_WORLD):
        own = vars(value)
        return SimpleNamespace(**{name: _by_python(own[name], names, kept, of_arrays) for name in names if name in own})
    return value


def over_arrays(kernel: Any) -> Callable[..., Any]:
    """A kernel of single numbers that NumPy runs on arrays of them, bit-equal.

    Only for kernels without branches but `either`, min and max, and of `math` only floor and pow.
    """

    def run(*arguments: Any) -> Any:
        with np.errstate(over="ignore"):  # hashes wrap
            return interpreted(kernel, of_arrays=True)(*arguments)

    return run


class Beginning:
    """Chooses how a kernel runs: by Python for the first `units` (pixels, tiles) of an installation without its code.

    kept: kernels that it calls and that are compiled all the same; instead: what does the same by NumPy.
    """

    def __init__(
        self, kernel: Any, units: int, kept: Iterable[Any] = (), instead: Callable[..., Any] | None = None
    ) -> None:
        self._kernel, self._left, self._kept = kernel, 0 if _is_kept(kernel) else units, frozenset(kept)
        self._instead = instead

    def __call__(self, units: int) -> Callable[..., Any]:
        """The kernel, or what does the same without compiling it, for so many more."""
        if units > self._left or self._kernel.signatures:
            self._left = 0
            return cast("Callable[..., Any]", self._kernel)
        self._left -= units
        return self._interpreted

    def _interpreted(self, *arguments: Any) -> Any:
        with np.errstate(over="ignore"):  # hashes wrap
            return (self._instead or interpreted(self._kernel, self._kept))(*arguments)


def one_by_one(kernel: Any, calls: int) -> Callable[..., Any]:
    """A kernel of single numbers for callers in Python: the first calls of an installation do not compile it."""
    begun = Beginning(kernel, calls)
    return lambda *arguments: begun(1)(*arguments)


def _is_kept(kernel: Any) -> bool:
    """Whether machine code of a kernel as it is now lies on disk."""
    index = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    return index is not None and bool(index._load_index())


@cache
def _stamp(name: str) -> tuple[str, int]:
    """Digest of a module of the world and of all that it imports of the world, and how many files these are."""
    names, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module not in names:
            names.add(module)
            waiting += _imports(module)
    digest = hashlib.sha256()
    for module in sorted(names):
        digest.update(_source(module))
    return digest.hexdigest(), len(names)


@cache
def _source(module: str) -> bytes:
    return _file(module).read_bytes()


@cache
def _imports(module: str) -> list[str]:
    """Modules of the world that a module imports, named in `from local_ee.world.x import` or after `import`."""
    pairs = _IMPORT.findall(_source(module).decode())
    words = [source or word.split(" as ")[0].strip() for source, imported in pairs for word in imported.split(",")]
    return [word for word in words if _file(word).is_file()]


@cache
def _file(module: str) -> Path:
    return Path(__file__).with_name(f"{module}.py")
