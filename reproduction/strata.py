"""A judge of one stratum: what another judge counts, on the blocks of some regions only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isamap.reproduction.labels import evaluated
from isamap.reproduction.study import Evaluated, Evaluator, Trial


@dataclass(frozen=True)
class OfRegions:
    """Scores of the test patches of some regions by another judge, which counts the blocks of all.

    ValueError: no test patch lies there.
    """

    evaluator: Evaluator
    regions: tuple[str, ...]

    def __call__(self, trial: Trial) -> Evaluated:
        """The judge's counts of those blocks, and its maps."""
        # The judge counts all blocks (a run's evaluation is kept by `evaluated_once`); a stratum chooses among them.
        everywhere = self.evaluator(replace(trial, shown=()))
        inside_N = np.isin(block_regions(trial.addresses), self.regions)
        if everywhere.blocks is None or not inside_N.any():
            raise ValueError(f"no test patch lies in {', '.join(self.regions)}: export more patches")
        return evaluated(everywhere.blocks[inside_N], everywhere.classes)


def block_regions(addresses: Sequence[str]) -> np.ndarray:
    """The region of each block of the test split, in the order in which judges count blocks."""
    from isamap.gee_export.datasets.dataset import Dataset
    from isamap.training.samples.ground import spatial_blocks

    tested = [(data, patch) for data in map(Dataset.open, addresses) for patch in data.in_split("test")]
    _, first = np.unique(spatial_blocks(tested), return_index=True)
    return np.array([tested[at][1].region for at in first])
