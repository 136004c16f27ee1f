"""What a first user met (24 November 2026): every numbered finding and the tests that hold its repair."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
SERVE, EXPORT = "inference/serve", "gee_export/export"
FINDINGS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "the page's chart compared maps of different extent",
        (
            f"{SERVE}/test_world_page.py::test_the_chart_counts_the_ground_that_all_maps_know",
            f"{SERVE}/test_maps.py::test_areas_of_several_maps_are_of_the_ground_that_all_know",
        ),
    ),
    2: (
        "a map was published into a project that nobody had asked",
        (
            "inference/publishing/test_asset.py::test_project_and_bucket_that_do_not_fit_are_refused",
            f"{SERVE}/test_processes.py::test_other_processes_refuse_wrong_inputs_too",
            f"{SERVE}/test_page.py::test_publishing_into_the_local_engine_says_that_google_has_nothing",
        ),
    ),
    3: (
        "an empty map passed every gate",
        (
            "training/test_keeping.py::test_a_network_that_says_one_class_everywhere_is_told_with_the_remedy",
            "inference/map_files/test_one_class.py::test_the_report_of_an_empty_map_says_so",
            "inference/map_files/test_one_class.py::test_areas_of_an_empty_map_say_so",
            "inference/map_files/test_one_class.py::test_the_one_file_page_of_an_empty_map_says_so_beside_its_areas",
            f"{SERVE}/test_maps.py::test_a_map_of_one_class_is_told_with_the_remedy",
        ),
    ),
    4: (
        "the worst of equal epochs was kept",
        (
            "training/test_keeping.py::test_among_equal_epochs_the_lowest_validation_loss_is_kept",
            "training/test_keeping.py::test_a_run_goes_on_while_the_loss_falls_and_a_class_has_no_pixel_yet",
        ),
    ),
    5: (
        "a first network lived in the browser's tab",
        (f"{SERVE}/test_empty_page.py::test_dataset_and_network_of_the_one_job_are_listed",),
    ),
    6: (
        "import isamap was empty beside a clone",
        ("test_namespace.py::test_isamap_beside_a_folder_that_holds_a_clone",),
    ),
    7: (
        "a month without images had a price, and its job named receipts",
        (
            f"{SERVE}/test_stale_texts.py::test_a_month_without_images_is_told_before_it_is_mapped",
            "inference/runs/test_run.py::test_a_map_without_any_data_is_a_fault",
            f"{SERVE}/test_worker.py::test_a_failed_jobs_message_names_no_folder_of_the_server",
        ),
    ),
    8: (
        "the map waited for the picture",
        (
            f"{SERVE}/test_world_page.py::test_the_map_is_asked_for_before_the_image",
            f"{SERVE}/test_world_page.py::test_the_page_asks_for_nothing_but_its_files_before_the_map",
        ),
    ),
    9: (
        "a change of maps of two places was zero",
        (
            "inference/assessment/test_zonal.py::test_changes_between_maps_of_other_places_are_refused",
            "inference/assessment/test_change.py::test_no_map_of_changes_is_written_for_two_places",
        ),
    ),
    10: (
        "one district off the map refused the file",
        (
            "inference/assessment/test_zonal.py::test_a_zone_off_the_map_is_left_out_and_named",
            "inference/assessment/test_zonal.py::test_zones_that_all_lie_off_the_map_are_refused",
        ),
    ),
    11: (
        "the page had no coast and no names",
        (
            f"{SERVE}/test_world_page.py::test_the_world_is_drawn_and_asks_no_other_server",
            f"{SERVE}/test_world_page.py::test_a_town_or_degrees_are_a_place",
        ),
    ),
    12: ("a label fell off the panel", (f"{SERVE}/test_world_page.py::test_every_label_lies_in_its_panel",)),
    13: (
        "texts of the page stayed when they were no longer true",
        (
            f"{SERVE}/test_stale_texts.py::test_a_wanted_place_is_no_longer_wanted_once_it_is_chosen",
            f"{SERVE}/test_stale_texts.py::test_the_sentence_on_a_refused_file_leaves_with_the_next_place",
            f"{SERVE}/test_stale_texts.py::test_a_large_file_of_another_format_is_told_the_format_not_its_size",
        ),
    ),
    14: (
        "the dataset was no torch Dataset",
        ("training/test_torch_dataset.py::test_it_is_a_torch_dataset_and_survives_a_pickle",),
    ),
    15: (
        "train began 400 epochs on a processor without a word, and Ctrl-C printed 90 lines",
        (
            "training/test_train.py::test_a_run_needs_a_folder",
            "training/test_train.py::test_hours_are_told_before_the_first_epoch",
            "training/test_interrupted_runs.py::test_ctrl_c_stays_ctrl_c",
        ),
    ),
    16: (
        "more points than pixels were accepted",
        (
            "inference/assessment/test_points_asked.py::"
            "test_more_points_than_known_pixels_are_refused_and_nothing_is_written",
        ),
    ),
    17: (
        "swapped coordinates and the open sea were planned without a word",
        (
            "gee_export/base/test_land.py::test_a_swapped_outline_of_a_file_is_told_before_it_is_planned",
            "gee_export/base/test_land.py::test_a_plan_in_the_sea_is_told_before_it_begins",
        ),
    ),
    18: (
        "labels of another continent passed the dry run",
        (
            f"{EXPORT}/test_dry_run.py::test_labels_of_another_continent_are_refused_before_anything_is_fetched",
            "gee_export/labelling/test_label_points.py::test_labels_of_another_continent_are_told",
            f"{EXPORT}/test_dry_run.py::test_the_time_of_a_small_export_has_its_start",
        ),
    ),
    19: (
        "mixed geometries, complex rasters and open rings went by",
        (
            "gee_export/labelling/test_label_points.py::test_points_beside_polygons_are_left_out_and_told",
            "gee_export/base/test_geometry_file.py::test_points_beside_polygons_are_left_out_and_counted",
            "inference/inputs/test_likeness.py::test_complex_numbers_are_refused",
            "gee_export/base/test_geometry_file.py::test_a_ring_that_is_not_closed_is_closed_and_told_once",
        ),
    ),
    20: (
        "the page could not hide a class, and called boxes by their degrees",
        (
            f"{SERVE}/test_world_page.py::test_pervious_ground_is_clear_until_it_is_ticked",
            f"{SERVE}/test_place_chooser.py::test_a_box_in_a_region_is_called_a_part_of_it",
        ),
    ),
}


def test_every_finding_has_a_row():
    assert list(FINDINGS) == list(range(1, 21)) and all(tests for _, tests in FINDINGS.values())


@pytest.mark.parametrize("address", [each for _, tests in FINDINGS.values() for each in tests])
def test_the_test_of_a_finding_is_there(address):
    path, _, name = address.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    (body,) = re.findall(rf"^def {name}\((?:.|\n)*?(?=^\S|\Z)", text, re.MULTILINE)
    assert "assert" in body or "raises" in body
