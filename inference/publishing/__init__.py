"""Maps as Earth Engine assets."""
