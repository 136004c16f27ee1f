"""Real samples beside the repository, never in it: tests of them are skipped where the folder is not."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no real samples in ../shared/data")
