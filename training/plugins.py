"""Networks, losses and recipes of other packages, by entry point or as `module:Class`; imported with consent only.

A package offers them in its entry-point groups (packaging.python.org, "Entry points specification"). Reading the groups
imports nothing. A checkpoint or a recipe names code as `module:Class`; it is imported only where the user trusts the
package (gee_export/base/trust.py), so no file from outside runs code by itself.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.trust import VARIABLE, is_trusted

GROUPS = {"network": "isamap.networks", "loss": "isamap.losses", "recipe": "isamap.recipes"}
# What isamap itself offers in this way, because it needs a package of an extra; imported without consent.
OWN = {
    "network": {"olmoearth": "isamap.training.foundation.olmoearth:OlmoEarth"},
    "recipe": {"olmoearth": "isamap.training.foundation.olmoearth:recipe"},
}
_OWN_PACKAGE = "isamap.training.foundation"
# Addresses in checkpoints that were made before pip installed one package.
_FORMER = {own.removeprefix("isamap."): own for names in OWN.values() for own in names.values()}
_ADDRESS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def offered(noun: str) -> dict[str, str]:
    """Name -> `module:attribute` of what installed packages offer of a noun (of GROUPS); nothing is imported."""
    return {entry.name: entry.value for entry in _entries(noun)}


def address(noun: str, name: str) -> str:
    """The `module:attribute` that a name stands for; the name itself where it is none of another package."""
    return name if is_address(name) else OWN.get(noun, {}).get(name) or offered(noun).get(name, name)


def is_address(name: str) -> bool:
    """Whether a name is `module:attribute`."""
    return _ADDRESS.fullmatch(name) is not None


def with_version(name: str) -> str:
    """`module:attribute (PACKAGE VERSION)`, as the installed metadata say; without them the name alone."""
    package = name.partition(":")[0].partition(".")[0]
    for noun in GROUPS:
        for entry in _entries(noun):
            if entry.value == name and entry.dist is not None:
                return f"{name} ({entry.dist.name} {entry.dist.version})"
    for distribution in packages_distributions().get(package, ()):
        return f"{name} ({distribution} {version(distribution)})"
    return name


def listing() -> str:
    """A line for each network, loss and recipe that installed packages offer, without importing them."""
    lines = [
        f"{noun} {name} = {with_version(value)}" for noun in GROUPS for name, value in sorted(offered(noun).items())
    ]
    return "\n".join(["of other packages, used with --trust PACKAGE:", *lines]) if lines else ""


def load(noun: str, name: str) -> Any:
    """What `module:attribute` names, imported.

    ValueError: its package is not trusted, is not installed, or lacks that name. Fault: its code fails.
    """
    module_name, _, attribute = _FORMER.get(name, name).partition(":")
    package = module_name.partition(".")[0]
    if not (is_trusted(module_name) or module_name.startswith(f"{_OWN_PACKAGE}.")):
        raise ValueError(
            f"{noun} {name} is code of the package {package}, which isamap imports only with your consent: "
            f"if you trust it, add --trust {package} or set {VARIABLE}={package}"
        )
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        # The package is there but lacks something that it needs: another remedy than installing it.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise Fault(f"{noun} {name}: importing {module_name} fails: {error}; install what it needs") from error
        raise ValueError(
            f"{noun} {name}: there is no module {error.name} here: install the package that has it"
        ) from error
    # Foreign code may raise anything while it is imported; the user needs to know whose fault it is.
    except Exception as error:
        raise Fault(f"{noun} {name}: importing {module_name} fails with {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise ValueError(f"{noun} {name}: module {module_name} has no {attribute}; its package may be another version")
    return getattr(module, attribute)


def _entries(noun: str) -> list[EntryPoint]:
    return [entry for entry in entry_points(group=GROUPS[noun]) if is_address(entry.value)]
