"""Why an answer of the local engine is not the one that a page of Google's samples prints (conformance.py).

Reasons by page, by page and line, or by the beginning of pages; a miss without one is shown as unexplained.
"""

from __future__ import annotations

from collections.abc import Mapping

_SIGNS = (
    "an eigenvector times -1 is one too, and equal eigenvalues have any basis: the engine's are LAPACK's, Google's are "
    "its library's"
)
_MISPRINT = "a misprint of the page: "
REASONS: Mapping[str, str] = {
    "ee_array_eigen.py": _SIGNS,
    "ee_array_eigen.py:19": "the matrix has one eigenvector only; what Google prints second is none",
    "ee_array_eigen.py:20": "the matrix has one eigenvector only; what Google prints first is none",
    "ee_array_eigen.py:41": "the matrix has one eigenvector only; what Google prints second is none",
    "ee_array_eigen.py:42": "the matrix has one eigenvector only; what Google prints first is none",
    "ee_array_eigen.py:40": _MISPRINT + "the second row lacks a number; and " + _SIGNS,
    "ee_featurecollection_aggregate": "computed of simulated power plants",
    "ee_imagecollection_filtermetadata.py": "counted in the scenes of the simulated world",
    "print.py": "counted in simulated assets",
    "ee_blob_string.py": "the page reads an object of Google's bucket ee-docs-demos, which the engine does not have",
    "ee_date_format.py:32": _MISPRINT + "Etc/GMT+8 is eight hours behind UTC, with no summer time",
    "ee_date_format.py:42": _MISPRINT + "the page's date is 1975-07-23, as its other lines say",
    "ee_kernel_gaussian.py": _MISPRINT + "the kernel of a radius of 2, beside a radius of 3",
    "ee_reducer_count.py:47": "counted in the elevations of CGIAR/SRTM90_V4, which are simulated",
}
ABSENT = "the simulated world does not have the asset"


def reason_of(page: str, line: int, *, absent: bool) -> str:
    """Why a check missed; absent: because of an asset that is not there."""
    if absent:
        return ABSENT
    named = (REASONS[key] for key in (f"{page}:{line}", page) if key in REASONS)
    return next(named, None) or next((why for key, why in REASONS.items() if page.startswith(key)), "unexplained")
