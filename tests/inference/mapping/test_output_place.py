"""Of the files that a map is written to, those of others are refused by name, and a map lacks none."""

from __future__ import annotations

from pathlib import Path

import pytest

from isamap.gee_export.base.options import from_options
from isamap.inference.map_files import share_layer
from isamap.inference.map_files.layer_file import LayerFile
from isamap.inference.map_files.map_file import probability_of, share_of
from isamap.inference.mapping.output_place import OutputPlace
from isamap.inference.mapping.request import MapRequest
from isamap.inference.postprocessing import prediction_sets
from isamap.inference.postprocessing.prediction_sets import set_of

NEVER_REPLACED = ("a_set.tif", "a_share.tif", "a.toml")


def place(out: Path, tags: dict[str, str] | None = None, *, overwrite: bool = False) -> OutputPlace:
    request = from_options(MapRequest, {"checkpoint": "run", "out": str(out), "overwrite": overwrite})
    return OutputPlace(request, tags or {}, (prediction_sets.layer_of(out), share_layer.layer_of(out)))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["a.tif", "a_prob.tif", *NEVER_REPLACED])
def test_a_users_file_at_one_of_its_names_is_refused_by_that_name(tmp_path, name, overwrite):
    (tmp_path / name).write_text("mine")
    outcome = place(tmp_path / "a.tif", overwrite=overwrite)
    if overwrite and name not in NEVER_REPLACED:
        outcome.check()
    else:
        with pytest.raises(ValueError, match=rf"/{name} exists and is no"):
            outcome.check()
    assert (tmp_path / name).read_text() == "mine"


def test_a_place_without_files_is_free(tmp_path):
    place(tmp_path / "a.tif").check()
    assert not place(tmp_path / "a.tif").is_whole()


@pytest.mark.parametrize("name_of", [lambda out: out, probability_of, set_of, share_of])
def test_a_map_that_lacks_one_of_its_files_is_not_whole(finished_map, random_map, name_of):
    out = finished_map(random_map, name="a.tif")
    for layer in place(out).layers:
        layer.path.write_bytes(b"layer")
    assert place(out).is_whole() and not place(out, overwrite=True).is_whole()
    name_of(out).unlink()
    assert not place(out).is_whole()


def test_what_differs_from_the_map_that_is_there_is_said(finished_map, random_map):
    out = finished_map(random_map, name="a.tif")
    place(out, {"model": "unet", "settings": "0" * 32}).check_map()
    with pytest.raises(ValueError, match=r"other settings \(model unet there, fcn asked\): choose another --out"):
        place(out, {"model": "fcn"}).check_map()
    with pytest.raises(ValueError, match=r"\(other pixels or grid, or an older isamap\)"):
        place(out, {"settings": "1" * 32}).check_map()


def test_a_layer_is_removed_only_where_a_map_wrote_it(finished_map, random_map):
    out = finished_map(random_map, name="a.tif")
    LayerFile(out, "shares", lambda _: False).remove()
    assert out.exists()
    LayerFile(out, "classes", lambda _: True).remove()
    assert not out.exists() and not out.with_name("a.tif.aux.xml").exists()
