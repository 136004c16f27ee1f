"""Runs the notebooks and stores their outputs, small, in them: `make notebooks`. All but 00 use the simulated world.

`python -m benchmarks.notebooks [NAME ...]` runs those (all if none is named), each in an empty folder of its own, and
writes what its cells printed and drew below LIMIT_BYTES a notebook. Readers then see pictures without running a cell.
Left out: bars of progress, widgets and whole pages, which no reader of a file can use. The hash of the cells that
ran is kept in the notebook's metadata, so that a test notices cells that were changed and not run again.
"""

from __future__ import annotations

import argparse
import base64
import copy
import hashlib
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LIMIT_BYTES = 200_000  # of a notebook with its outputs
TEXT_CHARS = 6_000  # of one output
WIDTHS_PX = (720, 600, 480, 360)  # of pictures: the first with which the notebook fits
COLOURS, QUALITY = 64, 80  # of drawings (PNG) and of what is more like a photograph (JPEG): the smaller is kept
CELL_S = 3_600
WIDGET, HTML, PLAIN = "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"
PNG, JPEG = "image/png", "image/jpeg"
SAID = ("note", "warning")  # what lines of the standard error are kept begin with
OURS = "isamap"  # the key of the notebook's metadata


def fingerprint(notebook: Any) -> str:
    """SHA-256 of the sources of all code cells, in their order."""
    sources = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(sources.encode()).hexdigest()


def kept(outputs: Sequence[Any], paths: Mapping[str, str], width_px: int = WIDTHS_PX[0]) -> list[Any]:
    """A cell's outputs as they are stored: lines that say something, small pictures, short tables; `paths` renamed."""
    return [small for output in _joined(outputs) if (small := _small(output, paths, width_px)) is not None]


def _joined(outputs: Sequence[Any]) -> Iterator[Any]:
    """Streams of one name between two results as one: a kernel cuts them where it likes, and bars lie between."""
    streams: dict[str, str] = {}
    for output in [*outputs, None]:
        if output is not None and output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
            continue
        for name, text in streams.items():
            yield nbformat.v4.new_output("stream", name=name, text=text)
        streams = {}
        if output is not None:
            yield output


def _small(output: Any, paths: Mapping[str, str], width_px: int) -> Any:
    """The output made small, or None where nothing of it can be stored."""
    if output.output_type == "stream":
        text = _lines(output.text, only_said=output.name == "stderr")
        return nbformat.v4.new_output("stream", name=output.name, text=_text(text, paths)) if text else None
    data = output.data
    if WIDGET in data or (HTML in data and ("<table" not in data[HTML] or len(data[HTML]) > TEXT_CHARS)):
        return None
    shown: dict[str, Any] = {
        media_type: _text(data[media_type], paths) for media_type in (HTML, PLAIN) if media_type in data
    }
    for media_type in {PNG, JPEG} & data.keys():
        shown |= _picture(data[media_type], width_px)
    return nbformat.from_dict({**output, "data": shown, "metadata": {}})


def _lines(text: str, *, only_said: bool) -> str:
    """What a terminal would show at the end: of a line that was overwritten, its last state."""
    lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rpartition("\r")[2] for line in text.split("\n")]
    if only_said:
        lines = [line for line in lines if line.lower().startswith(SAID)]
    return "\n".join(lines).strip("\n") + "\n" if any(lines) else ""


def _text(text: str, paths: Mapping[str, str]) -> str:
    for path, name in paths.items():
        text = text.replace(path, name)
    return text if len(text) <= TEXT_CHARS else text[:TEXT_CHARS].rpartition("\n")[0] + "\n...\n"


def _picture(encoded: str, width_px: int) -> dict[str, str]:
    """The picture by its type, at most so wide."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    if picture.width > width_px:
        picture = picture.resize((width_px, round(picture.height * width_px / picture.width)), Image.Resampling.LANCZOS)
    drawing, photograph = io.BytesIO(), io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(drawing, "png", optimize=True)
    picture.save(photograph, "jpeg", quality=QUALITY, optimize=True)
    media_type, stored = min(((PNG, drawing), (JPEG, photograph)), key=lambda each: each[1].tell())
    return {media_type: base64.b64encode(stored.getvalue()).decode()}


def run(path: Path) -> int:
    """Executes the notebook and writes it with its outputs, whole or not at all; the bytes of the file.

    ValueError where it cannot be below LIMIT_BYTES. A cell that fails raises nbclient's error.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # A home of its own: what a reader's first run prints must not depend on what was run here before.
        os.environ["ISAMAP_HOME"] = str(Path(folder) / "home")
        here = Path(folder) / "here"
        here.mkdir()
        NotebookClient(
            notebook,
            timeout=CELL_S,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(here)}},
        ).execute()
        paths = {f"{here}/": "", str(here): ".", folder: "..", str(Path.home()): "~"}
    return _write(path, fitted(notebook, paths))


def fitted(notebook: Any, paths: Mapping[str, str]) -> Any:
    """The executed notebook with outputs as they are stored, its pictures as wide as LIMIT_BYTES allows."""
    notebook.metadata["language_info"] = {"name": "python"}  # the version is that of whoever ran it last
    notebook.metadata[OURS] = {"outputs_of": fingerprint(notebook)}
    for width_px in WIDTHS_PX:
        small = copy.deepcopy(notebook)
        for cell in small.cells:
            # Clock times and states of widgets would change the file at every run.
            cell.metadata.clear()
            if cell.cell_type == "code":
                cell.outputs = kept(cell.outputs, paths, width_px)
        if len(nbformat.writes(small)) < LIMIT_BYTES:
            return small
    raise ValueError(f"the outputs are larger than {LIMIT_BYTES:,} bytes: print less, or draw fewer pictures")


def _write(path: Path, notebook: Any) -> int:
    nbformat.validate(notebook)
    text = (nbformat.writes(notebook).rstrip("\n") + "\n").encode()
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(text)
    draft.replace(path)
    return len(text)


def main(arguments: Sequence[str]) -> None:
    """Runs the notebooks named, or all, one after the other."""
    parser = argparse.ArgumentParser(description="Run notebooks and store their outputs in them.")
    notebooks = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="of " + ", ".join(notebooks))
    names = parser.parse_args(arguments).names or notebooks
    if unknown := set(names) - set(notebooks):
        parser.error(f"no notebook {', '.join(sorted(unknown))}: there are {', '.join(notebooks)}")
    for name in names:
        begun_s = time.monotonic()
        size = run(FOLDER / f"{name}.ipynb")
        print(f"{name}: {size:,} bytes, {time.monotonic() - begun_s:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
