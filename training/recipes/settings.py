"""Settings typed after --set: texts made into what a recipe's values are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from isamap.gee_export.base.suggest import nearest
from isamap.training.losses import LOSSES, full_name, loss_named
from isamap.training.models import model_named
from isamap.training.recipes.recipe import Recipe

# what `--set` may change, beside model.KEY and loss.KEY
_FIXED = ("name", "model", "config", "loss_values")
_KINDS = {
    int: "a whole number",
    float: "a number",
    tuple: "names joined by commas, or none",
    str: "a word",
    bool: "yes or no",
}
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}
_NOTHING = ("", "none", "no")


def override(base: Recipe, settings: Mapping[str, Any] | Sequence[str]) -> Recipe:
    """The recipe with settings changed; values are texts as typed after --set, or already of the right kind.

    Another loss starts with its own weights. ValueError: an unknown key (with the nearest one), a value of another
    kind.
    """
    changes: dict[str, Any] = {}
    settings = pairs(settings)
    loss = settings.get("loss", base.loss)
    config = dict(base.config)
    loss_values = dict(base.loss_values) if loss == base.loss else {}
    for key, value in settings.items():
        if key.startswith("model."):
            values = model_named(base.model).config
            name = _known(key, _values_of(values), "model.")
            config[name] = _constructor_value(values, name, value)
        elif key.startswith("loss."):
            name = _known(key, _values_of(_loss(loss)), "loss.")
            loss_values[name] = _weight(key, value)
        else:
            changes[key] = _typed(key, value, getattr(base, _known(key, _settable(base))))
    return replace(base, **changes, config=config, loss_values=loss_values)


def pairs(settings: Any) -> dict[str, Any]:
    """Settings by key, from a mapping or from words such as "epochs=3"; ValueError for anything else."""
    if settings is None or isinstance(settings, Mapping):
        by_key = dict(settings or {})
    elif isinstance(settings, (list, tuple)) and all(isinstance(word, str) for word in settings):
        by_key = _parted(settings)
    else:
        raise ValueError(f"settings={settings!r}: expected {{'epochs': 3}} or ['epochs=3']")
    if unnamed := [key for key in by_key if not isinstance(key, str)]:
        raise ValueError(f"settings key {unnamed[0]!r}: expected a text, such as 'epochs'")
    return by_key


def _parted(words: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE words as a dictionary."""
    if wrong := [word for word in words if "=" not in word.strip("=")]:
        raise ValueError(f"settings={wrong!r}: expected KEY=VALUE, such as 'epochs=3'")
    return dict(word.split("=", 1) for word in words)


def _settable(base: Recipe) -> list[str]:
    return [f.name for f in fields(base) if f.name not in _FIXED]


def _values_of(config_type: type) -> list[str]:
    return [f.name for f in fields(config_type)]


def _loss(name: str) -> type:
    if name not in LOSSES and full_name(name) == name and ":" not in name:
        raise ValueError(f"loss={name}: expected one of {', '.join(LOSSES)}")
    return loss_named(name)


def _known(key: str, choices: Collection[str], prefix: str = "") -> str:
    """The key without its prefix if it is known; ValueError naming the nearest one."""
    name = key.removeprefix(prefix)
    if name not in choices:
        near = nearest(name, choices, cutoff=0.6)
        alternatives = "" if prefix else ", model.KEY or loss.KEY"
        names = ", ".join(prefix + choice for choice in choices) or "none"
        hint = f"did you mean {prefix}{near[0]}?" if near else f"expected {names}{alternatives}"
        raise ValueError(f"setting {key!r} is not known: {hint}")
    return name


def _typed(key: str, value: Any, like: Any) -> Any:
    """`value` as the kind that `like` is."""
    value_type = type(like)
    try:
        if value_type is tuple:
            return _names(value)
        if value_type is bool:
            return value if isinstance(value, bool) else _TRUTH[str(value).lower()]
        if value_type is int:
            return _whole(value)
        return value_type(value)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{key}={value}: expected {_KINDS[value_type]}, such as {key}={_word(like)}") from error


def _whole(value: Any) -> int:
    """A whole number from a text or a number; ValueError for a fraction, which int() would cut, and for yes or no."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _names(value: Any) -> tuple[str, ...]:
    """Names of a text joined by commas; none of them for "none"."""
    names = value.split(",") if isinstance(value, str) else value
    names = tuple(name.strip() for name in names)
    return () if names in ((word,) for word in _NOTHING) else tuple(name for name in names if name)


def _weight(key: str, value: Any) -> float | tuple[float, ...]:
    """A loss's value: a number, or one number per class joined by commas."""
    if isinstance(value, str) and "," in value:
        return tuple(_typed(key, word, 0.0) for word in value.split(","))
    return value if isinstance(value, tuple) else _typed(key, value, 0.0)


def _constructor_value(config: type, name: str, value: Any) -> Any:
    """A network's constructor value of its default's kind; texts may be numbers (several joined by commas), yes or no.

    ValueError: a value of another kind than the default.
    """
    default = {f.name: f.default for f in fields(config)}[name]
    parsed = _parsed(value, default) if isinstance(value, str) and not isinstance(default, str) else value
    if not _is_like(parsed, default):
        words = ",".join(map(str, default)) if isinstance(default, tuple) else _word(default)
        raise ValueError(f"model.{name}={value}: expected {_form(default)}, such as model.{name}={words}")
    return parsed


def _parsed(word: str, default: Any) -> Any:
    if not isinstance(default, tuple) and word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    parts = tuple(_number(number_word.strip()) for number_word in word.split(","))
    return parts if isinstance(default, tuple) or len(parts) > 1 else parts[0]


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value is of the default's kind; any value where the default is of no kind."""
    if isinstance(default, tuple):
        return isinstance(value, (tuple, list)) and (not default or all(_is_like(each, default[0]) for each in value))
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    return not isinstance(default, str) or isinstance(value, str)


def _form(default: Any) -> str:
    if isinstance(default, tuple):
        kinds = "names" if default and isinstance(default[0], str) else "numbers"
        return f"{kinds} joined by commas"
    return _KINDS.get(type(default), "a value")


def _word(default: Any) -> str:
    return ("yes" if default else "no") if isinstance(default, bool) else str(default)


def _number(word: str) -> int | float | str:
    for number_type in (int, float):
        try:
            return number_type(word)
        except ValueError:
            continue
    return word
