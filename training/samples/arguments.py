"""What callers of the Python functions give, refused in one sentence: the parameter, its value, the form expected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def dataset_addresses(data: Any) -> list[str | Path]:
    """Addresses of the datasets; ValueError unless `data` is a folder or gs:// address, or several of them."""
    listed = [data] if isinstance(data, (str, Path)) or not isinstance(data, Iterable) else list(data)
    if not listed or not all(_is_address(item) for item in listed):
        raise ValueError(
            f"data={data!r}: expected the folder or gs:// address of a dataset, such as 'data/wuhan', or a list of them"
        )
    return listed


def check_address(name: str, value: Any, example: str) -> None:
    """ValueError unless the parameter is a folder or gs:// address."""
    if not _is_address(value):
        raise ValueError(f"{name}={value!r}: expected a folder or gs:// address, such as {example!r}")


def check_count(name: str, value: Any) -> None:
    """ValueError unless the parameter is a whole number of 1 or more."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name}={value!r}: expected a whole number of 1 or more")


def _is_address(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and bool(value.strip()))
