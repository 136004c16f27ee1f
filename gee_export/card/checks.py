"""What can be wrong with a patch dataset, each check with its numbers; CHECKS names them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.card.composite_rules import composite_rules
from isamap.gee_export.card.finding import FAIL, PASS, UNCLEAR, WARN, Finding
from isamap.gee_export.card.shared_ground import shared_ground
from isamap.gee_export.card.shift import described
from isamap.gee_export.card.survey import CardSurvey, PatchFacts, known
from isamap.gee_export.datasets.dataset import Dataset, count_patches
from isamap.gee_export.datasets.index import SPLITS, Patch
from isamap.gee_export.datasets.manifest import DARK, BandStatistics

RANGES = {"reflectance": (0.0, 1.6), "dB": (-50.0, 20.0)}  # physical; beyond lies no land surface
OUTSIDE_WARN, OUTSIDE_FAIL = 0.001, 0.02  # shares of pixels beyond the range
UNLIKE_WARN = 0.25  # between the impervious shares of two splits
UNKNOWN_WARN = 0.2  # share of unknown label pixels
VALID_WARN = 0.8  # share of a band's pixels that are valid
SHARE_ERROR = 1e-6  # of shares that an index holds rounded
FILL_WARN = 0.005  # share of pixels that are 0 in all bands
RARE_WARN = 0.01  # share of the rarest class
SHIFT_WARN_PX, SHIFT_FAIL_PX = 0.5, 1.0


def files(data: Dataset, survey: CardSurvey) -> Finding:
    """Every file of the index is there, whole and readable."""
    if survey.broken:
        detail = (
            f"{len(survey.broken)} of {survey.files} files are missing or damaged: {_some(survey.broken)}; export again"
        )
        return Finding("files", FAIL, detail, {"files": survey.files, "broken": len(survey.broken)})
    detail = f"{survey.files} files, each with the CRC-32C that the index names"
    return Finding("files", PASS, detail, {"files": survey.files, "broken": 0})


def alignment(data: Dataset, survey: CardSurvey) -> Finding:
    """Every file lies where index and grid say; image, label and further layers on the same corners
    (docs/reference/wishes.md, "Wish 12").
    """
    numbers = {"misplaced": len(survey.misplaced)}
    if survey.misplaced:
        named = [f"{name} ({why})" for name, why in sorted(survey.misplaced.items())]
        return Finding("alignment", FAIL, f"{len(named)} files are off their place: {_some(named, 2)}", numbers)
    return Finding("alignment", PASS, "CRS, corners and size of every file are those of its grid", numbers)


def index(data: Dataset, survey: CardSurvey) -> Finding:
    """Shares of the index, counts and statistics of the manifest follow from the pixels (docs/reference/wishes.md,
    "Wish 15").
    """
    wrong = [fact.patch.id for fact in survey.facts if not _is_alike(fact.valid_share, fact.patch.valid_share)]
    impervious = data.manifest.impervious_class
    for fact in survey.facts:
        if fact.classes is not None and known(fact.classes):
            share = fact.classes.get(impervious, 0) / known(fact.classes)
            wrong += [] if _is_alike(share, fact.patch.impervious_share) else [fact.patch.id]
    counted = count_patches(data.patches)
    wrong += [key for key, count in counted.items() if data.manifest.counts.get(key) != count]
    wrong += [name for name, stated in data.manifest.statistics.items() if not _agrees(survey, name, stated)]
    numbers = {"disagreeing": len(wrong)}
    if wrong:
        return Finding("index", FAIL, f"index or manifest disagree with the pixels at {_some(wrong)}", numbers)
    return Finding("index", PASS, "shares, counts and train statistics follow from the pixels", numbers)


def leakage(data: Dataset, survey: CardSurvey) -> Finding:
    """No two splits share ground, in any region or period (docs/reference/wishes.md, "Wish 17")."""
    shared = shared_ground(data)
    nearest = {pair: round(metres, 3) for pair, metres in shared.nearest_m.items()}
    numbers = {"pairs": len(shared.pairs), "tainted": shared.tainted, "nearest_m": nearest}
    near = f"nearest {min(nearest.values()):,.0f} m" if nearest else "there is one split only"
    if not shared.pairs:
        return Finding("leakage", PASS, f"no pixel lies in two splits; {near}", numbers)
    tainted = ", ".join(
        f"{count} of {data.manifest.counts.get(split)} {split} patches"
        for split, count in shared.tainted.items()
        if count
    )
    detail = f"{tainted} show ground of another split, such as {' and '.join(shared.pairs[0])}"
    # A warning there and no failure: the paper divides so, and the user has asked for it.
    is_random = data.manifest.split.get("kind") == "random"
    why = "; --split random does that, its scores are too high" if is_random else ""
    return Finding("leakage", WARN if is_random else FAIL, detail + why, numbers)


def _is_alike(share: float, stated: float | None) -> bool:
    return stated is not None and not abs(share - stated) > SHARE_ERROR


def _identical(survey: CardSurvey) -> list[list[Patch]]:
    """Groups of patches with one image; images without a pixel that was measured are alike and left out."""
    groups = defaultdict(list)
    for fact in survey.facts:
        if any(fact.valid_shares) and fact.fill_share < 1:
            groups[fact.digest].append(fact.patch)
    return [group for group in groups.values() if len(group) > 1]


def duplicates(data: Dataset, survey: CardSurvey) -> Finding:
    """No image occurs twice, and no ground twice in one period."""
    same = _identical(survey)
    across = [group for group in same if len({patch.split for patch in group}) > 1]
    twice = shared_ground(data).twice
    numbers = {"identical_images": sum(len(g) - 1 for g in same), "across_splits": len(across), "ground": len(twice)}
    if across:
        return Finding("duplicates", FAIL, f"one image lies in two splits: {_some(p.id for p in across[0])}", numbers)
    if same:
        return Finding("duplicates", WARN, f"identical images: {_some(p.id for p in same[0])}", numbers)
    if twice:
        detail = f"{len(twice)} pairs of patches show one ground in one period, such as {' and '.join(twice[0])}"
        return Finding("duplicates", WARN, detail, numbers)
    return Finding("duplicates", PASS, "no image and no ground of a period occurs twice", numbers)


def missing(data: Dataset, survey: CardSurvey) -> Finding:
    """Every band and every patch has pixels, and most labels are known (docs/reference/wishes.md, "Wish 13")."""
    shares = _valid_shares(data, survey)
    empty = [band for band, share in shares.items() if not share]
    blank = [fact.patch.id for fact in survey.facts if not any(fact.valid_shares)]
    classes = survey.class_counts()
    unknown = classes.get(UNKNOWN, 0) / max(sum(classes.values()), 1)
    blind = [f.patch.id for f in survey.facts if f.classes is not None and not known(f.classes)]
    fill = _fill(survey)
    numbers = {
        "valid_share": shares,
        "fill_share": fill[0],
        "unknown_labels": unknown,
        "blank_patches": len(blank),
        "unlabelled_patches": len(blind),
    }
    if empty:
        return Finding("missing data", FAIL, f"no valid pixel at all of {', '.join(empty)}", numbers)
    band, share = min(shares.items(), key=lambda item: item[1])
    troubles = [*_without("single pixel", blank), *_without("known label", blind)]
    troubles += [_fill_words(*fill)] if fill[0] > FILL_WARN else []
    troubles += [f"{unknown:.1%} of the labels unknown"] if unknown > UNKNOWN_WARN else []
    troubles += [f"only {share:.1%} of {band} valid"] if share < VALID_WARN else []
    if troubles:
        return Finding("missing data", WARN, "; ".join(troubles), numbers)
    labels = f", {unknown:.1%} of the labels unknown" if classes else ""
    return Finding("missing data", PASS, f"at least {share:.1%} of each band valid{labels}", numbers)


def _fill(survey: CardSurvey) -> tuple[float, str]:
    """The share of pixels that are 0 in all bands, and the patch with most of them."""
    most = max(survey.facts, key=lambda fact: fact.fill_share, default=None)
    if most is None:
        return 0.0, ""
    return float(np.mean([fact.fill_share for fact in survey.facts])), most.patch.id


def _fill_words(share: float, patch: str) -> str:
    return (
        f"{share:.1%} of the pixels are 0 in all bands, fill that the source does not call missing, as in {patch}: "
        "name it there (gdal_edit.py -a_nodata 0 FILE) and export again"
    )


def ranges(data: Dataset, survey: CardSurvey) -> Finding:
    """Reflectance of 0 to 1.6, backscatter of -50 to 20 dB, labels among their classes (docs/reference/wishes.md, "Wish
    15").
    """
    outside = {}
    for layer in ("image", "fine"):
        for band in data.manifest.bands if layer == "image" else _fine_bands(data):
            histogram = survey.histogram(layer, band.name)
            if histogram is not None and band.unit in RANGES:
                outside[f"{layer} {band.name}"] = histogram.share_outside(*RANGES[band.unit])
    strange = sorted(set(survey.class_counts()) - _classes_of(data)) if data.manifest.label else []
    numbers = {"outside": outside, "strange_classes": strange}
    if strange:
        return Finding("value ranges", FAIL, f"labels hold the numbers {_some(map(str, strange))}, no classes", numbers)
    if not outside:
        return Finding("value ranges", PASS, "no band is reflectance or dB: nothing to compare", numbers)
    name, share = max(outside.items(), key=lambda item: item[1])
    limits = RANGES["dB" if name.split()[1] in _decibel_bands(data) else "reflectance"]
    verdict = FAIL if share > OUTSIDE_FAIL else WARN if share > OUTSIDE_WARN else PASS
    detail = f"at most {share:.2%} of a band's pixels ({name}) lie beyond {limits[0]:g} to {limits[1]:g}"
    return Finding("value ranges", verdict, detail, numbers)


def _lows(
    data: Dataset, survey: CardSurvey, of: Callable[[PatchFacts], Sequence[float | None]]
) -> dict[tuple[str, str], list[float]]:
    """The darkest band's reflectance of Sentinel-2 in each patch, by region and period; of: a quantile by band."""
    bands = [
        band_index
        for band_index, band in enumerate(data.manifest.bands)
        if band.unit == "reflectance" and band.name.startswith("B") and band.name[1:2].isdigit()
    ]
    lows = defaultdict(list)
    for fact in survey.facts:
        seen = [low for band_index in bands if (low := of(fact)[band_index]) is not None]
        if seen:
            lows[fact.patch.region, fact.patch.period].append(min(seen))
    return lows


def offset(data: Dataset, survey: CardSurvey) -> Finding:
    """No period's Sentinel-2 is 0.1 too bright throughout, as by an unsubtracted offset of 1000
    (docs/reference/wishes.md, "Wish 16"), or 0.1 too dark, as by one subtracted twice.
    """
    lows = _lows(data, survey, lambda fact: fact.lows)
    if not lows:
        return Finding("offset", PASS, "no reflectance of Sentinel-2: nothing to compare", {})
    fifths = _lows(data, survey, lambda fact: fact.fifths)
    bright, bright_at = _worst({key: np.array(values) >= DARK for key, values in lows.items()})
    dark, dark_at = _worst({key: np.array(values) < 0 for key, values in fifths.items()})
    darkest = float(np.median([low for values in lows.values() for low in values]))
    region, period = dark_at if dark > bright else bright_at
    shares = {"bright_share": bright, "dark_share": dark, "median_of_lows": darkest}
    numbers = {**shares, "region": region, "period": period}
    if bright > 0.5:
        detail = (
            f"{bright:.0%} of the patches of {region} {period} hold nothing darker than {DARK:g}: "
            "1000 was probably not subtracted (processing baseline 04.00); take the HARMONIZED collection"
        )
        return Finding("offset", FAIL, detail, numbers)
    if dark > 0.5:
        detail = (
            f"in {dark:.0%} of the patches of {region} {period} a twentieth of a band reflects less than 0: "
            "1000 was probably subtracted twice; leave the offset out of the unit or of the files' tags"
        )
        return Finding("offset", FAIL, detail, numbers)
    verdict = WARN if max(bright, dark) > 0.1 else PASS
    return Finding("offset", verdict, f"the darkest pixels of half the patches reflect below {darkest:.3f}", numbers)


def _worst(patches: Mapping[tuple[str, str], np.ndarray]) -> tuple[float, tuple[str, str]]:
    """The greatest share of patches of a region and period, and which these are."""
    shares = {key: float(np.mean(found)) for key, found in patches.items()}
    worst = max(shares, key=shares.__getitem__)
    return shares[worst], worst


def _without(noun: str, patches: Sequence[str]) -> list[str]:
    return [f"{len(patches)} patches without a {noun}, such as {patches[0]}"] if patches else []


def _valid_shares(data: Dataset, survey: CardSurvey) -> dict[str, float]:
    """Share of valid pixels by band, 0 of a band that no histogram counts."""
    histograms = {band: survey.histogram("image", band) for band in data.manifest.band_names}
    return {band: histogram.valid_share if histogram else 0.0 for band, histogram in histograms.items()}


def balance(data: Dataset, survey: CardSurvey) -> Finding:
    """More than one class in each split, none of them very rare, no split empty."""
    if data.manifest.label is None:
        return Finding("class balance", PASS, "the dataset has no labels", {})
    shares = {split: _shares(survey.class_counts(split)) for split in SPLITS}
    target = data.manifest.impervious_class
    impervious = {split: classes.get(target, 0.0) for split, classes in shares.items() if classes}
    patches = {split: len(data.in_split(split)) for split in SPLITS}
    numbers = {"impervious_share": impervious, "patches": patches}
    if len(_shares(survey.class_counts())) < 2 or len(shares["train"]) < 2:
        return Finding("class balance", FAIL, "train has labels of one class only: nothing can be learned", numbers)
    troubles = [f"{split} has no patches" for split, count in patches.items() if not count]
    troubles += [f"{split} has labels of one class only" for split in ("val", "test") if len(shares[split]) == 1]
    troubles += _unbalanced(_shares(survey.class_counts()), impervious)
    if troubles:
        return Finding("class balance", WARN, "; ".join(troubles), numbers)
    return Finding("class balance", PASS, f"impervious {_by_split(impervious)}", numbers)


def shift(data: Dataset, survey: CardSurvey) -> Finding:
    """Labels lie on the image's edges (docs/reference/wishes.md, "Wish 12")."""
    measured = survey.shift
    numbers = described(measured) if measured else {}
    if measured is None or measured.length is None or measured.half_width is None or not measured.is_sure:
        tried = measured.patches if measured else 0
        return Finding("label shift", UNCLEAR, f"{tried} patches show no common edges clearly", numbers)
    where = (
        f"labels lie {measured.down:+.2f} px down, {measured.right:+.2f} px right of the images "
        f"(95 %: ± {measured.half_width:.2f} px, {measured.patches} patches)"
    )
    certain = measured.length - measured.half_width
    verdict = FAIL if certain > SHIFT_FAIL_PX else WARN if certain > SHIFT_WARN_PX else PASS
    return Finding("label shift", verdict, where, numbers)


def run(data: Dataset, survey: CardSurvey) -> tuple[Finding, ...]:
    """Every check's finding, in the order of CHECKS."""
    return tuple(check(data, survey) for check in CHECKS)


def _agrees(survey: CardSurvey, name: str, stated: BandStatistics) -> bool:
    histogram = survey.histogram("image", name, "train")
    moments = histogram.moments() if histogram else None
    if histogram is None or moments is None:
        return False
    step = histogram.band.scale
    return (
        abs(moments[0] - stated.mean) < step and abs(moments[1] - stated.std) < step
        and abs(histogram.valid_share - stated.valid_share) < 1e-6
    )  # fmt: skip


def _by_split(shares: dict[str, float]) -> str:
    return ", ".join(f"{share:.1%} in {split}" for split, share in shares.items())


def _unbalanced(shares: dict[int, float], impervious: dict[str, float]) -> list[str]:
    """What is wrong with the shares of the classes in all labels, and of impervious ground in each split."""
    rarest, share = min(shares.items(), key=lambda item: item[1])
    troubles = [f"class {rarest} makes up {share:.2%} of the labels"] if share < RARE_WARN else []
    if max(impervious.values()) - min(impervious.values()) > UNLIKE_WARN:
        shown = ", ".join(f"{share:.0%} of {split}" for split, share in impervious.items())
        troubles.append(f"the splits are unlike each other: {shown} is impervious")
    return troubles


def _shares(classes: dict[int, int]) -> dict[int, float]:
    total = known(classes)
    return {value: count / total for value, count in classes.items() if value != UNKNOWN and count}


def _classes_of(data: Dataset) -> set[int]:
    stated = (data.manifest.label or {}).get("classes") or {"0": "", "1": ""}
    return {int(value) for value in stated} | {UNKNOWN}


def _decibel_bands(data: Dataset) -> set[str]:
    return {band.name for band in (*data.manifest.bands, *_fine_bands(data)) if band.unit == "dB"}


def _fine_bands(data: Dataset):
    return data.manifest.layers["fine"].bands if "fine" in data.manifest.layers else ()


def _some(names: Iterable[str], most: int = 3) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


CHECKS: Sequence[Callable[[Dataset, CardSurvey], Finding]] = (
    files,
    alignment,
    index,
    leakage,
    duplicates,
    missing,
    ranges,
    offset,
    balance,
    composite_rules,
    shift,
)
