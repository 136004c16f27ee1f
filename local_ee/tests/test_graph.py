"""The evaluator of expression graphs: sharing, functions, refusals, and what getInfo looks like."""

from __future__ import annotations

import threading

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.evaluation import graph
from local_ee.testing.evaluating import GRID, info, number, pixels, value
from local_ee.testing.scenes import JUNE_MS, Scene, Scenes, month, utm

pytestmark = pytest.mark.usefixtures("session")


def test_a_shared_node_is_evaluated_once():
    image = ee.Image(1)
    for _ in range(60):
        image = image.add(image)
    assert number(image) == 2**60


def test_a_shared_image_is_read_once_however_many_bands_are_asked_of_it():
    scene = Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10), "unused": ("uint16", 10)})
    image = ee.Image("C/a").multiply(2)
    bands = [image.select(name).add(1) for name in ("x", "y")]
    value(bands[0].addBands(bands[1]), Scenes((scene,))).read(GRID)
    assert scene.reads == [(("x", "y"), (6, 8))]


def test_a_function_reads_what_lies_outside_of_it():
    outer = ee.Number(10)
    nested = ee.List([1, 2]).map(lambda x: ee.List([5, 6]).map(lambda y: ee.Number(x).add(y).add(outer)))
    assert info(nested) == [[16, 17], [17, 18]]


def test_iterate_passes_the_state_on():
    total = ee.List.sequence(1, 4).iterate(lambda x, s: ee.Number(x).add(ee.Number(s)), 0)
    assert info(total) == 10


def test_if_evaluates_only_the_branch_taken():
    assert info(ee.Algorithms.If(True, 1, ee.Dictionary({}).get("missing"))) == 1


def test_unknown_algorithms_are_refused_before_pixels_and_by_name():
    scene = Scene("C/a", GRID, {"x": ("uint16", 10)})
    mean = ee.Image("C/a").reduceRegion(ee.Reducer.mean(), ee.Geometry.Point([114.9, 30.6]), 10)
    both = ee.List([mean, ee.Image("C/a").hersImage(ee.Image("C/a"), 2)])
    with pytest.raises(EngineError, match="hersImage"):
        value(both, Scenes((scene,)))
    assert scene.reads == []


def test_names_that_earth_engine_does_not_have_are_refused_too():
    call = {"functionInvocationValue": {"functionName": "Image.nothing", "arguments": {}}}
    with pytest.raises(EngineError, match=r"Unknown function 'Image.nothing'\.$"):
        graph.evaluate({"result": "0", "values": {"0": call}}, None)


@pytest.mark.parametrize(
    "expression",
    [{}, {"result": "1", "values": {"0": {"constantValue": 1}}}, {"result": "0", "values": {"0": {"odd": 1}}}],
)
def test_malformed_expressions_are_refused(expression):
    with pytest.raises(EngineError):
        graph.evaluate(expression, None)


def test_a_cycle_is_refused_and_does_not_hang():
    with pytest.raises(EngineError):
        graph.evaluate({"result": "0", "values": {"0": {"valueReference": "0"}}}, None)


def test_missing_arguments_are_named_as_earth_engine_names_them():
    """google/earthengine-api#141: Element.get: Parameter 'object' is required."""
    with pytest.raises(EngineError, match=r"^Element.get: Parameter 'object' is required"):
        value(ee.Feature(ee.FeatureCollection([]).first()).get("x"))


def test_a_wrong_type_names_the_argument():
    with pytest.raises(EngineError, match=r"Image.add, argument 'image2': Invalid type"):
        value(ee.Image(1).add(ee.ComputedObject(ee.ApiFunction.lookup("String.cat"), {"string1": "a", "string2": "b"})))


def test_an_image_describes_itself_as_with_google():
    assert info(ee.Image(1).rename("one").set("year", 2019)) == {
        "type": "Image",
        "bands": [
            {
                "id": "one",
                "data_type": {"type": "PixelType", "precision": "int", "min": 1, "max": 1},
                "crs": "EPSG:4326",
                "crs_transform": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            }
        ],
        "properties": {"year": 2019},
    }


def test_a_stored_image_tells_id_size_and_grid():
    scene = Scene("C/a", GRID, {"x": ("uint16", 10)}, {"system:time_start": JUNE_MS})
    found = info(ee.Image("C/a"), Scenes((scene,)))
    assert (found["id"], found["properties"]["system:index"]) == ("C/a", "a")
    assert found["bands"][0] == {
        "id": "x",
        "data_type": {"type": "PixelType", "precision": "int", "min": 0, "max": 65535},
        "dimensions": [8, 6],
        "crs": "EPSG:32650",
        "crs_transform": [10.0, 0.0, 300000.0, 0.0, -10.0, 3400000.0],
    }


def test_a_collection_lists_its_images():
    catalog = month(3, utm(20, 20))
    found = info(ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED"), catalog)
    assert (found["type"], found["id"], len(found["features"])) == ("ImageCollection", "COPERNICUS/S2_SR_HARMONIZED", 3)
    assert [feature["type"] for feature in found["features"]] == ["Image"] * 3


def test_more_than_5000_elements_are_not_sent():
    """guides/debugging: Collection query aborted after accumulating over 5000 elements."""
    features = ee.FeatureCollection(ee.List.sequence(1, 5001).map(lambda i: ee.Feature(None, {"i": i})))
    assert info(features.size()) == 5001
    with pytest.raises(EngineError, match=r"^Collection query aborted after accumulating over 5000 elements\.$"):
        info(features)


def test_values_of_every_kind_are_described():
    assert info(ee.Date("2019-06-01")) == {"type": "Date", "value": JUNE_MS}
    assert info(ee.Projection("EPSG:32650")) == {
        "type": "Projection",
        "crs": "EPSG:32650",
        "transform": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
    assert info(ee.Geometry.Point([1, 2])) == {"type": "Point", "coordinates": [1.0, 2.0]}
    feature = info(ee.Feature(ee.Geometry.Point([1, 2]), {"a": 1}))
    assert (feature["type"], feature["properties"]) == ("Feature", {"a": 1})


def test_an_unknown_asset_is_not_found():
    with pytest.raises(EngineError, match=r"Image.load: Image asset 'no/such' not found"):
        value(ee.Image("no/such"))
    with pytest.raises(EngineError, match=r"ImageCollection.load: ImageCollection asset 'no/such' not found"):
        value(ee.ImageCollection("no/such").size())


def test_two_threads_read_one_image_at_once():
    catalog = month(4, utm(60, 60))
    image = value(ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").select("B2").mean(), catalog)
    expected = image.read(utm(60, 60)).values[0]
    found = []
    threads = [threading.Thread(target=lambda: found.append(image.read(utm(60, 60)).values[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all((each == expected).all() for each in found)


def test_the_serialised_client_functions_of_expression_work():
    image = ee.Image([3, 4]).rename(["a", "b"])
    assert number(image.expression('r = b("a") ** 2 + c.b * 2', {"c": image})) == 17
    assert info(image.expression('r = b("a") + 1').bandNames()) == ["r"]
    assert number(image.expression("b(0) > 2 ? b(1) : 0")) == 4
    assert number(ee.Image(10).expression("10 / 20")) == 0  # guides/image_math: floor division
    assert number(ee.Image(10).expression("10 * 1.0 / 20")) == 0.5
    assert pixels(image.expression("-(b(0) % 2) + max(1, 7) * !0")).data[0, 0] == 6


def test_an_expression_that_cannot_be_read_is_refused():
    with pytest.raises(EngineError, match="Could not parse"):
        value(ee.Image(1).expression("b(0) +* 2"))
    with pytest.raises(EngineError, match="red"):
        value(ee.Image(1).expression("red + 1"))


def test_a_filter_and_its_input_share_one_reading():
    """Lee asks for a pixel and for its neighbourhood: the wider window is read, and serves both."""
    scene = Scene("C/a", utm(50, 50), {"x": ("float32", 10)})
    image = ee.Image("C/a").multiply(2)
    mean = image.reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.rectangle(3, 1))
    catalog, window = Scenes((scene,)), utm(50, 50)[10:30, 15:40]
    found = value(image.subtract(mean), catalog).read(window)
    assert scene.reads == [(("x",), (22, 31))]
    apart = value(image, catalog).read(window).values[0] - value(mean, catalog).read(window).values[0]
    assert found.values[0] == pytest.approx(apart)


def test_what_is_remembered_stays_within_its_bound():
    from local_ee.raster.memo import Windows

    scenes = [Scene(f"C/{i}", GRID, {"x": ("float32", 10)}) for i in range(10)]
    images = [value(ee.Image(scene.id), Scenes(tuple(scenes))) for scene in scenes]
    entry_bytes = 512 + GRID.shape[0] * GRID.shape[1] * 4
    windows = Windows(3 * entry_bytes + 400)
    for image in (*images, *images[7:], *images[:7]):
        windows.read(image, GRID, (0,), image.reading)
    assert [len(scene.reads) for scene in scenes] == [2] * 7 + [1] * 3


def test_a_series_of_a_place_reads_what_its_images_share_once():
    """A chart of anomalies: each image less the mean of all, at one point."""
    from local_ee.budget import Budget

    scenes = [Scene(f"C/{i}", GRID, {"x": ("float32", 10)}) for i in range(6)]
    collection = ee.ImageCollection([ee.Image(scene.id) for scene in scenes])
    anomalies = value(collection.map(lambda image: image.subtract(collection.mean())), Scenes(tuple(scenes)))
    with Budget().running():
        for image in anomalies.elements:
            image.read(GRID[3:4, 5:6])
    assert [len(scene.reads) for scene in scenes] == [1] * 6


def test_a_series_of_footprints_computes_each_once():
    from local_ee.evaluation.values import derived

    calls = []
    image = derived([], [], lambda geobox, positions: None, footprint_of=lambda: calls.append(1))
    for _ in range(3):
        assert image.footprint is None
    assert calls == [1]


def test_nothing_is_remembered_after_a_read():
    scene = Scene("C/a", GRID, {"x": ("float32", 10)})
    image = value(ee.Image("C/a").add(ee.Image("C/a").multiply(2)), Scenes((scene,)))
    image.read(GRID)
    image.read(GRID)
    assert len(scene.reads) == 2


def test_bands_that_are_shared_on_one_grid_are_not_read_on_another():
    """A coarse band interpolated beside fine ones must not bring them to its own pixels."""
    scene = Scene("C/a", utm(80, 80), {"x": ("float32", 10), "angle": ("float32", 100)})
    image = ee.Image("C/a")
    smooth = image.select("angle").resample("bilinear")
    both = image.select("x").add(image.select("x").multiply(smooth)).add(image.select("angle").multiply(smooth))
    value(both, Scenes((scene,))).read(utm(80, 80)[20:40, 20:40])
    assert [shape for names, shape in scene.reads if "x" in names] == [(20, 20)]


def chained(steps: int) -> dict:
    """0 + 1 + .. + 1: each sum a node that needs the one before."""
    values = {"0": {"constantValue": 0}}
    for step in range(steps):
        arguments = {"left": {"valueReference": str(step)}, "right": {"constantValue": 1}}
        values[str(step + 1)] = {"functionInvocationValue": {"functionName": "Number.add", "arguments": arguments}}
    return {"result": str(steps), "values": values}


def test_a_chain_may_be_as_long_as_the_client_can_write_it():
    """The client writes some 330 nested calls within Python's own limit; geetools' 240 spectral indices need 215."""
    assert graph.evaluate(chained(400), None) == 400


def test_a_node_that_needs_itself_is_refused():
    expression = chained(2)
    expression["values"]["0"] = {"valueReference": "2"}
    with pytest.raises(EngineError, match="nesting depth exceeded"):
        graph.evaluate(expression, None)
