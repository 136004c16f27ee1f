"""The share of pixels whose class 8 bits change; runs without a processor for them, as any way stands for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isamap.training.accuracy import quantization
from isamap.training.accuracy.evaluation import classify, source_for
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runtimes import open_forward
from tests.training.test_bad_input import kept, town  # noqa: F401


def test_a_way_that_is_less_sure_changes_pixels_near_the_threshold(kept, town):  # noqa: F811
    trained = ck.load(kept)
    source, forward = source_for(trained, town), open_forward(trained)

    def dimmed(image):
        output = forward(image)
        logits = output.logits_BKHW.clone()
        logits[:, 1] -= 0.5
        return replace(output, logits_BKHW=logits)

    ways = {quantization.REFERENCE: forward, "same int8": forward, "dim int8": dimmed}
    by_way, changed = quantization._judged(trained, source, "val", ways, 16)
    p = np.concatenate([b.probabilities_BKHW for b in predicted(trained, source, source.split("val"))]).astype(float)
    odds = np.log(p[:, 1] / p[:, 0])
    before = classify(p, trained.thresholds["impervious"]).astype(bool)
    limit = trained.thresholds["impervious"]
    expected = (before & (1 / (1 + np.exp(0.5 - odds)) < limit)).mean()
    assert changed == {"same int8": 0.0, "dim int8": changed["dim int8"]}
    assert abs(changed["dim int8"] - expected) < 1e-4 and expected > 0.001
    assert by_way["same int8"] == by_way[quantization.REFERENCE]
