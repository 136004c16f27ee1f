"""How much is unknown about each pixel: by the chances of one network, of several, or of a network and the label.

Entropy as in Shannon (1948); what the members of an ensemble disagree on is the entropy of their mean less the mean of
their entropies (Houlsby et al. 2011, arXiv 1112.5745).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def entropy(chances_MBKHW: np.ndarray, label_BHW: np.ndarray) -> np.ndarray:
    """Entropy of the members' mean, 0 to 1, [patch, row, column]; the label plays no part."""
    return _entropy(chances_MBKHW.mean(axis=0))


def members(chances_MBKHW: np.ndarray, label_BHW: np.ndarray) -> np.ndarray:
    """What the members disagree on, 0 to 1, [patch, row, column]; 0 where all say the same, be they sure or not."""
    own = np.mean([_entropy(chances) for chances in chances_MBKHW], axis=0)
    return np.maximum(_entropy(chances_MBKHW.mean(axis=0)) - own, 0.0)


def label(chances_MBKHW: np.ndarray, label_BHW: np.ndarray) -> np.ndarray:
    """The chance that the label is wrong, by the members' mean, [patch, row, column]; 0 where no label is known."""
    chances_BKHW, known_BHW = chances_MBKHW.mean(axis=0), label_BHW != UNKNOWN
    at_label = np.take_along_axis(chances_BKHW, np.where(known_BHW, label_BHW, 0)[:, None].astype(np.intp), axis=1)
    return np.where(known_BHW, 1.0 - at_label[:, 0], 0.0)


SCORES: dict[str, Score] = {"entropy": entropy, "members": members, "label": label}


def _entropy(chances_BKHW: np.ndarray) -> np.ndarray:
    """In units of the greatest that so many classes can have."""
    chances = np.clip(chances_BKHW, 1e-12, 1.0)
    return np.asarray(-(chances * np.log(chances)).sum(axis=1) / np.log(chances.shape[1]))
