"""Panels: what the test patches show, and what each row of a study makes of them, side by side."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.inference.map_files.legend import COLOURS
from isamap.training.models.output import is_sar
from isamap.training.samples.target import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Grey: the colour of neither class.
UNKNOWN_RGB = (96, 96, 96)
TILE_INCH, TITLE_INCH, LEGEND_INCH, DPI = 1.45, 0.42, 0.3, 110
SHOWN_LEAST_VALID, SHOWN_QUANTILES = 0.9, (0.25, 0.9)


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a panel: its title and a picture (uint8, rows, columns, 3) per patch; None where there is none."""

    title: str
    pictures: tuple[np.ndarray | None, ...]


@dataclass(frozen=True, eq=False)
class PanelGroup:
    """Lines of a panel that show the same patches: those of one dataset."""

    title: str
    columns: tuple[Column, ...]


def chosen(addresses: Sequence[str], count: int, split: str = "test") -> tuple[str, ...]:
    """Ids of patches to show: spread from little to much impervious ground, whole ones before ragged ones."""
    patches = [patch for address in addresses for patch in Dataset.open(address).in_split(split)]
    # Where clouds left no whole patch, ragged ones are shown rather than none.
    complete = [patch for patch in patches if patch.valid_share >= SHOWN_LEAST_VALID] or patches
    ranked = sorted(complete, key=lambda patch: (patch.impervious_share or 0.0, patch.id))
    places = np.unique(np.rint(np.linspace(*SHOWN_QUANTILES, count) * (len(ranked) - 1)).astype(int))
    return tuple(ranked[at].id for at in places)


def _sensors(entries: Sequence[tuple[Dataset, Patch]]) -> list[Column]:
    """What Sentinel-2 and Sentinel-1 show, where the patches hold them."""
    images = [(data.read_image(patch), data.manifest.band_names) for data, patch in entries]
    optical = [image[_visible(names)] for image, names in images if _visible(names)]
    sar = [image[[at]] for image, names in images for at in [_first_sar(names)] if at is not None]
    return [Column(title, _stretched(planes)) for title, planes in (("optical", optical), ("SAR", sar)) if planes]


def views(addresses: Sequence[str], ids: Sequence[str], *, fine: bool, truth: Sequence[str] = ()) -> list[Column]:
    """What the data show of the patches: optical, the finer image, SAR, label, and the truth of another dataset.

    fine: labels and truth are the finer ones where the dataset has them.
    """
    entries = [_of_patch(addresses, name) for name in ids]
    columns = _sensors(entries)
    if fine and all("fine" in data.manifest.layers for data, _ in entries):
        planes = [data.read_fine(p)[_visible(data.manifest.layers["fine"].band_names)] for data, p in entries]
        columns.append(Column("finer image", _stretched(planes)))
    columns.append(Column("label", tuple(_label(data, patch, fine) for data, patch in entries)))
    if truth:
        columns.append(Column("truth", tuple(_label(*_of_patch(truth, name), fine) for name in ids)))
    return columns


def coloured(classes_HW: np.ndarray, names: Sequence[str] | Mapping[int, str]) -> np.ndarray:
    """A map in the colours of isamap.inference.map_files.legend, uint8 (rows, columns, 3); what has no name is grey."""
    numbered = names if isinstance(names, Mapping) else dict(enumerate(names))
    palette = np.full((256, 3), UNKNOWN_RGB, dtype=np.uint8)
    for value, name in numbered.items():
        if colour := COLOURS.get(name):
            palette[value] = tuple(bytes.fromhex(colour))
    return palette[classes_HW]


def grey(heat_HW: np.ndarray) -> np.ndarray:
    """A heat map as a picture, uint8 (rows, columns, 3): the lighter, the more probable."""
    return heat_HW[..., None].repeat(3, axis=2)


def save(groups: Sequence[PanelGroup], path: Path, *, names: Sequence[str], caption: str) -> None:
    """Draw the groups below each other as a PNG, whole or not at all; names: classes for the legend."""
    from matplotlib.figure import Figure

    across = max(len(group.columns) for group in groups)
    tall = sum(TITLE_INCH + TILE_INCH * len(group.columns[0].pictures) for group in groups) + 2 * LEGEND_INCH
    figure = Figure(figsize=(TILE_INCH * across, tall), dpi=DPI)
    top = 1.0
    for group in groups:
        top = _draw(figure, group, top, across)
    _draw_legend(figure, names, caption)
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png")
    write_whole(path, encoded.getvalue())


def compressed(source: Path, target: Path, most_bytes: int) -> None:
    """The picture as a JPEG of at most so many bytes: poorer first, then smaller."""
    from matplotlib.image import imread, imsave

    picture = (imread(source)[..., :3] * 255).round().astype(np.uint8)
    for quality, step in ((90, 1), (80, 1), (70, 1), (55, 1), (70, 2), (50, 2), (40, 3)):
        data = io.BytesIO()
        imsave(data, _smaller(picture, step), format="jpg", pil_kwargs={"quality": quality})
        if len(data.getbuffer()) <= most_bytes:
            break
    write_whole(target, data.getvalue())


def _smaller(picture: np.ndarray, step: int) -> np.ndarray:
    """Means of step x step pixels, so that writing stays readable; what is over at the edges is left out."""
    rows, columns = (side // step for side in picture.shape[:2])
    blocks = picture[: rows * step, : columns * step].reshape(rows, step, columns, step, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def _of_patch(addresses: Sequence[str], name: str) -> tuple[Dataset, Patch]:
    """The dataset among several that holds the patch, and the patch."""
    for data in map(Dataset.open, addresses):
        for patch in data.patches:
            if patch.id == name:
                return data, patch
    raise ValueError(f"{', '.join(addresses)}: no patch {name}; its truth must be exported on the same patches")


def _visible(names: Sequence[str]) -> list[int]:
    """Red, green and blue where the names tell, else the first optical band; none in images of SAR alone."""
    optical = [at for at, name in enumerate(names) if not is_sar(name)]
    try:
        return [list(names).index(name) for name in visible(names)]
    except ValueError:
        return optical[:1]


def _first_sar(names: Sequence[str]) -> int | None:
    return next((at for at, name in enumerate(names) if is_sar(name)), None)


def _label(data: Dataset, patch: Patch, fine: bool) -> np.ndarray:
    names = {int(value): name for value, name in ((data.manifest.label or {}).get("classes") or {}).items()}
    label = data.read_fine_label(patch) if fine and "fine_labels" in data.manifest.layers else data.read_label(patch)
    return coloured(label, names or ("pervious", "impervious"))


def _stretched(stored: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Pictures of 1 or 3 bands each, all on one scale: from the 2nd to the 98th percentile of their valid pixels."""
    nodata = -32768 if stored[0].dtype == np.int16 else 0
    valid = np.concatenate([planes[planes != nodata] for planes in stored])
    low, high = np.percentile(valid, (2, 98)) if valid.size else (0.0, 1.0)
    pictures = []
    for planes in stored:
        grey = (np.clip((planes.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
        grey[planes == nodata] = UNKNOWN_RGB[0]
        pictures.append(np.ascontiguousarray(np.broadcast_to(grey.transpose(1, 2, 0), (*grey.shape[1:], 3))))
    return tuple(pictures)


def _draw(figure: Figure, group: PanelGroup, top: float, across: int) -> float:
    """Draw a group from `top` (share of the figure's height) downwards; where it ends."""
    height, width = figure.get_figheight(), 1 / across
    top -= TITLE_INCH / height
    for at, column in enumerate(group.columns):
        title = column.title if at or not group.title else f"{group.title}\n{column.title}"
        text = "\n".join(line for paragraph in title.split("\n") for line in textwrap.wrap(paragraph, 20))
        figure.text((at + 0.5) * width, top + 0.03 / height, text, ha="center", va="bottom", fontsize=6.5)
        for down, picture in enumerate(column.pictures):
            if picture is not None:
                box = (at * width + 0.02 / (TILE_INCH * across), top - (down + 1) * TILE_INCH / height)
                axes = figure.add_axes((*box, width - 0.04 / (TILE_INCH * across), (TILE_INCH - 0.04) / height))
                axes.imshow(picture, interpolation="nearest" if len(picture) < 256 else "antialiased", aspect="auto")
                axes.set_axis_off()
    return top - max(len(column.pictures) for column in group.columns) * TILE_INCH / height


def _draw_legend(figure: Figure, names: Sequence[str], caption: str) -> None:
    """Class colours, and below them the caption, at the foot of the figure."""
    height, wide = figure.get_figheight(), figure.get_figwidth()
    x, y = 0.05 / wide, 1.25 * LEGEND_INCH / height
    for name in (*names, "unknown"):
        length = (0.34 + 0.068 * len(name)) / wide
        if x + length > 1:  # a narrow figure takes two lines
            x, y = 0.05 / wide, y - 0.17 / height
        colour = tuple(np.array(coloured(np.array(0 if name in names else 255, np.uint8), (name,))) / 255)
        box = figure.add_axes((x, y, 0.14 / wide, 0.14 / height))
        box.set_facecolor(colour)
        box.set_xticks([])
        box.set_yticks([])
        figure.text(x + 0.18 / wide, y + 0.02 / height, name.replace("_", " and "), fontsize=6.5, va="bottom")
        x += length
    figure.text(0.05 / wide, 0.25 * LEGEND_INCH / height, caption, fontsize=6.5, va="bottom")
