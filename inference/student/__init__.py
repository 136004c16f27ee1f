"""A checkpoint inside Earth Engine: a small student of it, its expression graph and a Code Editor script."""
