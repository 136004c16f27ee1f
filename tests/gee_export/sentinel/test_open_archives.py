"""What `--catalog open` decides for the user, what it refuses and with which remedy, what of a checkpoint gives way."""

from __future__ import annotations

import pytest

from isamap.gee_export.export.settings import CompositeOptions
from isamap.gee_export.sentinel import open_archives
from isamap.gee_export.sentinel.clouds import CLOUDS
from isamap.gee_export.sentinel.composite import Settings
from isamap.gee_export.sentinel.open_archives import LIMITS
from isamap.gee_export.sentinel.terrain import MODELS

CHOICES = {"clouds": tuple(CLOUDS), "level": ("l2a", "l1c"), "terrain": ("none", *MODELS)}


def chosen(*words: str, **options) -> Settings:
    return CompositeOptions(settings=words, **options).chosen(archives=True)


def test_nobody_need_know_what_the_archives_lack():
    settings = chosen()
    assert (settings.optical.clouds, settings.optical.level, settings.radar.terrain) == ("scl", "l2a", "none")


def test_other_catalogs_keep_their_defaults():
    assert CompositeOptions().chosen() == Settings()


def test_one_line_says_what_was_chosen():
    assert open_archives.words(chosen()) == ("--catalog open: clouds scl, Sentinel-2 L2A, Sentinel-1 gamma0 as it is")
    assert open_archives.words(chosen(sensors=("s1",))) == "--catalog open: Sentinel-1 gamma0 as it is"


@pytest.mark.parametrize(
    ("setting", "value"),
    [(limit.setting, value) for limit in LIMITS for value in CHOICES[limit.setting] if value in limit.values],
)
def test_each_value_that_can_be_had_is_taken(setting, value):
    assert chosen(f"{setting}={value}").to_json()[setting] == value


@pytest.mark.parametrize(
    ("setting", "value"),
    [(limit.setting, value) for limit in LIMITS for value in CHOICES[limit.setting] if value not in limit.values],
)
def test_each_other_value_is_refused_with_those_that_can(setting, value):
    limit = next(limit for limit in LIMITS if limit.setting == setting)
    with pytest.raises(ValueError, match=rf"--catalog open: {setting} {value} cannot be had, because .*") as refused:
        chosen(f"{setting}={value}")
    assert str(refused.value).endswith(f"give {setting} {' or '.join(limit.values)}")


def test_masks_that_need_another_collection_are_not_of_the_archives():
    assert not any(mask.archived and mask.product and not mask.computed for mask in CLOUDS.values())


def test_settings_of_a_sensor_that_is_left_out_are_left_out():
    assert chosen(sensors=("s1",)).sensors == ("sentinel1",)


def test_an_open_level_becomes_the_one_there_is():
    assert chosen("level=auto").optical.level == "l2a"


def test_a_checkpoints_settings_give_way_in_words():
    settings, changes = open_archives.fitted(Settings.of(terrain="volume", terrain_buffer_m=40.0, clear=0.7))
    assert (settings.optical.clouds, settings.radar.terrain, settings.optical.clear) == ("scl", "none", 0.7)
    assert changes == (
        "clouds scl in place of cloud_score_plus",
        "terrain none in place of volume",
        "terrain_buffer_m 0.0 in place of 40.0",
    )


def test_settings_that_the_archives_can_make_are_not_changed():
    settings = Settings.of(clouds="cldprb", level="l2a", speckle="none")
    assert open_archives.fitted(settings) == (settings, ())


def test_a_sensor_that_a_checkpoint_does_not_see_is_not_spoken_of():
    assert open_archives.fitted(Settings.of(sensors=("sentinel1",)))[1] == ()


@pytest.mark.parametrize(("asked", "trained"), [("l1c", None), ("auto", "L1C")])
def test_a_checkpoint_of_the_other_reflectance_is_refused(asked, trained):
    with pytest.raises(ValueError, match=r"level l1c cannot be had.*give level l2a"):
        open_archives.fitted(Settings.of(level=asked), trained)
