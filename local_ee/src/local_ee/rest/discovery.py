"""What the Earth Engine client asks for first: the API's description and the list of algorithms, from its wheel."""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib.resources import files
from typing import Any

ANY = {"type": "any"}


@cache
def _wheel(name: str) -> Any:
    return json.loads(files("ee").joinpath("tests", name).read_text(encoding="utf-8"))


def document(root_url: str) -> dict[str, Any]:
    """The discovery document of this engine: the wheel's (revision 20200203), with v1 paths and what it lacks.

    Added because the client calls them: image.importExternal, getConfig, updateConfig, tables.create,
    classifier.export.
    """
    described = copy.deepcopy(_wheel("cloud_api_discovery_document.json"))
    described.update(rootUrl=f"{root_url}/", baseUrl=f"{root_url}/", id="earthengine:v1", version="v1")
    _to_v1(described["resources"])
    projects = described["resources"]["projects"]
    image = projects["resources"]["image"]["methods"]
    image["importExternal"] = _method("POST", "v1/{+project}/image:importExternal", "project", "^projects/[^/]+$")
    classifier = _method("POST", "v1/{+project}/classifier:export", "project", "^projects/[^/]+$")
    projects["resources"]["classifier"] = {"methods": {"export": classifier}}
    config = "^projects/[^/]+/config$"
    projects["methods"]["getConfig"] = _method("GET", "v1/{+name}", "name", config)
    projects["methods"]["updateConfig"] = _method("PATCH", "v1/{+name}", "name", config, ("updateMask",))
    projects["resources"]["tables"] = {"methods": {"create": _tables_create()}}
    _add_list_parameters(projects)
    _name_asset(projects["resources"]["assets"]["methods"]["listFeatures"])
    _add_tags(projects["resources"])
    return described


def algorithms() -> dict[str, Any]:
    """The wheel's whole list of algorithms; which of them are computed here is known when a graph comes."""
    return _wheel("algorithms.json")


def _to_v1(resources: dict[str, Any]) -> None:
    for resource in resources.values():
        for method in resource.get("methods", {}).values():
            for key in ("path", "flatPath"):
                method[key] = method[key].replace("v1alpha/", "v1/", 1)
        _to_v1(resource.get("resources", {}))


def _add_list_parameters(projects: dict[str, Any]) -> None:
    """filter and view of listAssets: the client sends them, the old document does not know them."""
    for listing in (projects["methods"]["listAssets"], projects["resources"]["assets"]["methods"]["listAssets"]):
        for name in ("filter", "view"):
            listing["parameters"].setdefault(name, {"description": "", "location": "query", "type": "string"})


def _name_asset(method: dict[str, Any]) -> None:
    """The table of listFeatures is called `asset` by the client, and `parent` in the old document."""
    for key in ("path", "flatPath"):
        method[key] = method[key].replace("{+parent}", "{+asset}")
    method["parameters"] = {
        "asset" if name == "parent" else name: described for name, described in method["parameters"].items()
    }
    method["parameterOrder"] = ["asset"]


def _tables_create() -> dict[str, Any]:
    return _method("POST", "v1/{+parent}/tables", "parent", "^projects/[^/]+$", ("workloadTag",))


def _add_tags(resources: dict[str, Any]) -> None:
    """workloadTag of maps and thumbnails: the client sends it as a parameter, the old document does not know it."""
    for name in ("maps", "thumbnails", "filmstripThumbnails", "videoThumbnails"):
        parameters = resources[name]["methods"]["create"]["parameters"]
        parameters.setdefault("workloadTag", {"description": "", "location": "query", "type": "string"})


def _method(verb: str, path: str, name: str, pattern: str, query: tuple[str, ...] = ()) -> dict[str, Any]:
    parameters = {name: {"description": "", "location": "path", "pattern": pattern, "required": True, "type": "string"}}
    parameters |= {key: {"description": "", "location": "query", "type": "string"} for key in query}
    described = {
        "description": "",
        "flatPath": path,
        "httpMethod": verb,
        "id": f"earthengine.{path}",
        "parameterOrder": [name],
        "parameters": parameters,
        "path": path,
        "response": ANY,
    }
    return described if verb == "GET" else {**described, "request": ANY}
