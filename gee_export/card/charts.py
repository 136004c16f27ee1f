"""Charts of a dataset's numbers: band histograms, class balance, impervious shares."""

from __future__ import annotations

import numpy as np

from isamap.gee_export.card import drawing
from isamap.gee_export.card.card import Card, class_names
from isamap.gee_export.card.drawing import SPLIT_COLOURS
from isamap.gee_export.card.survey import CardSurvey
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.index import SPLITS

_COLUMNS = 3
_BINS = 120


def histograms(card: Card, data: Dataset, survey: CardSurvey) -> bytes:
    """A PNG with each band's distribution by split, in physical units."""
    shown = list(dict.fromkeys((layer, band) for layer, band, _ in survey.histograms))
    rows = -(-len(shown) // _COLUMNS)
    made = drawing.figure(card, "bands by split", (9.5, 0.5 + 2.1 * rows))
    all_axes = made.subplots(rows, _COLUMNS, squeeze=False)
    for (layer, name), ax in zip(shown, all_axes.ravel(), strict=False):
        all_splits = survey.histogram(layer, name)
        if all_splits is None:
            continue
        low, high = all_splits.quantile(0.001), all_splits.quantile(0.999)
        if low is None or high is None:
            ax.set_title(f"{name}: no valid pixel")
            continue
        step = abs(all_splits.band.scale)
        numbers = round((high - low) / step) + 1  # stored values from low to high, equally many in every bin
        width = -(-numbers // _BINS)
        edges = low - step / 2 + width * step * np.arange(-(-numbers // width) + 1)
        for split in SPLITS:
            histogram = survey.histogram(layer, name, split)
            if histogram is not None and histogram.valid:
                ax.stairs(histogram.binned(edges), edges, color=SPLIT_COLOURS[split], label=split, linewidth=1.1)
        unit = "" if all_splits.band.unit in ("", "class") else f" ({all_splits.band.unit})"
        ax.set(yticks=[], xlim=(edges[0], edges[-1]))
        ax.set_title(f"{'' if layer == 'image' else layer + ' '}{name}{unit}", loc="left")
        ax.set_title(f"{all_splits.valid_share:.1%} valid", loc="right", fontsize=7.5, color="#666666")
        ax.spines["left"].set_visible(False)
    drawing.hide_rest(all_axes, len(shown))
    all_axes[0, 0].legend(loc="upper right", fontsize=8)
    return drawing.png(made)


def balance(card: Card, data: Dataset, survey: CardSurvey) -> bytes:
    """A PNG with the classes of each split beside the distribution of its patches' impervious shares."""
    made = drawing.figure(card, "labels by split", (9.5, 3.2))
    left, right = made.subplots(1, 2, squeeze=False, width_ratios=[1, 1.25])[0]
    _classes(left, data, survey)
    _shares(right, data)
    return drawing.png(made)


def _classes(ax, data: Dataset, survey: CardSurvey) -> None:
    names = class_names(data.manifest.label)
    numbers = sorted(survey.class_counts())
    start = np.zeros(len(SPLITS))
    for value in numbers:
        share = np.array([_share(survey.class_counts(split), value) for split in SPLITS])
        name = names.get(value, str(value))
        colour = drawing.CLASS_COLOURS.get(name, drawing.NOTHING)
        ax.barh(range(len(SPLITS)), share, left=start, color=colour, edgecolor="#777777", linewidth=0.4, label=name)
        for row, (begin, width) in enumerate(zip(start, share, strict=True)):
            if width > 0.06:
                dark = name in ("impervious", "woodland", "water", "unknown")
                ax.text(
                    begin + width / 2, row, f"{width:.1%}", ha="center", va="center", fontsize=8,
                    color="white" if dark else "#222222",
                )  # fmt: skip
        start += share
    labels = [f"{split}\n{len(data.in_split(split)):,} patches" for split in SPLITS]
    ax.set(yticks=range(len(SPLITS)), yticklabels=labels, xlim=(0, 1), xticks=[])
    ax.invert_yaxis()
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, fontsize=8)
    ax.set_title("label pixels", loc="left")


def _shares(ax, data: Dataset) -> None:
    edges = np.linspace(0, 1, 21)
    for split in SPLITS:
        shares = [p.impervious_share for p in data.in_split(split) if p.impervious_share is not None]
        if shares:
            counts, _ = np.histogram(shares, edges)
            caption = f"{split}, median {np.median(shares):.0%}"
            ax.stairs(counts / len(shares), edges, color=SPLIT_COLOURS[split], linewidth=1.3, label=caption)
    ax.set(xlabel="impervious share of a patch", ylabel="share of the split's patches", xlim=(0, 1))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_title("patches", loc="left")
    ax.legend(fontsize=8)


def _share(classes: dict[int, int], value: int) -> float:
    total = sum(classes.values())
    return classes.get(value, 0) / total if total else 0.0
