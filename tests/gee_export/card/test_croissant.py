"""The Croissant file against the rules of its format, and against the dataset that it describes.

The `mlcroissant` package is no part of our environment; docs/card.md says what it makes of the file.
"""

from __future__ import annotations

import hashlib
import json
import re
from fnmatch import fnmatch

import pyarrow.parquet
import pytest

from isamap.gee_export.card import croissant
from isamap.gee_export.card.inspection import inspect
from isamap.gee_export.datasets.dataset import Dataset
from tests.support import sound

TYPES = {"sc:Text", "sc:Integer", "sc:Float", "sc:URL"}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    dataset = sound.stored(tmp_path_factory.mktemp("croissant") / "data")
    croissant.write(dataset)
    return dataset


@pytest.fixture(scope="module")
def document(data) -> dict:
    return json.loads(data.storage.read("croissant.json"))


def records(document: dict, name: str) -> dict:
    return next(each for each in document["recordSet"] if each["@id"] == name)


def nodes(value) -> list[dict]:
    """Every object of the JSON-LD that has a type."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [node for each in inner for node in nodes(each)]
    return [value, *below] if isinstance(value, dict) and "@type" in value else below


def test_it_has_the_properties_that_the_format_demands(document):
    """The specification's lists of required properties of a dataset, a FileObject, a FileSet and a Field."""
    assert document["@type"] == "sc:Dataset" and document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    demanded = {
        "sc:Dataset": {"@context", "conformsTo", "name", "description", "license", "url", "creator"},
        "cr:FileObject": {"@id", "name", "contentUrl", "encodingFormat", "sha256"},
        "cr:FileSet": {"@id", "name", "includes", "encodingFormat"},
        "cr:RecordSet": {"@id", "field"},
        "cr:Field": {"@id", "dataType", "description"},
        "sc:Organization": {"name"},
    }
    body = {key: value for key, value in document.items() if key != "@context"} | {"@context": {}}
    for node in nodes(body):
        assert demanded[node["@type"]] <= node.keys()


def test_every_name_is_unique_and_every_reference_leads_to_one(document):
    body = {key: value for key, value in document.items() if key != "@context"}
    names = [node["@id"] for node in nodes(body) if "@id" in node]
    assert len(set(names)) == len(names)
    references = re.findall(r'\{"@id": "([^"]+)"\}', json.dumps(body))
    assert references and set(references) <= set(names)


def test_every_property_is_a_word_of_the_context_or_of_schema_org(document):
    listed = {"name", "description", "license", "url", "version", "identifier", "keywords", "creator", "distribution",
             "contentUrl", "contentSize", "encodingFormat", "sha256"}  # fmt: skip
    for node in nodes({key: value for key, value in document.items() if key != "@context"}):
        assert {key for key in node if not key.startswith("@")} <= listed | document["@context"].keys()


def test_files_have_their_sizes_and_checksums(data, document):
    objects = [each for each in document["distribution"] if each["@type"] == "cr:FileObject"]
    assert [each["contentUrl"] for each in objects] == ["patches.parquet", "manifest.json"]
    for each in objects:
        content = data.storage.path(each["contentUrl"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest() and each["contentSize"] == f"{len(content)} B"


def test_the_sets_of_files_hold_just_the_patches_files(data, document):
    patterns = [each["includes"] for each in document["distribution"] if each["@type"] == "cr:FileSet"]
    listed = {name for name in data.storage.list() if any(fnmatch(name, pattern) for pattern in patterns)}
    assert listed == {name for patch in data.patches for name, _ in patch.files} and len(listed) == 20


def test_the_fields_of_patches_are_columns_of_the_index_with_their_types(data, document):
    schema = pyarrow.parquet.read_schema(data.storage.path("patches.parquet"))
    types = {"sc:Text": ("string", "large_string"), "sc:Integer": ("int32",), "sc:Float": ("double",)}
    for field in records(document, "patches")["field"]:
        column = field["source"]["extract"]["column"]
        assert str(schema.field(column).type) in types[field["dataType"]]


def test_splits_bands_and_classes_are_the_datasets(data, document):
    splits = records(document, "splits")
    assert splits["dataType"] == "cr:Split"
    assert {row["splits/name"]: row["splits/url"] for row in splits["data"]} == {
        "train": "cr:TrainingSplit",
        "val": "cr:ValidationSplit",
        "test": "cr:TestSplit",
    }
    bands = [(row["bands/name"], row["bands/scale"]) for row in records(document, "bands")["data"]]
    assert bands == [(band.name, band.scale) for band in data.manifest.bands]
    assert {row["classes/value"]: row["classes/name"] for row in records(document, "classes")["data"]} == {
        0: "pervious",
        1: "impervious",
        255: "unknown",
    }
    for each in document["recordSet"]:
        assert {field["dataType"] for field in each["field"]} <= TYPES


def test_a_dataset_without_labels_has_no_classes(tmp_path):
    unlabelled = sound.stored(tmp_path / "plain", sound.samples.samples(3, labelled=False), label=None, size=16,
                              bands=sound.samples.BANDS)  # fmt: skip
    document = croissant.document(unlabelled)
    assert "classes" not in [each["@id"] for each in document["recordSet"]]
    assert [each["@id"] for each in document["distribution"]] == ["patches.parquet", "manifest.json", "images"]


def test_what_is_simulated_says_so_and_what_is_real_has_its_licences(document, tmp_path):
    assert document["description"].startswith("SIMULATED") and "simulated" in document["keywords"]
    real = croissant.document(sound.stored(tmp_path / "real", simulated=False))
    assert "SIMULATED" not in real["description"]
    assert real["license"][1] == "https://creativecommons.org/licenses/by/4.0/"


def test_inspect_writes_it_beside_the_data_and_the_dataset_stays_the_same(tmp_path):
    dataset = sound.stored(tmp_path / "data")
    fingerprint = dataset.fingerprint
    card = inspect(dataset, stac=True)
    assert card.written[-1] == str(tmp_path / "data" / "croissant.json")
    first = (tmp_path / "data" / "croissant.json").read_bytes()
    again = Dataset.open(tmp_path / "data")
    again.verify()
    assert (
        again.fingerprint == fingerprint and croissant.write(again) and first == dataset.storage.read("croissant.json")
    )
