"""Step 5: how the server refuses: the words by which isamap knows what to do (isamap.gee_export.base.retry)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isamap.gee_export.base.cloud_storage import BucketStorage
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Reaction, classify, refusal
from isamap.inference.prove.exports import asked
from isamap.inference.prove.pattern import column, grid_of
from isamap.inference.prove.place import NAME, ProofPlace
from isamap.inference.prove.probe import Probe

ABSENT = "isamap-prove-there-is-no-such-bucket"
FAILS_S = 600.0  # within which an export that cannot write has failed


def _refused(act: Callable[[Any, ProofPlace], Any], words: str) -> Callable[[ProofPlace], Any]:
    """How the server refuses: what isamap does then, whether the words are those that it looks for, its words."""

    def ask(place: ProofPlace) -> Any:
        import ee

        try:
            act(ee, place)
        except ee.EEException as error:
            refused = refusal(error)
            return {
                "met by": classify(error).name,
                "words": words.lower() in str(error).lower(),
                "status": refused.status if refused else 0,
                "text": _one_line(str(error)),
            }
        return {"met by": "accepted"}

    return ask


def _pixels(ee: Any, width: int, height: int, image: Any) -> Any:
    grid = grid_of(width, height)
    request = {
        "expression": image,
        "fileFormat": "NPY",
        "grid": {
            "dimensions": {"width": width, "height": height},
            "affineTransform": {
                "scaleX": grid.affine.a,
                "translateX": grid.affine.c,
                "scaleY": grid.affine.e,
                "translateY": grid.affine.f,
            },
            "crsCode": str(grid.crs),
        },
    }
    return ee.data.computePixels(request)


def _too_large(ee: Any, place: ProofPlace) -> Any:
    return _pixels(ee, 3300, 3300, column(ee).toFloat())  # 3300 x 3300 x (4 + 1) bytes: 54 MB


def _too_wide(ee: Any, place: ProofPlace) -> Any:
    return _pixels(ee, 32_769, 1, column(ee).toUint8())


def _too_many_bands(ee: Any, place: ProofPlace) -> Any:
    return _pixels(ee, 1, 1, ee.Image.constant([1] * 1025).toUint8())


def _too_long(ee: Any, place: ProofPlace) -> Any:
    return ee.String("x" * (10_600_000)).length().getInfo()


def _no_asset(ee: Any, place: ProofPlace) -> Any:
    return ee.Image(f"{place.assets}/absent").bandNames().getInfo()


def _no_band(ee: Any, place: ProofPlace) -> Any:
    return column(ee).select("absent").bandNames().getInfo()


def _no_bucket(place: ProofPlace) -> Any:
    """How a bucket that is not there is told: by Cloud Storage, and by an export, at once or when its task ends."""
    import ee

    storage = _told_missing(BucketStorage(place.session.storage_client(), ABSENT, NAME, patience_s=60.0))
    description = f"{NAME}-no-bucket"
    place.note(f"task {description}")
    body = asked(column(ee).toByte(), ABSENT, "absent", description)
    try:
        operation = place.finished(ee.data.exportImage(ee.data.newTaskId(1)[0], body)["name"], FAILS_S)
    except ee.EEException as error:
        if classify(error) is not Reaction.NEVER:
            raise
        return {"storage": storage, "export": "refused", "when": "at once", "text": _one_line(str(error))}
    text = _one_line(operation.get("error", {}).get("message", ""))
    return {"storage": storage, "export": "refused" if "error" in operation else "done", "when": "later", "text": text}


def _told_missing(storage: BucketStorage) -> str:
    """What isamap says of a bucket; a Fault that says anything else than that it is missing is no answer."""
    try:
        return f"{len(storage.listed())} objects"
    except Fault as error:
        if f"bucket {ABSENT!r} does not exist" in str(error):
            return "missing"
        raise


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


PROBES = (
    Probe(
        "refusals.bytes",
        "more than 48 MiB, mask bytes counted, are refused",
        _refused(_too_large, "total request size"),
        {"met by": "NEVER", "words": True, "status": 400},
        "limits",
    ),
    Probe(
        "refusals.side",
        "sides above 32,768 pixels are refused",
        _refused(_too_wide, "pixel grid dimensions"),
        {"met by": "NEVER", "words": True, "status": 400},
        "limits",
    ),
    Probe(
        "refusals.bands",
        "more than 1,024 bands are refused",
        _refused(_too_many_bands, "bands"),
        {"met by": "NEVER"},
        "limits",
    ),
    Probe(
        "refusals.payload",
        "more than 10 MB of graph are refused",
        _refused(_too_long, "request payload size"),
        {"met by": "NEVER", "words": True},
        "limits",
    ),
    Probe(
        "refusals.asset",
        "a missing asset is told as 'not found'",
        _refused(_no_asset, "not found"),
        {"met by": "NEVER", "words": True},
        "limits",
    ),
    Probe(
        "refusals.band",
        "a missing band is told as 'did not match any bands'",
        _refused(_no_band, "did not match any bands"),
        {"met by": "NEVER", "words": True, "status": 400},
        "limits",
    ),
    Probe(
        "refusals.bucket",
        "a bucket that is not there is told as missing, and no export into it ends well",
        _no_bucket,
        {"storage": "missing", "export": "refused"},
        "limits",
    ),
)
