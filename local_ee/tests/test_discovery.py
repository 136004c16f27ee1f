"""The description of the API that the client builds itself from."""

from __future__ import annotations

import ee.data
import pytest
from googleapiclient import discovery as google

from local_ee.rest import discovery


def _paths(resource: dict) -> list[str]:
    own = [method["path"] for method in resource.get("methods", {}).values()]
    return own + [path for inner in resource.get("resources", {}).values() for path in _paths(inner)]


def test_every_path_is_of_version_1():
    paths = _paths(discovery.document("http://127.0.0.1:1"))
    assert len(paths) == 45 and all(path.startswith("v1/") for path in paths)


def test_the_root_is_the_engine():
    described = discovery.document("http://127.0.0.1:1")
    assert described["rootUrl"] == described["baseUrl"] == "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("resource", "method"),
    [
        ("image", "importExternal"),
        ("image", "import_"),
        ("", "getConfig"),
        ("", "updateConfig"),
        ("tables", "create"),
        ("classifier", "export"),
    ],
)
def test_methods_that_the_wheels_document_lacks_can_be_called(resource, method):
    service = google.build_from_document(discovery.document("http://127.0.0.1:1"))
    projects = service.projects()
    assert callable(getattr(getattr(projects, resource)() if resource else projects, method))


def test_the_wheels_document_is_not_changed():
    discovery.document("http://127.0.0.1:1")
    assert discovery._wheel("cloud_api_discovery_document.json")["version"] == "v1alpha"


def test_all_algorithms_of_the_wheel_are_listed():
    algorithms = ee.data._cloud_api_utils.convert_algorithms(discovery.algorithms())
    assert len(algorithms) == 991 and algorithms["Image.divide"]["args"][0]["name"] == "image1"
