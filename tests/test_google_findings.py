"""The review of November 2026 beside Google's documentation: every finding and the test that holds its repair."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FINDINGS = {  # number: what was wrong, and the test
    1: (
        "`isamap check` raised without a Cloud Storage login",
        "tests/gee_export/earth_engine/test_check.py::test_a_failed_test_of_the_bucket_is_a_row_and_keeps_the_others",
    ),
    2: (
        "its remedy lacked a role",
        "tests/gee_export/earth_engine/test_check.py::test_the_remedy_of_a_bucket_names_both_roles_that_suffice",
    ),
    3: ("two identities", "tests/gee_export/base/test_login.py::test_earth_engines_own_login_serves_cloud_storage_too"),
    4: ("the written walk mapped another run", "tests/test_google.py::test_the_walk_trains_maps_and_publishes_one_run"),
    5: (
        "credentials could not be given",
        "tests/gee_export/earth_engine/test_check.py::"
        "test_a_users_own_connection_to_google_is_kept_with_its_credentials",
    ),
    6: (
        "a key file failed",
        "tests/gee_export/base/test_login.py::test_a_key_file_is_asked_with_the_scopes_of_both_services",
    ),
    7: (
        "no login was asked for in Colab",
        "tests/gee_export/earth_engine/test_notebook_login.py::"
        "test_a_cell_of_colab_asks_once_and_goes_on_by_that_login",
    ),
    8: (
        "verification, tier, billing, 7 days were not told",
        "tests/gee_export/earth_engine/test_handshake.py::"
        "test_a_project_whose_verification_is_due_is_told_with_the_questionnaire",
    ),
    9: (
        "'no limit of its own'; a spent daily limit had no remedy",
        "tests/gee_export/base/test_retry.py::test_quota_that_is_spent_in_the_middle_is_told_with_the_daily_limit",
    ),
    10: (
        "`local-ee record` sent no quota project",
        "local_ee/tests/test_plugin.py::test_a_recording_counts_for_the_project_that_pays",
    ),
    11: (
        "days were judged through 20- and 100-m reprojections",
        "tests/gee_export/images/test_frames.py::test_days_are_judged_without_a_lattice_of_their_own",
    ),
    12: (
        "facts of all scenes in one question",
        "tests/gee_export/sentinel/test_sentinel1.py::test_facts_asked_in_groups_are_those_of_all_scenes_at_once",
    ),
    13: (
        "`lee_sigma` read every weight of every neighbour's window",
        "tests/gee_export/sentinel/test_speckle.py::test_graphs_stay_small",
    ),
    14: (
        "lists of scenes brought all properties",
        "tests/gee_export/sentinel/test_composite.py::"
        "test_a_scene_of_the_list_has_what_the_whole_collection_says_of_it",
    ),
    15: (
        "half-metre shares may need too much memory",
        "tests/gee_export/labelling/test_label_request.py::test_shares_of_finer_pixels_are_asked_in_smaller_blocks",
    ),
    16: (
        "a repeated ingestion is a second one: the client drops its request id",
        "tests/inference/publishing/test_asset.py::test_an_ingestion_that_an_interrupted_command_started_is_waited_for",
    ),
    17: (
        "`--external` into a bucket of another class failed after the upload",
        "tests/inference/publishing/test_external_asset.py::"
        "test_a_bucket_of_another_class_is_refused_before_the_upload",
    ),
    18: (
        "an App of one year had a slider without length",
        "tests/inference/catalog/test_app.py::test_one_year_has_no_slider_and_the_chart_has_a_point_a_year",
    ),
    19: (
        "noise at Sentinel-2's scene edges",
        "tests/gee_export/sentinel/test_composite_version.py::test_noise_at_a_scenes_edge_is_masked_by_b8a_and_b9",
    ),
    20: (
        "flattening may lose the rim of a slice",
        "tests/gee_export/sentinel/test_composite_version.py::test_the_angle_reaches_the_slices_rim",
    ),
    21: (
        "an acquisition in two tiles counted twice",
        "tests/gee_export/sentinel/test_composite_version.py::test_an_acquisition_in_two_tiles_is_one_observation",
    ),
    22: (
        "scenes without a partner in Cloud Score+ are dropped",
        "tests/gee_export/sentinel/test_sentinel2.py::test_scenes_without_a_partner_are_named_and_left_out",
    ),
    23: (
        "10-m bands of the neighbouring zone took the nearest pixel",
        "tests/gee_export/sentinel/test_composite_version.py::"
        "test_ten_metre_bands_of_the_neighbouring_zone_are_interpolated",
    ),
    24: (
        "IW scenes of 40 m were used",
        "tests/gee_export/sentinel/test_composite_version.py::test_scenes_of_40_m_are_left_out",
    ),
    25: (
        "`map.js` exported an asset without palette, dates and `simulated`",
        "tests/inference/student/test_script.py::test_the_exported_asset_says_what_every_map_says",
    ),
    26: (
        "the App's chart had a point an image",
        "tests/inference/catalog/test_app.py::test_one_year_has_no_slider_and_the_chart_has_a_point_a_year",
    ),
    27: (
        "it counted a pyramid of modes",
        "tests/inference/catalog/test_geemap_app.py::test_areas_are_the_expected_shares_of_each_year",
    ),
    28: (
        "the page on embeddings ignored the catalog",
        "tests/test_google_findings.py::test_the_page_on_embeddings_quotes_the_catalog",
    ),
}


def test_every_finding_has_a_row():
    assert list(FINDINGS) == list(range(1, 29))


@pytest.mark.parametrize("address", sorted({address for _, address in FINDINGS.values()}))
def test_the_test_of_a_row_is_there(address):
    path, _, name = address.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    (body,) = re.findall(rf"^def {name}\((?:.|\n)*?(?=^\S|\Z)", text, re.MULTILINE)
    assert "assert" in body or "raises" in body


def test_the_page_on_embeddings_quotes_the_catalog():
    page = (ROOT / "docs" / "embeddings.md").read_text(encoding="utf-8")
    assert '"the embedding space is also consistent across years"' in page and "not independently interpretable" in page
