"""What 100 points of a place do: `python -m benchmarks.real_points --data ../shared/data --out runs/points`.

On each real sample of known ground points of four fifths of the cells choose a threshold for a network, and fine-tune
it as docs/starter.md says; the cells that gave none judge both, beside the network as it is and a forest of the same
points. OUT/points.json and a table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks import real_ground
from benchmarks.real_ground import BANDS, KnownGround
from benchmarks.real_rivals import OWN_POINTS, folds, of_own_points
from isamap import gee_export, training
from isamap.training.accuracy.point_threshold import PointSample, choose_threshold
from isamap.training.checkpoints.judged import short

SIDE, BATCH = 48, 2  # px of a patch, and patches, as docs/starter.md has them
WAYS = ("as it is", "threshold from points", "fine-tuned on points", OWN_POINTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of real samples")
    parser.add_argument("--out", type=Path, default=Path("runs/points"))
    parser.add_argument("--start", default="starter", help="the network; the shipped one by default")
    options = parser.parse_args()
    grounds = real_ground.known_grounds(options.data, options.out / "ground")
    figures = {ground.told: compared(options.start, ground, options.out) for ground in grounds}
    (options.out / "points.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))


def compared(start: str, ground: KnownGround, out: Path) -> dict[str, dict[str, float]]:
    """By way: AUC, and F1 of impervious, at a ground's pixels."""
    threshold = real_ground.threshold_of(Path(start))
    before_N = real_ground.mapped(Path(start), ground, out)
    called_N, tuned_N = np.zeros(len(before_N), bool), np.zeros(len(before_N))
    for number, (learned, here) in enumerate(folds(ground)):
        points = PointSample(before_N[learned], ground.impervious_N[learned], _from_zero(ground.cell_N[learned]))
        called_N[here] = before_N[here] >= choose_threshold(points, threshold).threshold
        tuned_N[here] = fine_tuned(start, ground, learned, out / f"{ground.name}-{number}")[here]
    own_N = of_own_points(ground)
    both = {
        "as it is": (before_N, before_N >= threshold),
        "threshold from points": (before_N, called_N),
        "fine-tuned on points": (tuned_N, tuned_N >= threshold),
        OWN_POINTS: (own_N, own_N >= 0.5),
    }
    return {
        way: {
            "auc": round(float(roc_auc_score(ground.impervious_N, probability_N)), 4),
            "f1": round(float(f1_score(ground.impervious_N, called)), 4),
        }
        for way, (probability_N, called) in both.items()
    }


def fine_tuned(start: str, ground: KnownGround, learned: np.ndarray, out: Path) -> np.ndarray:
    """Probabilities at a ground's pixels by a network that started from `start` and learned from some of them."""
    out.mkdir(parents=True, exist_ok=True)
    with rasterio.open(ground.image) as source:
        x, y = rasterio.transform.xy(source.transform, ground.row_N[learned], ground.col_N[learned])
        crs = source.crs
    built = np.where(ground.impervious_N[learned], "urban", "other")
    file = out / "points.gpkg"
    geopandas.GeoDataFrame({"land_cover": built}, geometry=geopandas.points_from_xy(x, y), crs=crs).to_file(file)
    data, run = out / "data", out / "run"
    gee_export.export_patches(
        image=str(ground.image),
        unit="reflectance=0.0001",
        month="2019-06",
        label=[f"{file}#column=land_cover#impervious=urban"],
        bands=list(BANDS),
        size=SIDE,
        stride=SIDE,
        split="random",
        out=data,
        progress=False,
    )
    training.train(data, None, run, start=start, settings={"crop": SIDE, "batch": BATCH})
    return real_ground.mapped(run, ground, out)


def _from_zero(cell_N: np.ndarray) -> np.ndarray:
    numbers: np.ndarray = np.unique(cell_N, return_inverse=True)[1].ravel()
    return numbers


def table(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """A Markdown table of AUC and F1: a row for each ground, a column for each way."""
    rows = [
        f"| {told} | " + " | ".join(f"{short(of[way]['auc'])}, {short(of[way]['f1'])}" for way in WAYS) + " |"
        for told, of in figures.items()
    ]
    return "\n".join([f"| ground | {' | '.join(WAYS)} |", "|---" * (1 + len(WAYS)) + "|", *rows])


if __name__ == "__main__":
    main()
