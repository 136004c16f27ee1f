"""Profile.getProfiles: what the algorithms of earlier requests took (ee.profilePrinting asks for it)."""

from __future__ import annotations

from local_ee.errors import EngineError
from local_ee.evaluation.profile import KEPT, table
from local_ee.evaluation.registry import algorithm

_MOST_ROWS = 200


@algorithm("Profile.getProfiles")
def get_profiles(ids: list, format: str, maxEntries: int | None) -> str:
    """The table of profiled requests: a row for each algorithm. The form of Google's 'json' is not documented."""
    most = _MOST_ROWS if maxEntries is None else int(maxEntries)
    if format != "text":
        raise EngineError(f"The local engine writes profiles as 'text', not as '{format}'.")
    if most < 1:
        raise EngineError(f"maxEntries must be at least 1, got {most}.")
    try:
        return table([str(each) for each in ids], most)
    except KeyError as error:
        reason = f"the engine keeps those of its last {KEPT} profiled requests"
        raise EngineError(f"There is no profile {error}: {reason}.") from error
