"""The page, the API's description, STAC, health, metrics, regions and networks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from jsonschema import Draft4Validator, Draft202012Validator
from starlette.testclient import TestClient

from isamap.gee_export.base import regions
from isamap.inference.serve import openapi
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.metrics import Metrics
from isamap.inference.serve.page_files import PAGE
from isamap.inference.serve.site_routes import CONFORMANCE
from isamap.inference.serve.tokens import Tokens
from isamap.inference.web_map.script import HOME
from tests.inference.serve.conftest import BASE, DOOR, TOWN, add_map
from tests.support import stac_schemas

RESULT_RELS = "http://www.opengis.net/def/rel/ogc/1.0/"
# https://prometheus.io/docs/instrumenting/exposition_formats/: a sample is a name, labels, a value
SAMPLE = re.compile(r'[a-zA-Z_:][\w:]*(\{(\w+="([^"\\\n]|\\.)*",?)*\})? [-+0-9.eE]+(Inf|NaN)?')


@pytest.fixture(scope="module")
def description() -> dict:
    return openapi.document("1.2.3")


def references(value) -> set[str]:
    if isinstance(value, dict):
        return {value["$ref"]} if "$ref" in value else set().union(*map(references, value.values()), set())
    return set().union(*map(references, value), set()) if isinstance(value, list) else set()


def test_health_is_short(client):
    document = client.get("/health").json()
    assert document["status"] == "ok" and document["jobs"] == {"accepted": 0, "running": 0}
    # the plot is a folder of images, not the simulated world
    assert (document["simulated"], document["source"]) == (False, "folder")


def test_the_landing_page_leads_to_all_that_the_standard_wants(client):
    """OGC 18-062r2, requirement 3: service-desc or service-doc, conformance, processes; and the list of jobs."""
    links = client.get("/", headers={"accept": "application/json"}).json()["links"]
    rels = {link["rel"] for link in links}
    assert {
        "service-desc",
        "service-doc",
        *(RESULT_RELS + name for name in ("conformance", "processes", "job-list")),
    } <= rels
    assert {client.get(link["href"]).status_code for link in links} == {200}


def test_browsers_get_a_page(client):
    reply = client.get("/", headers={"accept": "text/html"})
    assert reply.headers["content-type"].startswith("text/html") and "isamap" in reply.text


def test_a_page_has_no_script_or_style_of_its_own_text(client):
    """The policy of content forbids both."""

    class Inline(HTMLParser):
        def __init__(self):
            super().__init__()
            self.wrong = []

        def handle_starttag(self, tag, attrs):
            names = dict(attrs)
            self.wrong += [tag] if (tag == "script" and "src" not in names) or tag == "style" else []
            self.wrong += [name for name in names if name == "style" or name.startswith("on")]

    for path in ("/", "/api"):
        parser = Inline()
        parser.feed(client.get(path, headers={"accept": "text/html"}).text)
        assert parser.wrong == []


@pytest.mark.parametrize(
    "name", ["%2e%2e", "%2e%2e%2fapp.py", "app.py", "__init__.py", "..%5capp.py", "nothing.js", ""]
)
def test_only_files_of_the_page_are_given(client, name):
    assert client.get(f"/static/{name}").status_code == 404


def page_of(client) -> Started:
    page = Started()
    page.feed(client.get("/", headers={"accept": "text/html"}).text)
    return page


class Started(HTMLParser):
    """What a page asks for by its markup, and the answers that came with it."""

    def __init__(self):
        super().__init__()
        self.asked, self.answers = [], None

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.asked += [value for name, value in attrs if (tag, name) in {("script", "src"), ("link", "href")}]
        if "data-answers" in names:
            self.answers = json.loads(names["data-answers"])


def test_the_page_asks_for_one_script_and_one_style(client):
    """Each further one holds back the first tile; both hold what their parts say."""
    assert page_of(client).asked == ["/static/icon.svg", "/static/page.css", "/static/page.js"]
    script, style = client.get("/static/page.js").text, client.get("/static/page.css").text
    assert "start().catch" in script and not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert (HOME / "style.css").read_text("utf-8") in style and (PAGE / "service.css").read_text("utf-8") in style


def test_the_page_brings_the_answers_on_the_way_to_the_latest_map(client, library, town, monkeypatch):
    monkeypatch.setattr("isamap.inference.serve.site_routes.PATIENCE_S", 60.0)  # of a machine under load
    library.maps.rename(library.map(TOWN), "\"a' </script> & <b>")
    answers = page_of(client).answers
    assert answers == {path: client.get(path).json() for path in ("/health", "/maps", f"/maps/{TOWN}")}


def test_a_page_that_wants_a_token_brings_nothing(settings, town):
    door = Door.of("127.0.0.1", 8765, Tokens(("a-token-that-is-long-enough-for-a-test",)), None)
    assert page_of(TestClient(Service(settings, door).application(), base_url=BASE)).answers == {}


def test_a_page_does_not_wait_for_slow_maps(client, monkeypatch):
    monkeypatch.setattr("isamap.inference.serve.site_routes.PATIENCE_S", 0.0)
    assert page_of(client).answers == {}


def test_every_file_of_the_page_has_its_type(client):
    types = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
    for path in (path for folder in (HOME, PAGE) for path in folder.glob("*.*") if path.suffix in types):
        reply = client.get(f"/static/{path.name}")
        assert reply.content == path.read_bytes() and reply.headers["content-type"].startswith(types[path.suffix])


def test_a_file_that_the_browser_has_is_not_sent_again(client):
    first = client.get("/static/world.json")
    again = client.get("/static/world.json", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/page.js", headers={"if-none-match": first.headers["etag"]}).status_code == 200


def test_files_are_packed_for_those_who_can_unpack(client):
    packed = client.get("/static/world.json", headers={"accept-encoding": "gzip"})
    plain = client.get("/static/world.json", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2


def test_conformance_names_core_job_list_and_dismiss(client):
    assert client.get("/conformance").json() == {"conformsTo": list(CONFORMANCE)}
    assert {name.rpartition("/")[2] for name in CONFORMANCE} >= {"core", "json", "job-list", "dismiss", "oas30"}


def test_the_description_holds_every_route_and_no_other(settings, description):
    from isamap.inference.serve.label_routes import LabelRoutes
    from isamap.inference.serve.library import Library
    from isamap.inference.serve.map_routes import MapRoutes
    from isamap.inference.serve.process_routes import ProcessRoutes
    from isamap.inference.serve.site_routes import SiteRoutes
    from isamap.inference.serve.stac_routes import StacRoutes

    library = Library(settings)
    parts = (SiteRoutes(library, None, Metrics(), ""), ProcessRoutes(library, None, None),
             MapRoutes(library, None, None, None), LabelRoutes(library, None), StacRoutes(library))  # fmt: skip
    routes = {
        (method.lower(), re.sub(r":int", "", route.path))
        for part in parts
        for route in part.routes()
        for method in route.methods - {"HEAD"}
    }
    described = {(method, path) for path, methods in description["paths"].items() for method in methods}
    assert routes - described == {("get", "/api"), ("get", "/static/{name}")}
    assert described <= routes


def test_the_description_is_what_openapi_3_wants(description):
    """https://spec.openapis.org/oas/v3.0.3: fixed fields; every {name} of a path is a parameter; ids are unique."""
    assert description["openapi"] == "3.0.3" and {"title", "version"} <= description["info"].keys()
    ids = []
    for path, methods in description["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            names = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert names == set(re.findall(r"{(\w+)}", path))
            assert all(p["required"] is True for p in operation["parameters"] if p["in"] == "path")
            assert all(reply["description"] for reply in operation["responses"].values())
    assert len(ids) == len(set(ids))


def test_the_descriptions_references_lead_somewhere(description):
    for reference in references(description):
        value = description
        for word in reference.removeprefix("#/").split("/"):
            value = value[word]


def test_the_descriptions_schemas_are_schemas(description):
    """OpenAPI 3.0's schemas are those of JSON Schema draft 5, which for these words are draft 4's."""
    for schema in description["components"]["schemas"].values():
        Draft4Validator.check_schema(schema)


def test_a_job_and_a_refusal_fit_the_description(client, asked, description):
    schemas = description["components"]["schemas"]
    document = {"components": description["components"]}
    for body, name in ((client.post("/processes/map/execution", json=asked()).json(), "statusInfo"),
                       (client.get("/jobs/none").json(), "problem"), (asked(), "execute")):  # fmt: skip
        Draft202012Validator({**schemas[name], **document}).validate(body)


def test_the_page_of_the_api_names_every_request(client, description):
    text = client.get("/api").text
    assert all(path in text for path in description["paths"])


def test_metrics_are_in_prometheus_format(client, town):
    client.get("/maps")
    client.get(f"/maps/{TOWN}/tiles/class/15/1/1.png")
    lines = client.get("/metrics").text.splitlines()
    assert all(SAMPLE.fullmatch(line) for line in lines if not line.startswith("#"))
    assert 'isamap_requests_total{method="GET",route="/maps",status="200"} 1' in lines
    assert 'isamap_jobs{status="accepted"} 0' in lines and "isamap_maps 1" in lines
    assert any(line.startswith("isamap_request_seconds_bucket") and 'le="+Inf"' in line for line in lines)


def test_a_histogram_counts_up():
    metrics = Metrics()
    for seconds in (0.001, 0.3, 20.0):
        metrics.count("GET", "/x", 200, seconds)
    counts = [int(line.rpartition(" ")[2]) for line in metrics.text({}, 0).splitlines() if "_bucket" in line]
    assert counts == sorted(counts) and counts[0] == 1 and counts[-1] == 3


def test_regions_are_found_by_a_part_of_their_name(client):
    rows = client.get("/regions?q=wuh&limit=5").json()["regions"]
    assert rows[0]["name"] == "wuhan" and all("wuh" in f"{row['name']} {row['title']}".lower() for row in rows)
    assert rows[0]["area_km2"] > 100 and len(rows[0]["bbox"]) == 4


@pytest.mark.long
def test_every_region_has_an_outline(client):
    for name in regions.names():
        document = client.get(f"/regions/{name}").json()
        assert (document["type"], document["id"]) == ("Feature", name)
        assert document["geometry"]["type"] in ("Polygon", "MultiPolygon")


def test_networks_are_described(client):
    (row,) = client.get("/checkpoints").json()["checkpoints"]
    assert row == {"name": "run", "network": "unet", "classes": ["pervious", "impervious"], "bands": 6, "scale": 1,
                   "simulated": False, "size_m": 10.0}  # fmt: skip


def test_a_damaged_network_is_left_out(settings, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "checkpoint.json").write_text("{")
    made = replace(settings, checkpoints=(*settings.checkpoints, str(tmp_path / "broken")))
    client = TestClient(Service(made, DOOR).application(), base_url=BASE)
    assert [row["name"] for row in client.get("/checkpoints").json()["checkpoints"]] == ["run"]


def test_items_and_collections_fit_their_schemas(client, town):
    items = client.get("/collections/maps/items").json()
    (item,) = items["features"]
    assert item == client.get(f"/collections/maps/items/{TOWN}").json()
    assert item["assets"]["data"]["href"] == f"{BASE}/maps/{TOWN}/download?format=geotiff"
    assert stac_schemas.errors(item) == []
    assert stac_schemas.errors(client.get("/collections/maps").json()) == []


@pytest.mark.long
def test_the_addresses_of_an_item_are_there(client, town):
    item = client.get(f"/collections/maps/items/{TOWN}").json()
    own = [link["href"] for link in (*item["links"], *item["assets"].values()) if link["href"].startswith(BASE)]
    assert len(own) >= 7 and {client.get(address).status_code for address in own} == {200}


def test_items_are_found_by_box(client, town):
    west, south, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    assert client.get(f"/collections/maps/items?bbox={west},{south},{east},{north}").json()["numberMatched"] == 1
    assert client.get("/collections/maps/items?bbox=0,0,1,1").json()["numberMatched"] == 0


def test_items_come_page_by_page(client, settings, town, finished_map, random_map):
    add_map(settings, finished_map(random_map, "second.tif"), "z-town")
    first = client.get("/collections/maps/items?limit=1").json()
    (following,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    second = client.get(following).json()
    assert [page["features"][0]["id"] for page in (first, second)] == [TOWN, "z-town"]
    assert not [link for link in second["links"] if link["rel"] == "next"]


def test_without_a_map_the_collection_is_empty(client):
    assert client.get("/collections/maps/items").json()["features"] == []
    assert stac_schemas.errors(client.get("/collections/maps").json()) == []


@pytest.mark.parametrize("path", ["/collections/other", "/collections/other/items", "/collections/maps/items/none"])
def test_what_is_not_in_the_catalogue_is_refused(client, path):
    assert client.get(path).status_code == 404
