"""What tie points and mutual information together say of a co-registration, in one sentence, and when to refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isamap.gee_export.coregistration.cells import CellError
from isamap.gee_export.coregistration.consensus import WeakEvidence
from isamap.gee_export.coregistration.information import InformationShift

AGREEING_PX = 0.5
DISPUTED_PX = 1.5  # as far apart as tie points may be wrong
# without a second opinion: share of the cells that must hold a used tie point, and of the matches that must agree
LEAST_CELLS, LEAST_AGREEING = 0.5, 0.6


@dataclass(frozen=True)
class SecondOpinion:
    """The shift by mutual information (right_px, up_px from fixed to moving), its standard error, and how far it lies
    from the mean of the polynomial (difference_px), measured on the corrected pair.
    """

    right_px: float
    up_px: float
    error_px: float
    difference_px: float
    is_sure: bool


def opinion(left: InformationShift | None, mean_px: tuple[float, float]) -> SecondOpinion | None:
    """The second opinion from what mutual information finds left of a correction by mean_px (right, up)."""
    if left is None:
        return None
    right, up = mean_px[0] + left.right_px, mean_px[1] + left.up_px
    return SecondOpinion(right, up, left.error_px, left.length_px, left.is_sure)


def verdict(second: SecondOpinion | None, cells: Sequence[CellError] = ()) -> str:
    """How the second opinion stands to the tie points' answer, and of how much of the area they say nothing."""
    unknown = sum(cell.error_px is None for cell in cells)
    gap = f"; the error is unknown in {unknown} of {len(cells)} cells of the area" if unknown else ""
    return _comparison(second) + gap


def _comparison(second: SecondOpinion | None) -> str:
    if second is None:
        return "no second opinion: mutual information has no peak within the search"
    if not second.is_sure:
        return f"no second opinion: mutual information is uncertain by {second.error_px:.1f} px"
    if second.difference_px <= AGREEING_PX:
        return f"mutual information agrees within {second.difference_px:.2f} px"
    return (
        f"mutual information disagrees by {second.difference_px:.2f} px: do not rely on this answer to better than that"
    )


def require_trust(cells: Sequence[CellError], second: SecondOpinion | None, moved_px: float) -> None:
    """WeakEvidence where neither the tie points nor mutual information can be trusted.

    moved_px: the root mean square length of the correction.
    """
    if second is not None and second.is_sure:
        if second.difference_px > max(DISPUTED_PX, moved_px / 2):
            raise WeakEvidence(
                f"tie points and mutual information disagree by {second.difference_px:.1f} px: neither can be trusted"
            )
        return
    covered, used = sum(cell.used > 0 for cell in cells), sum(cell.used for cell in cells)
    matches = sum(cell.matches for cell in cells)
    if covered < LEAST_CELLS * len(cells) or used < LEAST_AGREEING * matches:
        raise WeakEvidence(
            f"{used} of {matches} matches agree, in {covered} of {len(cells)} cells of the area, and "
            f"{verdict(second)}: neither can be trusted; give a larger area or a longer period"
        )
