"""Videos and filmstrips of collections (guides/ic_visualization), through the unpatched client, read by Pillow."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterator
from typing import Any

import ee
import numpy as np
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from PIL import Image

from local_ee import LocalEngine
from local_ee.limits import Limits
from local_ee.testing.scenes import Scene, Scenes, utm
from local_ee.testing.small import CRS

pytestmark = pytest.mark.usefixtures("engine")

SCENE = utm(40, 60)
CATALOG = Scenes((Scene("C/a", SCENE, {"x": ("uint16", 10), "y": ("uint16", 10), "z": ("uint16", 10)}, seed=3),))
SIZE = {"region": [0, 0, 0.6, 0.4], "dimensions": "6x4"}
BLACK, GREY, WHITE = (0, 0, 0), (102, 102, 102), (255, 255, 255)


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(CATALOG, tmp_path_factory.mktemp("animations"), limits=Limits(animation_pixels=5000)) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        yield running


def numbers(*values: int) -> ee.ImageCollection:
    return ee.ImageCollection([ee.Image.constant(value) for value in values])


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(urllib.request.urlopen(url).read()))


def video(collection: ee.ImageCollection, **options: Any) -> Image.Image:
    return opened(collection.getVideoThumbURL({**SIZE, "forceRgbOutput": True, **options}))


def colours(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colour of the first pixel of each frame."""
    shown = []
    for index in range(picture.n_frames):
        picture.seek(index)
        shown.append(picture.convert("RGB").getpixel((0, 0)))
    return shown


def test_each_image_is_a_frame_from_first_to_last():
    assert colours(video(numbers(4, 0, 10), min=0, max=10)) == [GREY, BLACK, WHITE]


def test_a_video_has_the_dimensions_asked_for_and_repeats():
    shown = video(numbers(4, 0), min=0, max=10)
    assert (shown.format, shown.size, shown.info["loop"]) == ("GIF", (6, 4), 0)


@pytest.mark.parametrize(("speed", "milliseconds"), [({}, 200), ({"framesPerSecond": 7}, 140)])
def test_a_frame_lasts_as_long_as_the_speed_says(speed, milliseconds):
    """reference/rest/v1/projects.locations.videoThumbnails: the frame rate defaults to 5; GIFs count in 10 ms."""
    assert video(numbers(4, 0), min=0, max=10, **speed).info["duration"] == milliseconds


def test_masked_pixels_of_a_video_are_black():
    """guides/ic_visualization: "will appear black where collection images are masked out"."""
    masked = numbers(10, 5).map(lambda image: image.updateMask(image.lt(10)))
    assert colours(video(masked, min=0, max=5)) == [BLACK, WHITE]


def test_opacity_has_no_effect_on_a_video():
    """guides/ic_visualization: "The `opacity` visualization parameter has no effect on animations"."""
    assert colours(video(numbers(10, 4), min=0, max=10, opacity=0.5)) == [WHITE, GREY]


def test_images_made_visible_by_map_are_shown_as_they_are():
    shown = numbers(0, 1).map(lambda image: image.visualize(min=0, max=1, palette=["ff0000", "0000ff"]))
    assert colours(video(shown)) == [(255, 0, 0), (0, 0, 255)]


def test_pixels_of_a_frame_are_those_of_the_images_thumbnail():
    """At most 256 colours, so the palette of a GIF loses nothing."""
    image = ee.Image("C/a")
    options = {"region": image.geometry(), "dimensions": "15x10", "bands": ["x", "y", "z"], "min": 0, "max": 3000}
    first = opened(ee.ImageCollection([image, image.multiply(0.5)]).getVideoThumbURL(options))
    still = opened(image.getThumbURL(options))
    np.testing.assert_array_equal(np.asarray(first.convert("RGB")), np.asarray(still.convert("RGB")))


def test_a_video_is_on_the_grid_of_another_projection():
    shown = video(numbers(1, 2), dimensions=12, crs="EPSG:3857", min=0, max=3)
    assert max(shown.size) == 12 and shown.n_frames == 2


def test_an_image_without_colours_is_refused_before_an_address_is_given():
    """guides/ic_visualization: "set the `forceRgbOutput` parameter to `true`" for a single band without palette."""
    with pytest.raises(ee.EEException, match=r"an image has the bands \[vis-gray\]"):
        numbers(1, 2).getVideoThumbURL({**SIZE, "min": 0, "max": 3})


@pytest.mark.parametrize("speed", [0, 121, "often"])
def test_a_speed_out_of_range_is_refused(speed):
    with pytest.raises(ee.EEException, match=r"expected a number from 0.1 to 120"):
        numbers(1).getVideoThumbURL({**SIZE, "min": 0, "max": 1, "forceRgbOutput": True, "framesPerSecond": speed})


def test_a_collection_without_images_is_refused():
    empty = numbers(1).filter(ee.Filter.eq("missing", 1))
    with pytest.raises(ee.EEException, match="no images to show"):
        empty.getVideoThumbURL({**SIZE, "min": 0, "max": 1})


def test_too_many_pixels_are_refused_by_number():
    """reference/rest/v1/projects.videoThumbnails/create: a limit over all images of the collection."""
    with pytest.raises(ee.EEException, match=r"2 images of 60x50 are 6000 pixels.* equal to 5000"):
        numbers(1, 2).getVideoThumbURL({**SIZE, "dimensions": "60x50", "min": 0, "max": 1})


def test_the_limit_of_pixels_is_earth_engines():
    assert Limits().animation_pixels == 512 * 512 * 100


def posted(engine: LocalEngine, collection: ee.ImageCollection, resource: str, **body: Any) -> requests.Response:
    expression = ee.serializer.encode(collection, for_cloud_api=True)
    url = f"{engine.url}/v1/projects/local/{resource}"
    return requests.post(url, json={"expression": expression, **body}, timeout=300)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"fileFormat": "MP4"}, "expected GIF"),
        ({"videoOptions": {"maxFrames": 1}}, "more than 1 images"),
        ({"videoOptions": {"maxFrames": "few"}}, "maxFrames is 'few'"),
        ({"videoOptions": {"maxPixelsPerFrame": "23"}}, "6x4 pixels is larger than maxPixelsPerFrame"),
        ({"videoOptions": [1]}, "must be an object"),
    ],
)
def test_what_a_video_cannot_be_is_refused_in_a_sentence(engine, body, words):
    shown = numbers(0, 1).map(lambda image: image.visualize(min=0, max=1))
    grid = {"dimensions": {"width": 6, "height": 4}, "affineTransform": {"scaleX": 1, "scaleY": -1}}
    reply = posted(engine, shown, "videoThumbnails", grid={**grid, "crsCode": CRS}, **body)
    assert reply.status_code == 400 and words in reply.json()["error"]["message"]


def test_a_single_image_is_no_collection(engine):
    assert "ImageCollection" in posted(engine, ee.Image(1), "videoThumbnails").json()["error"]["message"]


def test_an_id_that_was_not_given_out_is_not_found(engine):
    assert requests.get(f"{engine.url}/v1/projects/local/videoThumbnails/{'0' * 32}:getPixels").status_code == 404


def test_a_browser_draws_a_video_without_the_token(engine):
    address = numbers(1, 2).getVideoThumbURL({**SIZE, "min": 0, "max": 3, "forceRgbOutput": True})
    address = address.replace(engine.url, engine.origin)  # without the token
    assert requests.get(address, headers={"Sec-Fetch-Site": "cross-site"}, timeout=300).status_code == 200


def test_a_filmstrip_is_the_images_from_top_to_bottom():
    """guides/ic_visualization: a north-south series in the natural order of the collection."""
    shown = opened(numbers(4, 0, 10).getFilmstripThumbURL({**SIZE, "min": 0, "max": 10}))
    assert (shown.format, shown.size) == ("PNG", (6, 12))
    assert [shown.convert("RGB").getpixel((3, row)) for row in (0, 3, 4, 8)] == [GREY, GREY, BLACK, WHITE]


def test_a_filmstrip_can_be_a_jpeg():
    shown = opened(numbers(10, 0).getFilmstripThumbURL({**SIZE, "min": 0, "max": 10, "format": "jpg"}))
    assert (shown.format, shown.size) == ("JPEG", (6, 8))


def test_a_filmstrip_keeps_the_opacity():
    """guides/ic_visualization: opacity "is respected for filmstrip visualization"."""
    shown = opened(numbers(10).getFilmstripThumbURL({**SIZE, "min": 0, "max": 10, "opacity": 0.4}))
    assert shown.getpixel((0, 0)) == (255, 255, 255, 102)


def test_masked_pixels_of_a_filmstrip_are_black():
    masked = numbers(5).map(lambda image: image.updateMask(0))
    assert opened(masked.getFilmstripThumbURL({**SIZE, "min": 0, "max": 5})).convert("RGB").getpixel((0, 0)) == BLACK


def test_a_filmstrip_may_lie_on_its_side(engine):
    """reference/rest/v1/projects.filmstripThumbnails, Orientation."""
    shown = numbers(0, 1).map(lambda image: image.visualize(min=0, max=1))
    grid = {"dimensions": {"width": 6, "height": 4}, "affineTransform": {"scaleX": 1, "scaleY": -1}, "crsCode": CRS}
    reply = posted(engine, shown, "filmstripThumbnails", grid=grid, orientation="HORIZONTAL", fileFormat="PNG")
    url = f"{engine.url}/v1/{reply.json()['name']}:getPixels"
    strip = Image.open(io.BytesIO(requests.get(url, timeout=300).content))
    assert strip.size == (12, 4)
    assert [strip.convert("RGB").getpixel((column, 0)) for column in (5, 6)] == [BLACK, WHITE]


@pytest.mark.parametrize(
    ("body", "words"), [({"fileFormat": "GEO_TIFF"}, "expected one of PNG"), ({"orientation": "UP"}, "expected one of")]
)
def test_what_a_filmstrip_cannot_be_is_refused_in_a_sentence(engine, body, words):
    reply = posted(engine, numbers(1), "filmstripThumbnails", **body)
    assert reply.status_code == 400 and words in reply.json()["error"]["message"]


def test_images_without_bands_are_refused():
    with pytest.raises(ee.EEException, match="no bands to show"):
        ee.ImageCollection([ee.Image.constant(1).select([])]).getVideoThumbURL(SIZE)


def test_an_exported_video_is_refused_with_its_remedy():
    task = ee.batch.Export.video.toDrive(numbers(4, 0), dimensions=8, region=ee.Geometry.Rectangle([0, 0, 1, 1]))
    with pytest.raises(ee.EEException, match="does not export videos: use"):
        task.start()
