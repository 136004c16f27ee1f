"""One figure of a map and of products on the same points: accuracies with their 95 % intervals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from gee_export.base.storage import write_whole
from inference.assessment.product_scores import ProductScores

MEASURES = {"overall": "overall accuracy", "users": "user's", "producers": "producer's", "f1": "F1", "iou": "IoU"}
DPI = 120


def draw_products(products: Sequence[ProductScores], path: Path, *, simulated: bool) -> None:
    """Writes a PNG of a panel for each measure, a row for each product."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.3 + 0.35 * len(products)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    rows = list(range(len(products)))[::-1]
    for axes, (key, title) in zip(panels, MEASURES.items(), strict=True):
        for row, product in zip(rows, products, strict=True):
            estimate, bounds = product.measures[key]
            if estimate.value is None:
                continue
            colour = "#e31a1c" if row == rows[0] else "#333333"
            axes.plot([estimate.value], [row], "o", color=colour, ms=5)
            if bounds is not None:
                axes.plot(bounds, [row, row], "-", color=colour, lw=1.5)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, 1.02)
        axes.grid(axis="x", color="#dddddd")
        axes.set_yticks(rows, [product.name for product in products], fontsize=9)
    subject = "Class impervious on the same points, 95 % intervals"
    figure.suptitle(subject + (" (simulated)" if simulated else ""), fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": "isamap"})
    write_whole(path, content.getvalue())
