"""LandCover3m (3-m land cover from 10-m labels): networks, normalisation by sensor, post-processing, pruning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from isamap.gee_export.base.scheme import SEVEN
from isamap.reproduction import chips
from isamap.reproduction.evaluators import on_split, run_of
from isamap.reproduction.labels import LabelsAsMap
from isamap.reproduction.points import OA_POINTS, POINTS, AtPoints
from isamap.reproduction.prunings import Pruning, costs
from isamap.reproduction.runs import Training
from isamap.reproduction.stitched import Stitched
from isamap.reproduction.study import Evaluated, Export, Run, Study, StudyMeasure, StudyPreset, StudyRow, Trial, printed

OA, AT_POINTS = StudyMeasure("oa", "OA"), StudyMeasure(OA_POINTS, f"OA at {POINTS:,} points")
PRODUCT = "10-m product"
# producer's accuracies, as Table 4 prints them; the simulated world has no snow
PA = tuple(StudyMeasure(f"pa_{name}", f"PA {name}") for name in SEVEN[:-1])
IMPERVIOUS = tuple(
    StudyMeasure(f"{key}_impervious", f"{title} impervious") for key, title in (("f1", "F1"), ("iou", "IoU"))
)
UA_IMPERVIOUS = StudyMeasure("ua_impervious", "UA impervious")
# Table 4: recipe, then OA and PA of cropland, woodland, grassland, water, impervious and bare land
_PRODUCT = (0.8124, 0.7827, 0.8535, 0.6205, 0.9175, 0.6911, 0.9293)
_NETWORKS: dict[str, tuple[str, tuple[float, ...]]] = {
    "U-Net": ("unet-landcover3m", (0.8340, 0.7321, 0.8879, 0.7096, 0.8660, 0.7592, 0.9505)),
    "FC-DenseNet": ("fcdensenet", (0.8387, 0.8155, 0.9108, 0.6832, 0.8454, 0.6859, 0.9452)),
    "HRNet": ("hrnet", (0.8634, 0.8393, 0.8947, 0.7360, 0.8660, 0.7853, 0.9576)),
}
# Table 5: OA, parameters, megabytes, theoretical acceleration in percent
_COSTS = (
    OA,
    StudyMeasure("parameters", "parameters", ",.0f", "low"),
    StudyMeasure("megabytes", "MB", ".1f", "low"),
    StudyMeasure("acceleration_percent", "theoretical acceleration, %", ".1f"),
    StudyMeasure("cut_percent", "FLOP cut, %", ".1f"),
    StudyMeasure("speed_up", "measured speed-up", ".2f"),
)
_SCHEMES = {"inner": "Pruned within blocks", "literal": "Pruned as the paper counts", "groups": "Pruned by groups"}
SEEDS = 3
# the first is HRNet's own, so that its run is that of the other studies
SENSORS = {"truth": "Trained sensor", "sensor": "Other sensor"}
FIRST_NORM, SECOND_NORM = "instance normalisation", "batch normalisation"
NORMS: dict[str, Mapping[str, Any]] = {FIRST_NORM: {}, SECOND_NORM: {"model.norm": "batch"}}

CPU = {"epochs": "15", "batch": "8", "patience": "15"}
CPU_PRUNING = {"epochs": "5"}
_SMALL = (
    "CPU-sized: chips of 128 px of the edges of five towns instead of 100,000 of 1,024 px, networks of a third of the "
    f"widths or less, {CPU['epochs']} epochs in batches of {CPU['batch']} without crops, a larger learning rate. "
    "Instance normalisation takes its mean and spread from 384 m a side instead of a crop's 1.5 km, so that a chip of "
    "one class looks like any other."
)
_LARGE = "Chips of 1,024 px of five towns and their surroundings stand for the paper's 100,000 of all China."
_STITCHED = (
    "The test chips of each place are put together before the step, whose blocks are fixed to the ground; the "
    "threshold is found on the validation chips with the product's labels. The intervals resample the five places."
)
_TRAINED_ON = (
    "Pruned networks had more training than the whole one: at a tenth of its learning rate, with filters silenced "
    f"after each epoch and again after their removal ({CPU_PRUNING['epochs']} epochs each in CPU size, else 10)."
)
_UNFILTERED = "No chips are left out for noisy labels."
_FILTERED = (
    "Chips whose labels agree with a U-Net trained on all chips on less than 20 % of their pixels are left out "
    "(LandCover3m section 2.3)."
)
_NO_SNOW = "The world has no snow or ice; the paper's accuracies of that class are left out."


def _run(recipe: str, settings: Mapping[str, Any], small: bool) -> Training:
    return Training(f"{recipe}-tiny", {**CPU, **settings}) if small else Training(recipe, settings)


def _filtered(recipe: str, small: bool) -> Training:
    """Trained without the chips whose labels a U-Net that saw all of them contradicts on four pixels of five."""
    return replace(_run(recipe, {}, small), judge=_run("unet-landcover3m", {}, small))


def _table4(small: bool) -> tuple[StudyRow, ...]:
    measures = (OA, *PA)
    product = AtPoints(LabelsAsMap("chips", classes=SEVEN))
    rows = (
        StudyRow(label, _filtered(recipe, small), AtPoints(on_split()), printed(measures, numbers), data="truth")
        for label, (recipe, numbers) in _NETWORKS.items()
    )
    return (StudyRow(PRODUCT, None, product, printed(measures, _PRODUCT), data="truth"), *rows)


def _with_costs(trial: Trial) -> Evaluated:
    scores = on_split()(trial)
    return replace(scores, values={**scores.values, **costs(run_of(trial))})


def _table5(small: bool) -> tuple[StudyRow, ...]:
    unpruned, round_to = _run("hrnet", {}, small), 2 if small else None
    paper = {"inner": printed(_COSTS[:4], (0.8604, 9_720_660, 39, 52.63))}
    rows: list[tuple[str, Run, Mapping[str, float]]] = [
        ("HRNet", unpruned, printed(_COSTS[:3], (0.8634, 16_812_946, 130)))
    ]
    for scheme, label in _SCHEMES.items():
        pruned = Pruning(unpruned, scheme, round_to=round_to, settings=CPU_PRUNING if small else {})
        rows.append((label, pruned, paper.get(scheme, {})))
    return tuple(StudyRow(label, run, _with_costs, numbers, data="truth") for label, run, numbers in rows)


def _norm(small: bool) -> tuple[StudyRow, ...]:
    return tuple(
        StudyRow(f"{sensor_title}: {title}", _run("hrnet", settings, small), on_split(), data=data)
        for data, sensor_title in SENSORS.items()
        for title, settings in NORMS.items()
    )


def _clahe(small: bool) -> tuple[StudyRow, ...]:
    run = _run("hrnet", {}, small)
    return (
        StudyRow("Without", run, Stitched(), data="truth"),
        StudyRow("With CLAHE", run, Stitched("clahe", "chips"), data="truth"),
    )


def _cities() -> StudyPreset:
    """The product and HRNet on each city by itself."""
    run, cities = _run("hrnet", {}, True), tuple(chips.CITIES)
    rows = [
        row
        for city in cities
        for row in (
            StudyRow(_of(city, PRODUCT), None, LabelsAsMap(f"{city}-product", classes=SEVEN), data=city),
            StudyRow(_of(city, "HRNet"), run, on_split(), data=city),
        )
    ]
    data = {"chips": chips.chips(), **{city: chips.city(city) for city in cities}}
    data |= {f"{city}-product": chips.city_product(city) for city in cities}
    return StudyPreset(tuple(rows), data, SEEDS, (_SMALL, _UNFILTERED, _NO_SNOW))


def _of(city: str, label: str) -> str:
    return f"{city.capitalize()}: {label}"


def _presets(
    rows: Callable[[bool], tuple[StudyRow, ...]],
    *,
    further: Mapping[str, Callable[[], Export]],
    differs: tuple[str, ...],
) -> dict[str, Callable[[], StudyPreset]]:
    """Both sizes; the larger one's chips are of the paper's size, but of five places only."""

    def sized(small: bool) -> StudyPreset:
        size = chips.SMALL if small else chips.LARGE
        data = {"chips": chips.chips(size), "truth": chips.chips_truth(size)}
        remarks = (_SMALL if small else _LARGE, *([] if _FILTERED in differs else [_UNFILTERED]), *differs)
        return StudyPreset(rows(small), data | {name: make() for name, make in further.items()}, SEEDS, remarks)

    return {"cpu": lambda: sized(True), "paper": lambda: sized(False)}


STUDIES = (
    Study(
        "landcover3m-table4",
        "HRNet against U-Net and FC-DenseNet, learned from 10-m labels",
        "LandCover3m Table 4",
        (OA, AT_POINTS, *PA),
        OA.key,
        _presets(_table4, further={}, differs=(_NO_SNOW, _FILTERED)),
        (
            "The paper judges by 1,940 points; we by every pixel of the test chips against the world's truth, and "
            "beside it by as many points drawn at random, whose standard error is about 0.01.",
            "FC-DenseNet64 is no published size; 67 is trained in its place, 56 in CPU size.",
        ),
        teacher=PRODUCT,
    ),
    Study(
        "landcover3m-table5",
        "HRNet pruned",
        "LandCover3m Table 5",
        _COSTS,
        OA.key,
        _presets(_table5, further={}, differs=(_TRAINED_ON,)),
        (
            "The paper's 130 MB are weights and momentum, 8 bytes a parameter; its 39 MB are weights alone, 4 bytes: "
            "like for like 67 to 39 MB (docs/reference/papers.md#landcover3m). Its 52.63 % is a ratio of operations "
            "less 1, not the cut.",
            "Which of the first two pruned rows is the paper's its text does not tell "
            "(docs/reference/networks.md#filter-pruning).",
        ),
    ),
    Study(
        "landcover3m-norm",
        "Instance against batch normalisation on another sensor",
        "LandCover3m Figure 8",
        (OA, *IMPERVIOUS),
        OA.key,
        _presets(_norm, further={"sensor": chips.sensor}, differs=()),
        (
            "The paper shows one Gaofen-2 image and gives no numbers; it says that instance normalisation brings "
            "nothing on the sensor trained on and much on another.",
        ),
        tuple(f"Other sensor: {title}" for title in NORMS),
        contrasts=tuple((f"{sensor}: {FIRST_NORM}", f"{sensor}: {SECOND_NORM}") for sensor in SENSORS.values()),
    ),
    Study(
        "landcover3m-cities",
        "Three cities at 3 m, beside the 10-m product that was learned from",
        "LandCover3m Figures 5 to 7",
        (OA, *IMPERVIOUS),
        OA.key,
        {"cpu": _cities},
        ("The paper shows maps of the cities and gives no numbers; the places are its urban examples.",),
        contrasts=tuple((_of(city, "HRNet"), _of(city, PRODUCT)) for city in chips.CITIES),
    ),
    Study(
        "landcover3m-clahe",
        "Impervious surface weighted by equalised probability",
        "LandCover3m Figure 9",
        (OA, PA[4], UA_IMPERVIOUS, *IMPERVIOUS),
        "f1_impervious",
        _presets(_clahe, further={}, differs=(_STITCHED,)),
        ("The paper says that overall accuracy stays and that roads and sparse buildings gain; it gives no numbers.",),
        ("With CLAHE", "Without"),
    ),
)
