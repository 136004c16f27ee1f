"""The model card of a checkpoint, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from isamap.training.checkpoints.judged import judged_of, judged_table


def card(facts: Mapping[str, Any]) -> str:
    """What a checkpoint is for, what it was trained on, how well it does, what it is not for, how to load it.

    facts: the object in checkpoint.json.
    """
    parts = (
        _header(facts) + _head(facts),
        _data(facts),
        _bands(facts),
        _scores(facts),
        *_judged(facts),
        _limits(facts),
        _loading(facts),
        _recipe(facts),
    )
    return "\n\n".join(parts) + "\n"


def _header(facts: Mapping[str, Any]) -> str:
    """The YAML lines by which the Hugging Face Hub lists a model (huggingface.co/docs/hub/model-cards)."""
    sensors = {"sentinel-1": {"VV", "VH"}, "sentinel-2": {"B2", "B3", "B4", "B8"}}
    names = {band["name"] for band in facts["bands"]}
    tags = ["remote-sensing", "earth-observation", "impervious-surface"]
    tags += [sensor for sensor, bands in sensors.items() if bands & names]
    values = {
        "license": "other" if "backbone" in facts.get("origin", {}) else "apache-2.0",
        "library_name": "isamap",
        "pipeline_tag": "image-segmentation",
        "tags": [*tags, *(["simulated"] if facts["simulated"] else [])],
        "datasets": [facts["dataset"]["name"]] if "name" in facts["dataset"] else [],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in values.items() if value]  # JSON is YAML
    return "\n".join(["---", *lines, "---", "", ""])


def _head(facts: Mapping[str, Any]) -> str:
    truth = "simulated data: its accuracy says nothing about real imagery" if facts["simulated"] else "real data"
    step_m = facts["dataset"].get("step_m")
    grid = f"{step_m / facts['scale']:g} m" if step_m else f"{facts['scale']} pixels of its own for each of the image's"
    return (
        f"# {facts['model']} for {', '.join(facts['classes'])}\n\n"
        f"Classifies each pixel of a Sentinel composite at {grid} as {' or '.join(facts['classes'])}. "
        f"Trained on {truth}.{' How it did on real ground stands below.' if judged_of(facts) else ''}\n\n"
        f"Fingerprint `{facts['fingerprint']}`, isamap {facts['revision'] or 'of unknown revision'}."
    )


def _data(facts: Mapping[str, Any]) -> str:
    data, label = facts["dataset"], facts["dataset"].get("label") or {}
    periods = ", ".join(f"{p.get('start')} to {p.get('end')}" for p in data.get("periods", ()))
    licence = label.get("licence") or label.get("license")
    return (
        "## Data\n"
        f"{data.get('name', 'unknown')} (fingerprint `{data.get('fingerprint', 'unknown')}`, "
        f"split {data.get('split', 'unknown')}){f', {periods}' if periods else ''}. "
        f"Labels: {label.get('product', 'unknown')}{f' ({licence})' if licence else ''}. "
        f"Backscatter: {facts['backscatter']}." + _origin(facts.get("origin", {}))
    )


def _origin(origin: Mapping[str, Any]) -> str:
    words = "".join(f" {sentence[:1].upper()}{sentence[1:]}" for sentence in origin.get("taken", ()))
    words += f" {origin['chips']}." if "chips" in origin else ""
    words += "".join(
        f" {sentence[:1].upper()}{sentence[1:]}" for sentence in origin.get("backbone", {}).get("taken", ())
    )
    words += f" Code of other packages: {', '.join(origin['code'])}." if "code" in origin else ""
    words += f" Processing levels: {', '.join(origin['levels'])}." if "levels" in origin else ""
    if calibrated := origin.get("calibrated"):
        words += f" The threshold is the best by {calibrated['measure']} {_judged_on(calibrated)}."
    if curve := origin.get("curve"):
        words += f" Probabilities are calibrated by a {curve['method']} curve {_judged_on(curve)}."
    return words


def _judged_on(step: Mapping[str, Any]) -> str:
    return f"on the {step['split']} split" if "split" in step else f"at {step['points']} points"


def _bands(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"| {b['name']} | {b['unit']} | {b['mean']:.5g} | {b['std']:.5g} | {_range(b)} |\n" for b in facts["bands"]
    )
    dates = f" {facts['frames']} dates at once." if facts.get("frames") else ""
    return (
        f"## Bands\n| band | unit | mean | std | clipped to |\n|---|---|---|---|---|\n{rows}\n"
        "Value given to the network: (clipped value - mean) / std, and 0 where nothing is known. "
        f"Windows of {facts['window']} px every {facts['lattice']} px; {facts['scale']} output px per input px.{dates}"
    )


def _range(band: Mapping[str, Any]) -> str:
    if band["clip_min"] is None and band["clip_max"] is None:
        return "-"
    return f"{band['clip_min']} to {band['clip_max']}"


def _scores(facts: Mapping[str, Any]) -> str:
    metrics = dict(facts["metrics"])
    bounds = metrics.pop("intervals", {}) or {}
    rows = [f"- {name}: {value}{_bounds(bounds.get(name))}\n" for name, value in metrics.items()]
    note = "In brackets: 95 % intervals by bootstrap over spatial blocks.\n" if any(bounds.values()) else ""
    return f"## Scores\n{''.join(rows) or '- none recorded' + chr(10)}{note}".rstrip()


def _judged(facts: Mapping[str, Any]) -> list[str]:
    """The section on known real ground, of a checkpoint that was judged on it."""
    judged = judged_of(facts)
    return [f"## On real ground\n{judged['about']}\n\n{judged_table(judged['grounds'])}"] if judged else []


def _bounds(pair: Any) -> str:
    return f" [{pair[0]:.2f}, {pair[1]:.2f}]" if pair else ""


def _limits(facts: Mapping[str, Any]) -> str:
    return (
        "## Limits\n"
        "Map only composites made with the settings in checkpoint.json; bands are matched by name. Scores hold for "
        "the place, season and label product above and for their errors; other places and sensors must be measured "
        "again (`isamap evaluate`). A class is mapped from the thresholds "
        f"{', '.join(f'{name} {value:g}' for name, value in facts['thresholds'].items())}. "
        f"{_licence(facts.get('origin', {}))}; imagery and labels keep their own licences."
    )


def _licence(origin: Mapping[str, Any]) -> str:
    ours = "The weights may be used under isamap's licence, Apache-2.0"
    if "backbone" not in origin:
        return ours
    return f"{ours}, as far as that of the weights they started from allows it ({origin['backbone']['licence']})"


def _loading(facts: Mapping[str, Any]) -> str:
    return (
        "## How to load it\n"
        "`isamap map --checkpoint FOLDER`, or with safetensors alone (no pickle is involved):\n\n"
        "```python\n"
        "import json\n"
        "from safetensors.torch import load_file\n\n"
        'weights = load_file("weights.safetensors")\n'
        'about = json.load(open("checkpoint.json"))  # model, config, bands, classes\n'
        "```"
    )


def _recipe(facts: Mapping[str, Any]) -> str:
    rows = "".join(f"- {name}: {value}\n" for name, value in facts["recipe"].items()) or "- none recorded\n"
    return f"## Recipe\n{rows}".rstrip()
