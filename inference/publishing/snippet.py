"""Lines that show a published map, for the Code Editor and for geemap."""

from __future__ import annotations

from isamap.gee_export.earth_engine.assets import check_asset_name
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend

MAP_ZOOM = 12


def javascript(asset: str, legend: Legend, numbers: str = "probability") -> str:
    """Lines for the Code Editor that centre on the asset and draw it in its colours; numbers: what stands beside."""
    palette = ", ".join(f"'{colour}'" for colour in legend.colours)
    check_asset_name(asset)
    return "\n".join(
        [
            f"var map = ee.Image('{asset}');",
            f"Map.centerObject(map, {MAP_ZOOM});",
            f"Map.addLayer(map.select('{legend.band}'), "
            f"{{min: 0, max: {len(legend.names) - 1}, palette: [{palette}]}}, '{legend.band}');",
            f"Map.addLayer(map.select('{PROBABILITY}').divide({PROB_STEPS}), "
            f"{{min: 0, max: 1, palette: ['ffffff', 'e31a1c']}}, '{numbers}', false);",
        ]
    )


def python(asset: str, legend: Legend) -> str:
    """The same for geemap."""
    palette = ", ".join(f'"{colour}"' for colour in legend.colours)
    check_asset_name(asset)
    return "\n".join(
        [
            "import ee, geemap  # after isamap.connect(), or ee.Initialize(project=...)",
            "view = geemap.Map()",
            f'image = ee.Image("{asset}")',
            f"view.center_object(image, {MAP_ZOOM})",
            f'view.add_layer(image.select("{legend.band}"), '
            f'{{"min": 0, "max": {len(legend.names) - 1}, "palette": [{palette}]}}, "{legend.band}")',
        ]
    )
