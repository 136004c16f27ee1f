"""Faults of tasks: one that fails, one that takes long, one that succeeds with a file missing."""

from __future__ import annotations

import time
from collections.abc import Sequence

from local_ee.assets.tasks import Job, Progress, Submission
from local_ee.errors import EngineError
from local_ee.injector import Injector, Seen
from local_ee.storage.objects import ObjectStore

NAP_S = 0.02  # between two looks whether a delayed task should end
WORDS = ("memory", "timeout", "fail")


class Mishaps:
    """Puts an injector's faults around the jobs of tasks."""

    def __init__(self, injector: Injector, buckets: ObjectStore) -> None:
        self._injector = injector
        self._buckets = buckets

    def around(self, submission: Submission, job: Job) -> Job:
        """The job, going wrong as the rules say of a task of this description."""
        seen = Seen("task", submission.description)

        def faulty(progress: Progress) -> Sequence[str]:
            with self._injector.verdict(seen) as verdict:
                state = "FAILED"
                try:
                    _wait(verdict.delay_s, progress)
                    if verdict.rule and verdict.kind in WORDS:
                        raise EngineError(verdict.rule.words)
                    uris = job(progress)
                    if verdict.kind == "missing":
                        self._lose_last(uris)
                    state = "SUCCEEDED"
                    return uris
                finally:
                    self._injector.note(seen, verdict, state=state)

        return faulty

    def _lose_last(self, uris: Sequence[str]) -> None:
        """Removes the last of the files that an export wrote to a bucket."""
        for uri in uris:
            if uri.startswith("gs://"):
                bucket, _, prefix = uri.removeprefix("gs://").partition("/")
                names = sorted(stored.name for stored in self._buckets.walk(bucket, prefix))
                if names:
                    self._buckets.delete(bucket, names[-1])


def _wait(seconds: float, progress: Progress) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress.report(0.0)
        time.sleep(min(NAP_S, left))
