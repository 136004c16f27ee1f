"""The label products as data: where each lies, which years it stands for, and what its codes mean.

Sources: the pages of the Earth Engine catalog (CAT) and of the community catalog (COMM),
docs/reference/earth-engine.md, "Label products" and "Community label products"; docs/labels.md shows the table
and says what is not verified.
"""

from __future__ import annotations

from collections.abc import Mapping

from isamap.gee_export.base.suggest import suggest
from isamap.gee_export.labelling import nlcd
from isamap.gee_export.labelling.product import Edition, Product, epochs, likeliest, most_frequent, snapshot, yearly
from isamap.gee_export.labelling.rules import BuiltArea, Codes, Confidence, FirstYears

_COMMUNITY = "projects/sat-io/open-datasets"
_DYNAMIC = "GOOGLE/DYNAMICWORLD/V1"
_DYNAMIC_CLASSES = {
    "water": "water", "trees": "woodland", "grass": "grassland", "flooded_vegetation": "wetland", "crops": "cropland",
    "shrub_and_scrub": "woodland", "built": "impervious", "bare": "bare", "snow_and_ice": "snow_ice",
}  # fmt: skip
_BOTH = ("isa", "landcover3m")
_CC_BY = "CC-BY-4.0"
_GHSL = "reuse authorised with acknowledgement (European Commission)"
_GHSL_CITATION = "Pesaresi and Politis 2023, doi:10.2905/9F06F36F-4B11-47EC-ABB0-4F8B7B1D72EA"
_WSF_CITATION = "Marconcini et al. 2020, doi:10.1038/s41597-020-00580-5"
_FCS_CITATION = "Zhang et al. 2024, doi:10.5194/essd-16-1353-2024"
_SETTLEMENT = Codes({255: "impervious", 0: "pervious"}, masked="pervious")
_SHRUB = "shrubland counts as woodland (LandCover3m joins them)"
_WORLDCOVER_KINDS = {
    10: "woodland", 20: "woodland", 30: "grassland", 40: "cropland", 50: "impervious", 60: "bare", 70:
    "snow_ice", 80: "water", 90: "wetland", 95: "wetland", 100: "moss",
}  # fmt: skip
_FROM_GLC_KINDS = {
    10: "cropland", 20: "woodland", 30: "grassland", 40: "woodland", 50: "wetland", 60: "water",
    70: "moss", 80: "impervious", 90: "bare", 100: "snow_ice", 120: "unknown",
}  # fmt: skip
_ESRI_KINDS = {
    1: "water", 2: "woodland", 4: "wetland", 5: "cropland", 7: "impervious", 8: "bare", 9: "snow_ice",
    10: "unknown", 11: "grassland",
}  # fmt: skip
_ESRI_2020_KINDS = {
    1: "water", 2: "woodland", 3: "grassland", 4: "wetland", 5: "cropland", 6: "woodland", 7: "impervious",
    8: "bare", 9: "snow_ice", 10: "unknown",
}  # fmt: skip
_FCS_KINDS = (
    dict.fromkeys((10, 11, 12, 20), "cropland")
    | dict.fromkeys((51, 52, 61, 62, 71, 72, 81, 82, 91, 92, 120, 121, 122), "woodland")
    | {130: "grassland", 140: "moss", 190: "impervious", 210: "water", 220: "snow_ice"}
    | dict.fromkeys((150, 152, 153, 200, 201, 202), "bare")
    | dict.fromkeys(range(181, 188), "wetland")
)
# The catalog page's table; its prose says "1990 ... greater than 29", which is one year off its own table (29 = 1990).
_GAIA_YEARS = {code: 2019 - code for code in range(1, 35)}
_GISA_YEARS = {1: 1972, 2: 1978, **{code: 1982 + code for code in range(3, 38)}}  # COMM gisa.md
_GISD_YEARS = {1: 1985, **{code: 1980 + 5 * code for code in range(2, 9)}}  # the step's last year

_OFFICIAL = (
    Product(
        name="worldcover",
        title="ESA WorldCover (v100 is 2020, v200 is 2021; their difference is not change)",
        editions=(Edition("ESA/WorldCover/v100", 2020, None, 2020), Edition("ESA/WorldCover/v200", 2021, 2021, None)),
        band="Map",
        scale_m=10,
        counts="built-up: buildings, roads, rails and other man-made structures; parks and sports grounds do not",
        rule=Codes(_WORLDCOVER_KINDS, schemes=_BOTH),
        licence=_CC_BY,
        citation="Zanaga et al. 2021, doi:10.5281/zenodo.5571936; Zanaga et al. 2022, doi:10.5281/zenodo.7254221",
        notes=(_SHRUB, "mangroves count as wetland"),
    ),
    Product(
        name="dynamicworld",
        title="Dynamic World, the most frequent class of the year",
        editions=yearly(_DYNAMIC, range(2016, 2027)),
        band="label",
        scale_m=10,
        counts="built area: buildings with the streets, yards and lawns between them, large roads, car parks",
        rule=Codes(dict(enumerate(_DYNAMIC_CLASSES.values())), schemes=_BOTH),
        dated=True,
        gather=most_frequent,
        licence=_CC_BY,
        citation="Brown et al. 2022, doi:10.1038/s41597-022-01307-4",
        notes=("0 is water, never no data", "scenes of at most 35 % cloud", _SHRUB),
    ),
    Product(
        name="dynamicworld_mean",
        title="Dynamic World, the class of the highest mean probability of the year",
        editions=yearly(_DYNAMIC, range(2016, 2027)),
        band="nine probabilities",
        scale_m=10,
        counts="built area: buildings with the streets, yards and lawns between them, large roads, car parks",
        rule=Codes(dict(enumerate(_DYNAMIC_CLASSES.values())), schemes=_BOTH),
        dated=True,
        gather=likeliest(tuple(_DYNAMIC_CLASSES)),
        licence=_CC_BY,
        citation="Brown et al. 2022, doi:10.1038/s41597-022-01307-4",
        notes=("nine bands of every scene are read: slower than dynamicworld", _SHRUB),
    ),
    Product(
        name="ghs_built_s_10m",
        title="GHSL built-up surface (buildings, not roads)",
        editions=snapshot("JRC/GHSL/P2023A/GHS_BUILT_S_10m/2018", 2018),
        band="built_surface",
        scale_m=10,
        counts="roofs in m2; no roads, no paved ground",
        rule=BuiltArea(100),
        licence=_GHSL,
        citation=_GHSL_CITATION,
        notes=("m2 of each 100-m2 cell: a share in percent as it is",),
    ),
    Product(
        name="ghs_built_s",
        title="GHSL built-up surface by epoch (buildings, not roads)",
        editions=epochs("JRC/GHSL/P2023A/GHS_BUILT_S/{}", range(1975, 2031, 5)),
        band="built_surface",
        scale_m=100,
        counts="roofs in m2; no roads, no paved ground",
        rule=BuiltArea(10_000),
        licence=_GHSL,
        citation=_GHSL_CITATION,
        notes=("m2 of each hectare; epochs of 5 years, the nearest is taken; 2025 and 2030 are projections",),
    ),
    Product(
        name="ghs_built_c",
        title="GHSL settlement characteristics: buildings by use and height, and roads",
        editions=snapshot("JRC/GHSL/P2023A/GHS_BUILT_C/2018", 2018),
        band="built_characteristics",
        scale_m=10,
        counts="buildings, and road surfaces inside settlements",
        rule=Codes(
            dict.fromkeys((1, 2, 3), "pervious")
            | {4: "water"}
            | dict.fromkeys((5, *range(11, 16), *range(21, 26)), "impervious")
        ),
        licence=_GHSL,
        citation="Pesaresi and Politis 2023, doi:10.2905/3c60ddf6-0586-4190-854b-f6aa0edc2a30",
        notes=("5 is road surface, 11-15 residential and 21-25 other buildings", "unknown outside settlements"),
    ),
    Product(
        name="gaia",
        title="Tsinghua GAIA, year of change to impervious (over 50 % of a cell)",
        editions=yearly("Tsinghua/FROM-GLC/GAIA/v10", range(1985, 2019)),
        band="change_year_index",
        scale_m=30,
        counts="artificial impervious ground over half of a 30-m pixel: roofs, roads, paved ground",
        rule=FirstYears(_GAIA_YEARS),
        licence=_CC_BY,
        citation="Gong et al. 2020, doi:10.1016/j.rse.2019.111510",
        notes=("code 1 is 2018, 34 is 1985: year = 2019 - code; the page's prose is one year off its own table",),
    ),
    Product(
        name="wsf2015",
        title="DLR World Settlement Footprint 2015",
        editions=snapshot("DLR/WSF/WSF2015/v1", 2015),
        band="settlement",
        scale_m=10,
        counts="settlement: buildings with what lies between them; roads only inside",
        rule=_SETTLEMENT,
        licence="CC0-1.0",
        citation=_WSF_CITATION,
        notes=("settlements: roads only inside them",),
    ),
    Product(
        name="open_buildings_temporal",
        title="Google Open Buildings 2.5D Temporal, building presence (effectively 4 m)",
        editions=yearly("GOOGLE/Research/open-buildings-temporal/v1", range(2016, 2024)),
        band="building_presence",
        scale_m=0.5,
        counts="buildings; no roads, no paved ground",
        rule=Confidence(0.5),
        dated=True,
        licence="CC-BY-4.0 or ODbL-1.0",
        citation="Sirko et al. 2023, arXiv:2310.11622",
        notes=("Africa, South and South-East Asia, Latin America, Caribbean: NOT China", "buildings, not roads"),
        caution="its confidence is not calibrated and has no published threshold; buildings are above 0.5 here",
    ),
)

_OF_THE_COMMUNITY = (
    Product(
        name="glc_fcs30d",
        title="GLC_FCS30D annual land cover",
        editions=yearly(f"{_COMMUNITY}/GLC-FCS30D/annual", range(2000, 2023), [f"b{index}" for index in range(1, 24)]),
        scale_m=30,
        counts="impervious surfaces: roofs, roads, paved ground where they prevail in a 30-m pixel",
        rule=Codes(_FCS_KINDS, schemes=_BOTH),
        licence=_CC_BY,
        citation=_FCS_CITATION,
        notes=("bands b1 to b23 are 2000 to 2022", _SHRUB, "sparse vegetation (under 15 %) counts as bare"),
    ),
    Product(
        name="glc_fcs30d_five_year",
        title="GLC_FCS30D land cover of 1985, 1990 and 1995, a map for five years each",
        editions=tuple(
            Edition(f"{_COMMUNITY}/GLC-FCS30D/five-years-map", year, year, year + 4, band)
            for year, band in ((1985, "b1"), (1990, "b2"), (1995, "b3"))
        ),
        scale_m=30,
        counts="impervious surfaces: roofs, roads, paved ground where they prevail in a 30-m pixel",
        rule=Codes(_FCS_KINDS, schemes=_BOTH),
        licence=_CC_BY,
        citation=_FCS_CITATION,
        notes=("bands b1 to b3 are 1985-90, 1990-95 and 1995-2000; give the year, such as glc_fcs30d_five_year@1990",),
    ),
    Product(
        name="gisa",
        title="GISA 1972-2019, first year of impervious surface",
        editions=yearly(f"{_COMMUNITY}/GISA_1972_2019", (1972, 1978, *range(1985, 2020))),
        scale_m=30,
        counts="artificial impervious ground in a 30-m pixel: roofs, roads, paved ground",
        rule=FirstYears(_GISA_YEARS),
        licence=_CC_BY,
        citation="Huang et al. 2021, doi:10.1007/s11430-020-9797-9",
        notes=("1 is 1972, 2 is 1978, from 3 on year = 1982 + code", "not GISA-10m, of which no asset is known"),
    ),
    Product(
        name="gisa_2021",
        title="GISA-new, first year of impervious surface to 2021",
        editions=yearly(f"{_COMMUNITY}/GISA_1972_2021", range(1985, 2022)),
        scale_m=30,
        counts="artificial impervious ground in a 30-m pixel: roofs, roads, paved ground",
        rule=FirstYears(_GISA_YEARS | {38: 2020, 39: 2021}),
        licence=_CC_BY,
        citation="Ren et al. 2025, doi:10.1016/j.isprsjprs.2024.12.023; data: doi:10.5281/zenodo.14848113",
        caution=(
            "its codes are not verified: read here as 1982 + code (the table of 1972-2019), they may mean 1984 + code, "
            "two years later; compare with gisa or gaia before you trust single years"
        ),
    ),
    Product(
        name="from_glc10",
        title="FROM-GLC10 land cover 2017 (LandCover3m's coarse labels)",
        editions=snapshot(f"{_COMMUNITY}/FROM-GLC10", 2017),
        scale_m=10,
        counts="impervious surface: buildings, roads, paved ground",
        rule=Codes(_FROM_GLC_KINDS, schemes=_BOTH),
        licence=_CC_BY,
        citation="Gong et al. 2019, doi:10.1016/j.scib.2019.03.002",
        notes=("raw codes (80 is impervious), not the page's column 'Remapped'", _SHRUB),
    ),
    Product(
        name="esri",
        title="Esri / Impact Observatory annual land cover",
        editions=yearly(f"{_COMMUNITY}/landcover/ESRI_Global-LULC_10m_TS", range(2017, 2026)),
        scale_m=10,
        counts="built area: buildings, large roads and rails, large paved grounds; small roads seldom",
        rule=Codes(_ESRI_KINDS, schemes=_BOTH),
        dated=True,
        licence=_CC_BY,
        citation="Karra et al. 2021, doi:10.1109/IGARSS47720.2021.9553499",
        notes=("raw codes: built is 7, crops are 5 (remapped they are 5 and 4)", "rangeland counts as grassland"),
    ),
    Product(
        name="esri2020",
        title="Esri land cover 2020, the older legend (not comparable with `esri`)",
        editions=snapshot(f"{_COMMUNITY}/landcover/ESRI_Global-LULC_10m", 2020),
        scale_m=10,
        counts="built area: buildings, large roads and rails, large paved grounds; small roads seldom",
        rule=Codes(_ESRI_2020_KINDS, schemes=_BOTH),
        licence=_CC_BY,
        citation="Karra et al. 2021, doi:10.1109/IGARSS47720.2021.9553499",
        notes=(_SHRUB,),
        caution="its page holds two tables: built is 7 in the definitions (taken here) and 8 in the table of colours",
    ),
    Product(
        name="gisd30",
        title="GISD30, impervious surface in steps of five years",
        editions=epochs(f"{_COMMUNITY}/GISD30_1985_2020", range(1985, 2021, 5)),
        scale_m=30,
        counts="impervious ground in a 30-m pixel: roofs, roads, paved ground",
        rule=FirstYears(_GISD_YEARS),
        licence=_CC_BY,
        citation="Zhang et al. 2022, doi:10.5194/essd-14-1831-2022",
        notes=("1 is before 1985, 2 is 1985-90 ... 8 is 2015-20; the nearest step is taken, built to its end",),
    ),
    Product(
        name="wsf2015_tiles",
        title="DLR World Settlement Footprint 2015, the community catalog's copy",
        editions=snapshot(f"{_COMMUNITY}/WSF/WSF_2015", 2015),
        scale_m=10,
        counts="settlement: buildings with what lies between them; roads only inside",
        rule=_SETTLEMENT,
        licence="CC0-1.0",
        citation=_WSF_CITATION,
        notes=("the same map as wsf2015",),
    ),
    Product(
        name="wsf2019",
        title="DLR World Settlement Footprint 2019",
        editions=snapshot(f"{_COMMUNITY}/WSF/WSF_2019", 2019),
        scale_m=10,
        counts="settlement: buildings with what lies between them; roads only inside",
        rule=_SETTLEMENT,
        licence=_CC_BY,
        citation="Marconcini et al. 2021, doi:10.1553/giscience2021_01_s33",
        notes=("settlements: roads only inside them",),
    ),
    Product(
        name="wsf_evo",
        title="DLR World Settlement Footprint evolution, year of settlement",
        editions=yearly(f"{_COMMUNITY}/WSF/WSF_EVO", range(1985, 2016)),
        scale_m=30,
        counts="settlement: buildings with what lies between them; roads only inside",
        rule=FirstYears({year: year for year in range(1985, 2016)}),
        licence=_CC_BY,
        citation="Marconcini et al. 2021, doi:10.1553/giscience2021_01_s33",
        notes=("the value is the year itself", "WSF/WSF_EVO_IDC beside it scores the imagery, 6 good to 1 poor"),
    ),
    Product(
        name="emc_built_s",
        title="Copernicus EMC-BUILT-S R2025A, built-up surface 2022 (buildings, not roads)",
        # Its page writes projects/earthengine-legacy/assets/ before the id: the same asset.
        editions=snapshot(f"{_COMMUNITY}/ESA/CEMS/EMC-BUILT-S", 2022),
        scale_m=10,
        counts="roofs in m2; no roads, no paved ground",
        rule=BuiltArea(100),
        licence=_CC_BY,
        citation="Riffler et al. 2025, doi:10.2905/4cd8ccee-bfd1-48c5-9047-61c0343c41e9",
        notes=("not comparable with GHSL R2023: no differences in time",),
        caution="its page names grids of 10, 100 and 1000 m for one collection; read here as m2 of 100-m2 cells",
    ),
)

LABELS: Mapping[str, Product | None] = {
    "none": None,
    **{product.name: product for product in (*_OFFICIAL, *_OF_THE_COMMUNITY, *nlcd.PRODUCTS)},
}


def product_named(name: str) -> Product:
    """The product of a name of LABELS; ValueError for `none`, which is no product."""
    product = LABELS[name]
    if product is None:
        raise ValueError(f"label {name} is no product")
    return product


def check(name: str) -> None:
    """ValueError for unknown products, offering the nearest names."""
    if name not in LABELS:
        hint = suggest(name, LABELS, most=3) or suggest(name, LABELS, cutoff=0.0)
        raise ValueError(
            f"label product {name!r} is unknown: {hint} `isamap labels` lists them (a file such as roads.gpkg or an "
            "asset projects/... may be given to an export as well)"
        )
