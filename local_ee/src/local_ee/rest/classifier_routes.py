"""The REST method that stores classifiers.

Reference: https://developers.google.com/earth-engine/reference/rest/v1/projects.classifier/export.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local_ee.assets import classifier_exports
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Job, Progress, Submission
from local_ee.errors import EngineError
from local_ee.rest.task_routes import submission_of
from local_ee.wire import Call, Params, Reply, Route

if TYPE_CHECKING:
    from local_ee.learning.classifier import Classifier


class ClassifierRoutes:
    """Answers that put exports of classifiers into the queue."""

    def __init__(
        self,
        assets: AssetStore,
        evaluate: Callable[[Any], Classifier],
        submit: Callable[[Submission, Job], dict[str, Any]],
    ) -> None:
        self._assets = assets
        self._evaluate = evaluate
        self._submit = submit

    @property
    def routes(self) -> tuple[Route, ...]:
        return (Route("POST", "projects/{project}/classifier:export", self._export),)

    def _export(self, call: Call, params: Params) -> Reply:
        body = call.json()
        destination = (body.get("assetExportOptions") or {}).get("earthEngineDestination")
        if not destination:
            raise EngineError("A classifier export needs assetExportOptions.earthEngineDestination.")
        overwrite, expression = bool(destination.get("overwrite")), body.get("expression")
        name = self._assets.check_target(str(destination.get("name", "")), "CLASSIFIER", overwrite=overwrite)

        def job(progress: Progress) -> list[str]:
            return [classifier_exports.to_asset(self._evaluate(expression), name, self._assets, overwrite=overwrite)]

        return Reply.of(self._submit(submission_of(body, params, "EXPORT_CLASSIFIER"), job))
