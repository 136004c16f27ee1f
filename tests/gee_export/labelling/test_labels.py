"""Every label product against the tables of docs/reference/earth-engine.md, "Label products" and "Community label
products": codes, years, ids, bands, and the traps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ee
import numpy as np
import pytest
import shapely

from isamap.gee_export.base.regions import Period
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.labelling import file_products, label_asset, label_products, label_table, tables
from isamap.gee_export.labelling.label_products import LABELS
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.labelling.label_source import LabelSource
from isamap.gee_export.requests import pixels
from tests.support import codes

JUNE = Period.between("2019-06-01", "2019-06-30")
CROP, WOOD, GRASS, WATER, BUILT, BARE, SNOW = range(7)  # docs/reference/formats.md, "Patch dataset"

# Of the class maps: the LandCover3m number of each code; "soft" codes are pervious in 0/1/255 and no class of the
# seven.
CLASSES = {
    # 10 tree, 20 shrub, 30 grass, 40 crop, 50 built-up, 60 bare, 70 snow, 80 water, 90 herb. wetland, 95 mangrove,
    # 100 moss/lichen
    "worldcover": ({10: WOOD, 20: WOOD, 30: GRASS, 40: CROP, 50: BUILT, 60: BARE, 70: SNOW, 80: WATER}, (90, 95, 100)),
    # 0 water, 1 trees, 2 grass, 3 flooded, 4 crops, 5 shrub, 6 built, 7 bare, 8 snow
    "dynamicworld": ({0: WATER, 1: WOOD, 2: GRASS, 4: CROP, 5: WOOD, 6: BUILT, 7: BARE, 8: SNOW}, (3,)),
    "dynamicworld_mean": ({0: WATER, 1: WOOD, 2: GRASS, 4: CROP, 5: WOOD, 6: BUILT, 7: BARE, 8: SNOW}, (3,)),
    # raw 1 water, 2 trees, 4 flooded veg, 5 crops, 7 built, 8 bare, 9 snow, 10 clouds, 11 rangeland
    "esri": ({1: WATER, 2: WOOD, 5: CROP, 7: BUILT, 8: BARE, 9: SNOW, 11: GRASS}, (4,)),
    # the older legend, grass 3 and scrub 6 apart
    "esri2020": ({1: WATER, 2: WOOD, 3: GRASS, 5: CROP, 6: WOOD, 7: BUILT, 8: BARE, 9: SNOW}, (4,)),
    # 10 crop, 20 forest, 30 grass, 40 shrub, 60 water, 80 impervious, 90 bare, 100 snow, 120 cloud
    "from_glc10": ({10: CROP, 20: WOOD, 30: GRASS, 40: WOOD, 60: WATER, 80: BUILT, 90: BARE, 100: SNOW}, (50, 70)),
    # COMM glc_fcs.md: 35 classes, 190 = impervious
    "glc_fcs30d": (
        dict.fromkeys((10, 11, 12, 20), CROP)
        | dict.fromkeys((51, 52, 61, 62, 71, 72, 81, 82, 91, 92, 120, 121, 122), WOOD)
        | dict.fromkeys((150, 152, 153, 200, 201, 202), BARE)
        | {130: GRASS, 190: BUILT, 210: WATER, 220: SNOW},
        (140, 181, 182, 183, 184, 185, 186, 187),
    ),
}  # fmt: skip
CLASSES["glc_fcs30d_five_year@1990"] = CLASSES["glc_fcs30d"]

# Of the other products: codes that are impervious, codes that are not (None: every other), source row.
BINARY = {
    "ghs_built_c": ((5, *range(11, 16), *range(21, 26)), (1, 2, 3, 4)),  # 5 roads, 11-15, 21-25
    "wsf2015@2015": ((255,), (0,)),  # 255 = settlement, else masked or 0
    "wsf2015_tiles@2015": ((255,), (0,)),
    "wsf2019": ((255,), (0,)),
    "gaia@2018": (range(1, 35), (0,)),  # class 1 = 2018 ... 34 = 1985
    "gaia@1990": (range(29, 35), range(29)),  # 29 = 1990 in the table; the prose's "greater than 29" is 1989
    "gaia@1985": ((34,), range(34)),
    "gisa": (range(1, 38), (0,)),  # year = 1982 + v for v >= 3, 37 = 2019
    "gisa@2018": (range(1, 37), (0, 37)),
    "gisa@1985": ((1, 2, 3), (0, *range(4, 38))),
    "gisa@1978": ((1, 2), (0, *range(3, 38))),
    "gisa_2021@2021": (range(1, 40), (0,)),  # read by the table of 1972-2019
    "gisa_2021": (range(1, 38), (0, 38, 39)),
    "gisd30": (range(1, 9), (0,)),  # 1 before 1985, 2..8 = steps 1985-90 ... 2015-20; 2019 is nearest to 2020
    "gisd30@2015": (range(1, 8), (0, 8)),
    "gisd30@1985": ((1,), (0, *range(2, 9))),
    "ghs_built_s_10m": (range(51, 101), range(51)),  # m2 per 100-m2 cell
    "emc_built_s@2022": (range(51, 101), range(51)),  # m2 0-100
    "ghs_built_s": (range(101, 201), range(101)),  # 0-10000 m2; the patch holds 50 m2 a code
    "nlcd": (range(51, 101), range(51)),  # percent
    "nlcd@2016": ((), range(256)),  # the patch of that epoch holds zeros
    "nlcd_annual": (range(51, 101), range(51)),  # percent, 250 is no data
    "nlcd_descriptor": ((20, 21, 22, *range(24, 30)), (0, 23)),  # 23: roads that are generally not paved
    "nlcd_annual_descriptor": ((1, 2), (0,)),  # 1 roads, 2 urban, 250 no data
    "open_buildings_temporal": (range(128, 256), range(128)),  # the patch holds code / 255
    "wsf_evo@2015": (range(85, 116), ()),  # the value is the year, 1985-2015; the patch holds 1900 + code
    "wsf_evo@1985": ((85,), range(86, 116)),
}


@pytest.fixture(scope="module", autouse=True)
def stored(tmp_path_factory, engine_home) -> Iterator[None]:
    with connect(catalog=codes.write(tmp_path_factory.mktemp("codes")), home=engine_home):
        yield
    connect(catalog="world", home=engine_home)


def read(source: str, **options) -> tuple[np.ndarray, np.ndarray | None]:
    """Label and share by code."""
    _, (label, share) = codes.read(LabelRequest((source,), **options), JUNE)
    return label.ravel(), None if share is None else share.ravel()


def test_every_product_has_a_row_here():
    tested = {name.partition("@")[0] for name in (*CLASSES, *BINARY)}
    assert tested == {name for name in LABELS if name != "none"}


@pytest.mark.long
@pytest.mark.parametrize("source", CLASSES)
def test_classes_become_impervious_pervious_and_unknown(source):
    seven, soft = CLASSES[source]
    expected = np.full(256, 255)
    expected[[*seven, *soft]] = 0
    expected[[code for code, index in seven.items() if index == BUILT]] = 1
    if source == "dynamicworld_mean":
        expected[9:] = 1  # no scene but the third has probabilities there, and it says built
    np.testing.assert_array_equal(read(source)[0], expected)


@pytest.mark.parametrize("source", CLASSES)
def test_classes_become_the_seven_of_landcover3m(source):
    """docs/reference/networks.md, "HRNet: training": shrub joins woodland; wetland, tundra and cloud are unknown."""
    expected = np.full(256, 255)
    expected[list(CLASSES[source][0])] = list(CLASSES[source][0].values())
    if source == "dynamicworld_mean":
        expected[9:] = BUILT
    np.testing.assert_array_equal(read(source, scheme="landcover3m")[0], expected)


@pytest.mark.long
@pytest.mark.parametrize("source", BINARY)
def test_other_products_by_their_documented_codes(source):
    built, soft = BINARY[source]
    expected = np.full(256, 255)
    expected[list(soft)], expected[list(built)] = 0, 1
    np.testing.assert_array_equal(read(source)[0], expected)


def test_shares_are_the_square_metres_of_a_cell():
    _, share = read("ghs_built_s_10m", share=True)
    np.testing.assert_array_equal(share, np.where(np.arange(256) <= 100, np.arange(256), 255))
    _, share = read("ghs_built_s", share=True)
    percent = np.arange(256) * 50 / 100
    np.testing.assert_array_equal(share, np.where(percent <= 100, np.floor(percent + 0.5), 255))  # the server rounds up


def test_classes_have_shares_of_all_or_nothing():
    label, share = read("worldcover", share=True)
    np.testing.assert_array_equal(share, np.select([label == 1, label == 0], [100, 0], 255))


def test_an_edition_is_for_its_own_years():
    assert LABELS["worldcover"].edition(2016).year == 2020 and LABELS["worldcover"].edition(2024).year == 2021
    assert LABELS["ghs_built_s"].edition(2018).asset.endswith("/2020")
    assert LABELS["glc_fcs30d"].edition(2019).band == "b20" and LABELS["glc_fcs30d"].edition(2000).band == "b1"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("gaia", r"no edition for 2019: it covers 1985-2018; `gaia@2018`"),
        ("wsf2015", r"covers 2013-2017; `wsf2015@2015`"),
        ("esri@2016", r"covers 2017-2025; `esri@2017`"),
        ("gisa@1980", r"1972, 1978, 1985-2019"),
    ],
)
def test_years_that_there_are_not_are_refused_with_those_there_are(source, words):
    with pytest.raises(ValueError, match=words):
        LabelRequest((source,)).check_period(JUNE)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("worldcovr", "did you mean worldcover"),
        ("gaia@19", "four digits"),
        ("worldcover#b1", "take no options"),
        ("none", "no sources"),
    ],
)
def test_unknown_products_offer_the_nearest(source, words):
    with pytest.raises(ValueError, match=words):
        LabelRequest((source,))


def test_what_is_not_verified_is_said_when_used(capsys):
    opened, _ = codes.read(LabelRequest(("gisa_2021",)), JUNE)
    assert "1984 + code" in capsys.readouterr().err and "1984 + code" in opened.info["unverified"]
    codes.read(LabelRequest(("gisa",)), JUNE)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("source", ["esri@2021", "dynamicworld@2021", "dynamicworld_mean@2021"])
def test_a_year_without_images_is_told(source):
    with pytest.raises(ValueError, match=r"no image of 2021 over region 'codes'"):
        read(source)


def test_an_asset_that_is_not_there_is_told():
    with pytest.raises(ValueError, match=r"projects/me/assets/gone.*not found"):
        read("projects/me/assets/gone")


def test_own_assets_hold_labels_or_codes_or_percent():
    plain, _ = read("projects/me/assets/plain")
    assert plain[0] == 0 and plain[1] == 1 and (plain[2:] == 255).all()
    codes_, _ = read("projects/me/assets/own#class=50,80")
    assert set(np.flatnonzero(codes_ == 1)) == {50, 80} and codes_[255] == 255 and (codes_[:50] == 0).all()
    seven, _ = read("projects/me/assets/own#class", scheme="landcover3m")
    np.testing.assert_array_equal(seven, np.where(np.arange(256) < 7, np.arange(256), 255))
    percent, share = read("projects/me/assets/own#isa=percent", share=True)
    np.testing.assert_array_equal(share[:101], np.arange(101))
    assert percent[50] == 0 and percent[51] == 1 and (percent[101:] == 255).all()


@pytest.mark.parametrize(
    ("source", "words"),
    [("projects/me/assets/own#class=a,b", "whole numbers"), ("projects/me/assets/own#x=1#y=2", "one band")],
)
def test_options_of_assets_are_checked(source, words):
    with pytest.raises(ValueError, match=words):
        LabelRequest((source,)).channels  # noqa: B018
        read(source)


def region_features(*shapes) -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Geometry(shapely.geometry.mapping(s), "EPSG:32650", False) for s in shapes])


def test_tables_on_the_server_are_painted():
    """As MSBuildings (polygons) and GRIP (lines) are given: a pixel is built where its centre lies in a feature."""
    house = shapely.box(codes.LEFT + 20, codes.TOP - 100, codes.LEFT + 60, codes.TOP - 50)
    road = shapely.LineString([(codes.LEFT, codes.TOP - 135), (codes.LEFT + 160, codes.TOP - 135)])
    for actual, expected in (
        (label_asset.painted(region_features(house), None), np.s_[5:10, 2:6]),
        (label_asset.painted(region_features(road), 32.0), np.s_[12:15, :]),
    ):
        ground = np.zeros((16, 16))
        ground[expected] = 1
        np.testing.assert_array_equal(pixels.fetch(actual.rename("label"), codes.GRID, ["label"]).values_BHW[0], ground)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [("", None, "no feature over region"), ("", "LineString", "whole metres"), ("#width=6", "Point", "holds Point")],
)
def test_tables_that_cannot_be_drawn_are_refused(options, kind, words):
    first = [{"geometry": {"type": kind}}] if kind else []
    with pytest.raises(ValueError, match=words):
        label_asset.width_of(LabelSource.parse(f"projects/me/assets/roads{options}"), first, codes.REGION)


def test_tables_have_a_width_only_for_lines():
    roads = LabelSource.parse("projects/me/assets/roads#width=6")
    assert label_asset.width_of(roads, [{"geometry": {"type": "MultiLineString"}}], codes.REGION) == 6
    houses = LabelSource.parse("projects/me/assets/houses")
    assert label_asset.width_of(houses, [{"geometry": {"type": "MultiPolygon"}}], codes.REGION) is None


@pytest.mark.parametrize(
    ("words", "asset"),
    [
        ("vida:IND", "projects/sat-io/open-datasets/VIDA_COMBINED/IND"),
        ("msbuildings:Chile", "projects/sat-io/open-datasets/MSBuildings/Chile"),
        ("gba:e030_n25_e035_n20", "projects/sat-io/open-datasets/GLOBAL_BUILDING_ATLAS/e030_n25_e035_n20"),
        ("grip4:South-East-Asia#width=6", "projects/sat-io/open-datasets/GRIP4/South-East-Asia"),
        ("msroads:Asia/AsiaSouthEast#width=6", "projects/sat-io/open-datasets/MSRoads/Asia/AsiaSouthEast"),
        ("open_buildings", "GOOGLE/Research/open-buildings/v3/polygons"),
    ],
)
def test_tables_have_names_and_places(words, asset):
    """The ids that the community catalog's pages global_buildings, msbuildings, gba, grip and msroads print."""
    source = LabelSource.parse(words)
    assert (source.source_type, source.address, source.name) == ("asset", asset, words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("vida", "vida:PLACE, an ISO code"), ("open_buildings:KEN", "expected open_buildings"), ("vdia:IND", "mean vida")],
)
def test_tables_without_their_place_are_refused(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        LabelSource.parse(words)


def test_a_binary_product_has_no_seven_classes():
    with pytest.raises(ValueError, match=r"'gaia@2018' tells only impervious.*worldcover"):
        LabelRequest(("gaia@2018",), scheme="landcover3m")


def test_the_command_lists_every_product_and_describes_each():
    overview = label_table.overview()
    for name in (*LABELS, *tables.TABLES):
        assert name in overview and name in label_table.described(name)
    assert "29" not in label_table.described("gaia") and "NOT VERIFIED" in label_table.described("gisa_2021")
    with pytest.raises(ValueError, match="did you mean gaia"):
        label_table.described("gaja")


def test_isamap_labels_lists_or_describes(capsys):
    import isamap

    assert isamap.main(["labels"]) == 0 and "gisd30" in capsys.readouterr().out
    assert isamap.main(["labels", "gisd30"]) == 0 and "GISD30_1985_2020" in capsys.readouterr().out
    assert isamap.main(["labels", "gisd"]) == 2 and "did you mean gisd30" in capsys.readouterr().err


def test_every_product_says_licence_source_and_what_counts_as_impervious():
    for product in filter(None, label_products.LABELS.values()):
        assert any(word in product.counts for word in ("roads", "roofs", "buildings", "developed")), product.name
        assert product.licence and ("doi:" in product.citation or "arXiv:" in product.citation)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("products", label_table.markdown),
        ("classes", label_table.markdown_classes),
        ("tables", tables.markdown),
        ("counts", label_table.markdown_counts),
        ("files", file_products.markdown),
    ],
)
def test_the_page_shows_the_table_as_it_is(name, table):
    """docs/labels.md: replace what is between the marks by what the function gives."""
    text = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    shown = text.partition(f"<!-- {name}:")[2].partition("-->\n")[2].partition(f"<!-- /{name} -->")[0]
    assert shown == table() + "\n"


@pytest.mark.parametrize("name", ["points.csv", "gaia.xlsx"])
def test_a_file_that_is_no_source_gets_the_endings_and_the_nearest_product(name):
    with pytest.raises(ValueError, match=r"which no label source has: give a raster \(\.tif.*did you mean gaia|gisa"):
        LabelSource.parse(name)


@pytest.mark.parametrize("year", range(2000, 2024))
def test_nlcd_takes_the_nearest_epoch(year):
    edition = LABELS["nlcd"].edition(year)
    assert edition == LABELS["nlcd"].nearest(year)
    assert edition.asset.split("/")[2] == ("2021_REL" if edition.year == 2021 else "2019_REL")


def test_esri_is_read_by_raw_codes():
    """docs/reference/earth-engine.md, "Community label products": built is 7 in the asset and 5 when remapped; mixing
    them up makes crops of towns.
    """
    label, _ = read("esri")
    assert label[7] == 1 and label[5] == 0
