"""A local engine that is broken on purpose in twelve ways: `isamap prove` finds each, and nothing in a sound one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from local_ee.assets import ingest
from local_ee.assets.destination import Destination
from local_ee.assets.tasks import TaskStore
from local_ee.evaluation import registry
from local_ee.raster import interpolate, pyramid, resample
from local_ee.rest.asset_routes import AssetRoutes
from local_ee.wire import Reply

from isamap.gee_export.earth_engine.session import connect
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import CONFIRMED, REFUTED, judged
from isamap.inference.prove.run import LOCAL_BUCKET
from isamap.inference.prove.steps import STEPS

pytestmark = pytest.mark.usefixtures("reconnected")
PROBES = {probe.name: probe for step in STEPS.values() for probe in step}
Break = Callable[[pytest.MonkeyPatch], None]


def instead(name: str, other: str, **arguments) -> Break:
    """An algorithm that does what another one does."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        wrong = registry._ALGORITHMS[other].function
        right = registry._ALGORITHMS[name]

        def called(**given):
            return wrong(**({} if not right.signature.returns.startswith("Image") else given), **arguments)

        patch.setitem(registry._ALGORITHMS, name, replace(right, function=called))

    return break_it


def _two_tasks(patch: pytest.MonkeyPatch) -> None:
    submit = TaskStore.submit
    patch.setattr(
        TaskStore, "submit", lambda self, submission, *rest: submit(self, replace(submission, request_id=None), *rest)
    )


def _deaf_policy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AssetRoutes, "_set_policy", lambda self, call, params: Reply.of({"bindings": []}))


def _mean_pyramid(patch: pytest.MonkeyPatch) -> None:
    blocks = pyramid._blocks
    patch.setattr(pyramid, "_blocks", lambda values, mask, factor, policy: blocks(values, mask, factor, "MIN"))


def _first_on_top(patch: pytest.MonkeyPatch) -> None:
    opened = ingest._open

    def reversed_sources(*given):
        tileset = opened(*given)
        return replace(tileset, tiles=tileset.tiles[::-1])

    patch.setattr(ingest, "_open", reversed_sources)


def _any_bucket(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Destination, "check", lambda self, buckets: buckets.create_bucket(self.bucket, {}))


def _strict(values, mask, us, vs, method):
    out, valid = interpolate.interpolated(values, mask, us, vs, method)
    left, top = np.floor(us - 0.5).astype(int), np.floor(vs - 0.5).astype(int)
    for row, col in ((0, 0), (0, 1), (1, 0), (1, 1)):
        valid = valid & (np.asarray(mask) > 0)[top + row, left + col]
    return out, valid


FAULTS: dict[str, tuple[str, Break]] = {
    "variance of a sample": ("constants.variance", instead("Reducer.variance", "Reducer.sampleVariance")),
    "deviation of a sample": ("constants.std-dev", instead("Reducer.stdDev", "Reducer.sampleStdDev")),
    "a cast that does not clamp": ("constants.cast-clamps", instead("Image.toUint8", "Image.toInt16")),
    "halves rounded down": ("constants.round-half", instead("Image.round", "Image.floor")),
    "the logarithm of 0 is a number": ("constants.undefined", instead("Image.log10", "Image.cos")),
    "a mosaic that shows the first": ("constants.mosaic-order", instead("ImageCollection.mosaic", "reduce.min")),
    "interpolation masked beside masked": (
        "constants.bilinear-masked",
        lambda patch: patch.setattr(resample, "interpolated", _strict),
    ),
    "a request id that starts two tasks": ("exports.twice", _two_tasks),
    "sharing that is not kept": ("assets.sharing", _deaf_policy),
    "pyramids by another policy": ("assets.pyramid", _mean_pyramid),
    "the first of two tiles on top": ("assets.tiles", _first_on_top),
    "an export that makes its bucket": ("refusals.bucket", _any_bucket),
}


def place_of(folder) -> ProofPlace:
    return ProofPlace(connect(None, home=folder / "home"), LOCAL_BUCKET, folder)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_a_sound_engine_passes(fault, tmp_path):
    """The engine starts inside the patch: its routes are bound then."""
    name, break_it = FAULTS[fault]
    (tmp_path / "sound").mkdir()
    assert judged(PROBES[name], place_of(tmp_path / "sound")).status == CONFIRMED
    (tmp_path / "broken").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        break_it(patch)
        verdict = judged(PROBES[name], place_of(tmp_path / "broken"))
    assert verdict.status == REFUTED and verdict.answer != verdict.expected
