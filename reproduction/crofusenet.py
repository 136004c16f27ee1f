"""The tables and figures of CroFuseNet (DOI 10.1109/JSTARS.2023.3250461)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isamap.reproduction import worlds
from isamap.reproduction.evaluators import on_split
from isamap.reproduction.runs import Training
from isamap.reproduction.study import Run, Study, StudyMeasure, StudyPreset, StudyRow, printed
from isamap.reproduction.tuning import shared

MIOU, OA, F1 = StudyMeasure("miou", "MIoU"), StudyMeasure("oa", "OA"), StudyMeasure("mean_f1", "mean F1")
BY_CLASS = tuple(
    StudyMeasure(f"{key}_{name}", f"{short} {title}")
    for name, short in (("impervious", "IS"), ("pervious", "PS"))
    for key, title in (("iou", "IoU"), ("pa", "PA"), ("ua", "UA"), ("f1", "F1"))
)

# methods of Tables II and III: recipe, then MIoU, OA, mean F1, then IoU, PA, UA, F1 of impervious and of pervious
_METHODS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    "RF": (
        "random_forest",
        (0.7890, 0.8974, 0.8802),
        (0.7165, 0.8367, 0.8331, 0.8349, 0.8614, 0.9246, 0.9264, 0.9255),
    ),
    "SVM": ("svm", (0.7413, 0.8696, 0.8487), (0.6563, 0.7858, 0.7993, 0.7925, 0.8264, 0.9085, 0.9014, 0.9079)),
    "FCN": ("fcn8s", (0.8741, 0.9417, 0.9322), (0.8297, 0.9018, 0.9120, 0.9069, 0.9185, 0.9600, 0.9551, 0.9575)),
    "HRNet": (
        "hrnet-crofusenet",
        (0.8951, 0.9526, 0.9442),
        (0.8563, 0.9378, 0.9019, 0.9226, 0.9339, 0.9589, 0.9728, 0.9658),
    ),
    "DeepLabV3+": (
        "deeplabv3plus",
        (0.9065, 0.9575, 0.9506),
        (0.8730, 0.9273, 0.9371, 0.9322, 0.9400, 0.9714, 0.9668, 0.9691),
    ),
    "UNet": ("unet", (0.9355, 0.9712, 0.9665), (0.9122, 0.9467, 0.9615, 0.9541, 0.9588, 0.9825, 0.9755, 0.9790)),
    "CroFuseNet": (
        "crofusenet",
        (0.9495, 0.9777, 0.9770),
        (0.9310, 0.9614, 0.9672, 0.9641, 0.9680, 0.9851, 0.9824, 0.9838),
    ),
}
# cases of Table IV: constructor values, then IoU, PA, UA, F1 of impervious, and MIoU, OA, mean F1
_CASES: dict[str, tuple[Mapping[str, str], tuple[float, ...]]] = {
    "Case 1: no CFM, no MFA": (
        {"model.cfm": "none", "model.mfa": "no"},
        (0.9153, 0.9521, 0.9595, 0.9558, 0.9379, 0.9723, 0.9678),
    ),
    "Case 2: no CFM": ({"model.cfm": "none"}, (0.9287, 0.9602, 0.9659, 0.9630, 0.9479, 0.9769, 0.9731)),
    "Case 3: no MFA": ({"model.mfa": "no"}, (0.9220, 0.9553, 0.9636, 0.9594, 0.9429, 0.9746, 0.9705)),
    "Case 4: concatenation for CFM": (
        {"model.cfm": "concat"},
        (0.9290, 0.9620, 0.9644, 0.9632, 0.9481, 0.9770, 0.9732),
    ),
    "Case 5: CroFuseNet": ({}, (0.9310, 0.9614, 0.9672, 0.9641, 0.9495, 0.9777, 0.9740)),
}
_LOSSES: dict[str, Mapping[str, str]] = {
    "Case 1: shared loss only": {"loss.alpha": "0", "loss.beta": "0"},
    "Case 2: equal weights": {"loss.alpha": "1", "loss.beta": "1"},
    "Case 3: weights 1 and 0.8": {},
}
# section V-B gives differences from the figures of CroFuseNet
_SENSORS: dict[str, tuple[str, Mapping[str, str], tuple[float, ...]]] = {
    "UNet on Sentinel-1": ("unet", {"bands": "VV,VH"}, (0.8558, 0.9323, 0.9215)),
    "UNet on Sentinel-2": ("unet", {"bands": "B2,B3,B4,B8"}, (0.9359, 0.9714, 0.9667)),
    "CroFuseNet on both": ("crofusenet", {}, (0.9495, 0.9777, 0.9740)),
}


# rows of crofusenet-leak
SAME, THIRD = "Test patches of the first area", "Third area"
AMONG, APART = "trained among them", "trained elsewhere"
# the size of a CPU preset; networks that see far have larger crops
CPU = {"epochs": "160", "batch": "8", "patience": "32", "crop": "64"}
REHEARSAL_EPOCHS, REHEARSAL_EPOCHS_OF_UNET = 6, 12
# the family that Table IV takes apart, and the U-Net it is compared with, have equal widths: an eighth of the paper's
_NARROW = {"model.widths": "4,8,16,32,64", "crop": "32"}
# the paper's r = 16 without a least number of hidden units; the printed figures are of this network
AS_PRINTED: Mapping[str, Mapping[str, str]] = {"crofusenet": {"model.least_hidden": "1"}}
# a U-Net so narrow maps one class for some epochs before it learns: it must not be ended there
_OWN: Mapping[str, Mapping[str, str]] = {"crofusenet": _NARROW, "unet": {**_NARROW, "patience": CPU["epochs"]}}
_PIXELS = ("random_forest", "svm")
# what a practitioner tries first with these four bands; the paper has no such row
_INDICES = {"PISI, a threshold": "pisi", "NDVI, a threshold": "ndvi"}
# rows that take long have fewer seeds than the study
_SEEDS = {"fcn8s": 3}
# One CPU had no hours for their epochs.
_LARGE_ONLY = ("hrnet-crofusenet", "deeplabv3plus")
CPU_PATCHES = 288
_BLOCKS = "The paper split overlapping patches at random (crofusenet-leak shows what that is worth)."
_SMALL = (
    f"CPU-sized: {CPU_PATCHES} patches of the central area side by side instead of 5,603 that overlap; CroFuseNet and "
    f"U-Net of an eighth of the widths, trained on crops of {_NARROW['crop']} px; the other networks of a quarter, on "
    f"crops of {CPU['crop']} px; batches of {CPU['batch']} instead of 32; a forest of 20 trees on 20,000 pixels, an "
    "SVM on 4,000. HRNet and DeepLabV3+ are left to the preset `paper`: one CPU had no hours for them.",
    f"At most {CPU['epochs']} epochs; a training (but a U-Net's) ends when validation has not got better for "
    f"{CPU['patience']}. Adam's rate is 0.0005, 0.002 or 0.008, whichever validates best in {REHEARSAL_EPOCHS} epochs "
    f"(a U-Net's {REHEARSAL_EPOCHS_OF_UNET}) with another seed; all variants of CroFuseNet take the rate of the "
    "complete one.",
)


def _trained(recipe: str, settings: Mapping[str, str], *, small: bool, data: str = "") -> Run:
    """The paper's recipe, or its CPU-sized variant of CPU's epochs and batches at a rate chosen by rehearsals."""
    literal = AS_PRINTED.get(recipe, {})
    if not small:
        return Training(recipe, {**literal, **settings}, data)
    if recipe in _PIXELS:
        return Training(f"{recipe}-tiny", settings, data)
    common = {**CPU, **literal, **_OWN.get(recipe, {})}
    complete = common if recipe == "crofusenet" else {**common, **settings}
    epochs = REHEARSAL_EPOCHS_OF_UNET if recipe == "unet" else REHEARSAL_EPOCHS
    rehearsal = Training(f"{recipe}-tiny", {**complete, "epochs": str(epochs)}, data)
    return shared(f"{recipe}-tiny", {**common, **settings}, rehearsal, data)


def _methods(
    small: bool, numbers: Callable[[tuple[float, ...], tuple[float, ...]], dict[str, float]]
) -> tuple[StudyRow, ...]:
    networks = (
        StudyRow(
            label,
            _trained(recipe, {}, small=small),
            on_split(),
            numbers(overall, by_class),
            seeds=_SEEDS.get(recipe, 0) if small else 0,
        )
        for label, (recipe, overall, by_class) in _METHODS.items()
        if not (small and recipe in _LARGE_ONLY)
    )
    indices = (StudyRow(label, Training(recipe, {}), on_split()) for label, recipe in _INDICES.items())
    return (*indices, *networks)


def _table2(small: bool) -> tuple[StudyRow, ...]:
    return _methods(small, lambda overall, _: printed((MIOU, OA, F1), overall))


def _table3(small: bool) -> tuple[StudyRow, ...]:
    return _methods(small, lambda _, by_class: printed(BY_CLASS, by_class))


def _table4(small: bool) -> tuple[StudyRow, ...]:
    return tuple(
        StudyRow(
            label,
            _trained("crofusenet", values, small=small),
            on_split(),
            printed((*BY_CLASS[:4], MIOU, OA, F1), numbers),
        )
        for label, (values, numbers) in _CASES.items()
    )


def _fig9(small: bool) -> tuple[StudyRow, ...]:
    return tuple(
        StudyRow(label, _trained("crofusenet", weights, small=small), on_split()) for label, weights in _LOSSES.items()
    )


def _fig11(small: bool) -> tuple[StudyRow, ...]:
    return tuple(
        StudyRow(label, _trained(recipe, bands, small=small), on_split(), printed((MIOU, OA, F1), numbers))
        for label, (recipe, bands, numbers) in _SENSORS.items()
    )


def _transfer(small: bool) -> tuple[StudyRow, ...]:
    places = {"Wuhan, June 2019 (trained there)": "", "Wuhan, June 2020": "june2020", "Nanjing, summer 2019": "nanjing"}
    run = _trained("crofusenet", {}, small=small)
    return tuple(StudyRow(label, run, on_split(), data=data) for label, data in places.items())


def _leak() -> tuple[StudyRow, ...]:
    among, apart = (_trained("unet", {}, small=True, data=data) for data in ("among", "apart"))
    runs = {AMONG: among, APART: apart}
    return tuple(
        StudyRow(f"{where}: {label}", run, on_split(), data=data)
        for data, where in (("among", SAME), ("third", THIRD))
        for label, run in runs.items()
    )


def _leak_cpu() -> StudyPreset:
    data = {
        "among": worlds.wuhan_overlapping("west"),
        "apart": worlds.wuhan_overlapping("east"),
        "third": worlds.wuhan_north(),
    }
    remarks = (
        "CPU-sized U-Net, on overlapping patches of 15 km, trained as in crofusenet-table2. Both training sets have as "
        "many patches, drawn in the same way, and both networks are judged on the same test patches: those that lie "
        "among the first network's training patches, and those of a third area that neither has seen. The second "
        "difference shows what the two training areas are worth otherwise; the first less the second is the leak.",
    )
    return StudyPreset(_leak(), data, 3, remarks)


def _presets(rows: Callable[[bool], tuple[StudyRow, ...]], seeds: int, further: bool = False) -> dict[str, Any]:
    """Both sizes of a study: on 400 patches in separate blocks, and as the paper says."""

    def cpu() -> StudyPreset:
        data = {"wuhan": worlds.wuhan_apart(CPU_PATCHES)}
        if further:
            data |= {
                "june2020": worlds.wuhan_apart(CPU_PATCHES, year=2020),
                "nanjing": worlds.nanjing(CPU_PATCHES // 4),
            }
        return StudyPreset(rows(True), data, seeds, (*_SMALL, _BLOCKS))

    def paper() -> StudyPreset:
        data = {"wuhan": worlds.wuhan(None, split="random")}
        if further:
            data |= {"june2020": worlds.wuhan_2020(None, split="random"), "nanjing": worlds.nanjing(1000)}
        return StudyPreset(rows(False), data, seeds)

    return {"cpu": cpu, "paper": paper}


STUDIES = (
    Study(
        "crofusenet-table2",
        "CroFuseNet and six other methods",
        "CroFuseNet Table II",
        (MIOU, OA, F1),
        "miou",
        _presets(_table2, 5),
        ("Table II prints 0.9770 as CroFuseNet's F1; its own class values give (0.9641 + 0.9838) / 2 = 0.9740.",),
    ),
    Study(
        "crofusenet-table3",
        "The same methods, class by class",
        "CroFuseNet Table III",
        BY_CLASS,
        "iou_impervious",
        _presets(_table3, 5),
        (
            "The paper's SVM and HRNet rows do not satisfy F1 = 2 PA UA / (PA + UA) to the digits printed; HRNet's F1 "
            "of 0.9226 fits its IoU, not its PA and UA, which give 0.9195.",
        ),
    ),
    Study(
        "crofusenet-table4",
        "What CFM and MFA bring",
        "CroFuseNet Table IV",
        (*BY_CLASS[:4], MIOU, OA, F1),
        "miou",
        _presets(_table4, 3),
        ("The paper's Cases 2, 4 and 5 lie within 0.0016 MIoU of each other, from one training each.",),
    ),
    Study(
        "crofusenet-fig9",
        "Weights of the three losses",
        "CroFuseNet Figure 9",
        (MIOU, OA, F1),
        "miou",
        _presets(_fig9, 3),
        (
            "The paper draws bars without numbers and tells the order; the value of the equal weights is not printed, "
            "1 is ours.",
        ),
        ("Case 3: weights 1 and 0.8", "Case 1: shared loss only", "Case 2: equal weights"),
    ),
    Study(
        "crofusenet-fig11",
        "Sentinel-1 alone, Sentinel-2 alone, and both",
        "CroFuseNet Figure 11",
        (MIOU, OA, F1),
        "miou",
        _presets(_fig11, 3),
        ("The paper's single-sensor figures are those of CroFuseNet less the differences that section V-B tells.",),
    ),
    Study(
        "crofusenet-transfer",
        "The same network a year later and in another city",
        "CroFuseNet Figures 12 and 13",
        (MIOU, OA, F1, *BY_CLASS[:4]),
        "miou",
        _presets(_transfer, 3, further=True),
        ("The paper shows pictures and gives no numbers: it had no labels of 2020 and of Nanjing.",),
    ),
    Study(
        "crofusenet-leak",
        "What the paper's random split of overlapping patches is worth",
        "CroFuseNet section II-B",
        (MIOU, OA, F1, *BY_CLASS[:1]),
        "miou",
        {"cpu": _leak_cpu},
        (
            "The paper measures nothing of the kind. With patches of 128 px at a stride of 80 and a random split of "
            "8:1:1, 86 % of an inner test patch's pixels lie in some training patch.",
        ),
        contrasts=tuple((f"{where}: {AMONG}", f"{where}: {APART}") for where in (SAME, THIRD)),
    ),
)
