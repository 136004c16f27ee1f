"""Settings of the documentation site; `make docs` builds it into build/docs."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parent), str(FOLDER)]

import docstrings  # noqa: E402 (both lie beside this file, which Sphinx does not put on the path)
import generate  # noqa: E402

import isamap  # noqa: E402

project = "isamap"
author = "the isamap authors"
project_copyright = author
release = isamap.version()
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["generated", "_*"]  # _simulated.md is a sentence that pages include
suppress_warnings = ["toc.empty_glob"]  # sections that fill up as pages are added

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4  # links such as training.md#fine-tuning

autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "isamap"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"


def setup(app) -> None:
    """Writes the command reference before the pages are read, and turns docstrings into reStructuredText."""
    generate.write(FOLDER / "generated" / "commands.md")
    app.connect("autodoc-process-docstring", docstrings.process)
