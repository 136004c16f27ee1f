"""Areas from a sample and a map together: the map's own count, corrected by how it errs at the sample's points.

The difference estimator takes the count as it is and adds the mean error; as prediction-powered inference it is the
same formula (Angelopoulos et al. 2023, Science 382, 669-674). The regression estimator first weighs the map by how well
it follows the reference (Särndal et al. 1992, section 6.4; PPI++, Angelopoulos et al. 2023, arXiv:2311.01453): it is
never much worse than the sample alone, however poor the map.
"""

from __future__ import annotations

import numpy as np

from inference.assessment.estimator import Design, Estimate, covariance, linearised


def difference(design: Design, reference_N: np.ndarray, map_N: np.ndarray, map_mean: float) -> Estimate:
    """Share of ground of a class: reference_N 0 or 1, map_N 0 to 1 (class or probability), map_mean over all ground."""
    return assisted(design, reference_N, map_N, map_mean, weight=1.0)


def regression(design: Design, reference_N: np.ndarray, map_N: np.ndarray, map_mean: float) -> Estimate:
    """As `difference`, the map weighted so that the variance is least."""
    return assisted(design, reference_N, map_N, map_mean, weight=best_weight(design, reference_N, map_N))


def assisted(design: Design, reference_N: np.ndarray, map_N: np.ndarray, map_mean: float, *, weight: float) -> Estimate:
    """map_mean x weight, and the sample's mean of what the weighted map leaves."""
    remainder = np.asarray(reference_N, float) - weight * np.asarray(map_N, float)
    return linearised(design, weight * map_mean + design.mean(remainder), remainder)


def best_weight(design: Design, reference_N: np.ndarray, map_N: np.ndarray) -> float:
    """The weight of least variance; 0 where the map is the same at every point."""
    values = np.asarray(map_N, float)
    spread = design.variance(values)
    return covariance(design, np.asarray(reference_N, float), values) / spread if spread > 0 else 0.0
