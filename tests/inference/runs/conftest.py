"""The plot, the checkpoint and the finished run that tests of tiles have, too."""

from __future__ import annotations

from tests.inference.tiles.conftest import asked, network, plot, undisturbed, undisturbed_folder  # noqa: F401
