"""The student's lessons: features of pixels drawn from patches, and what the teacher says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.student.parameters import student_bands
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.fitting.pixels import sample_pixels
from isamap.training.models.student import StudentConfig, features
from isamap.training.runtimes import open_forward
from isamap.training.samples.data import SampleSource, loader

_PATCHES = 8  # read at once
# patches this many times wider than a window's half are drawn from only where the whole window lies in the patch
_ROOMY = 4


@dataclass(frozen=True)
class Lessons:
    """features_NF: of drawn pixels, stored units, float64. chance_NK: the teacher's probabilities. label_N: classes,
    255 where not known.
    """

    features_NF: Tensor
    chance_NK: Tensor
    label_N: Tensor

    def targets(self, label_share: float) -> Tensor:
        """Probabilities to be learned: the teacher's, mixed with the label by its share where that is known."""
        known_N = self.label_N != UNKNOWN
        target_NK = self.chance_NK.clone()
        truth_NK = torch.nn.functional.one_hot(self.label_N[known_N], target_NK.shape[1]).double()
        target_NK[known_N] = torch.lerp(target_NK[known_N], truth_NK, label_share)
        return target_NK


def drawn(
    teacher: Checkpoint, source: SampleSource, split: str, config: StudentConfig, *, pixels: int, seed: int
) -> Lessons:
    """Lessons from at most `pixels` pixels of a split that have all bands, each equally likely to be drawn.

    source: opened for the teacher. ValueError: an empty split, or no such pixel in it.
    """
    if not len(source.split(split)):
        raise ValueError(f"the {split} split is empty, which a student needs: export a larger region")
    columns_NC, _ = sample_pixels(_columns(teacher, source, split, config), pixels, seed=seed)
    columns = torch.from_numpy(np.ascontiguousarray(columns_NC))
    count, classes = len(teacher.bands) * config.per_band, len(teacher.classes)
    return Lessons(columns[:, :count], columns[:, count : count + classes], columns[:, -1].long())


def _columns(
    teacher: Checkpoint, source: SampleSource, split: str, config: StudentConfig
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features, probabilities and label as channels of one tensor, and 0 where a pixel can be drawn, else 255."""
    forward = open_forward(teacher)
    seen = replace(source, bands=teacher.bands)
    stored = replace(source, bands=student_bands(source.stored, teacher.bands))
    halo = max((side // 2 for side in (*config.means, *config.deviations)), default=0)
    for batch in loader(source.split(split), _PATCHES):
        with torch.inference_mode():
            prepared = seen.prepare(batch)
            chance_BKHW = forward(prepared.image_BCHW).logits_BKHW.double().softmax(dim=1)
            features_BFHW = features(stored.prepare(batch).image_BCHW, config)
        label_BHW = prepared.label_BHW
        usable_BHW = prepared.valid_BCHW.all(dim=1)
        if min(usable_BHW.shape[1:]) > _ROOMY * halo:
            usable_BHW = usable_BHW & _inside(usable_BHW, halo)
        everything = torch.cat([features_BFHW, chance_BKHW, label_BHW[:, None].double()], dim=1)
        yield everything, torch.where(usable_BHW, 0, UNKNOWN).to(torch.uint8)


def _inside(like_BHW: Tensor, halo: int) -> Tensor:
    inside_BHW = torch.zeros_like(like_BHW)
    inside_BHW[:, halo : like_BHW.shape[1] - halo, halo : like_BHW.shape[2] - halo] = True
    return inside_BHW
