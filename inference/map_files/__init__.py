"""Maps as files: GeoTIFF, its sidecar and its legend."""
