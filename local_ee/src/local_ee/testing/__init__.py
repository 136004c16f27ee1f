"""What tests of Earth Engine code build on: small catalogs, shared engines, recorded answers (local_ee/README.md)."""

from __future__ import annotations

from local_ee.testing.samples import ArrayImage

__all__ = ["ArrayImage"]
