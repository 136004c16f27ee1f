"""STAC documents against the JSON schemas themselves: core 1.0.0 and 1.1.0 and every extension that a document names.

The schemas lie in tests/fixtures/stac (Apache-2.0, from stac-spec and stac-extensions); pystac is not asked, because it
brings documents to its own version in memory and passes over extensions whose schema it cannot load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pystac.validation
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "stac"
BUNDLED = Path(pystac.validation.__file__).parent / "jsonschemas"
HOME = "https://stac-extensions.github.io"
CORE = {
    "Feature": "item-spec/json-schema/item.json",
    "Collection": "collection-spec/json-schema/collection.json",
    "Catalog": "catalog-spec/json-schema/catalog.json",
}
UNREAD = ("https://proj.org/schemas/v0.5/projjson.schema.json",)  # no document of ours has a proj:projjson


def errors(document: Mapping[str, Any]) -> list[str]:
    """Every error of the document by its own version's core schema and by the schema of each extension it names."""
    core = f"https://schemas.stacspec.org/v{document['stac_version']}/{CORE[document['type']]}"
    addresses = [core, *document["stac_extensions"]]
    return [
        f"{address}: {error.json_path} {error.message}" for address in addresses for error in _errors(address, document)
    ]


def _errors(address: str, document: Mapping[str, Any]) -> list[Any]:
    schema = _registry().contents(address)
    return list(Draft7Validator(schema, registry=_registry()).iter_errors(document))


@cache
def _registry() -> Registry:
    schemas = [json.loads(path.read_text("utf-8")) for path in (*FIXTURES.glob("*.json"), *BUNDLED.rglob("*.json"))]
    registry = Registry().with_resources(
        (_address(schema), Resource.from_contents(schema, default_specification=DRAFT7)) for schema in schemas
    )
    anything = Resource.from_contents({}, default_specification=DRAFT7)
    return registry.with_resources((address, anything) for address in UNREAD)


def _address(schema: Mapping[str, Any]) -> str:
    """Of a schema, as the others name it; common.json of STAC 1.1.0 was published with a slip in its own."""
    return str(schema["$id"]).rstrip("#").replace("/commonjson", "/common.json")
