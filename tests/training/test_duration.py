"""The hours that a training is said to take: operations by hand, and what is told and when."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from isamap.training.fitting import duration
from isamap.training.models import build
from isamap.training.recipes import recipe


class OneConvolution(nn.Module):
    bands = ("a", "b", "c")

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_hours_grow_with_epochs_and_samples(monkeypatch):
    monkeypatch.setattr(duration, "operations_per_s", lambda: 1e9)
    network, tiny = build("unet", ("a", "b"), {"widths": [4, 8], "classes": 2}), recipe("unet-tiny", {"epochs": "2"})
    once = duration.training_hours(network, tiny, 100, 32)
    assert duration.training_hours(network, recipe("unet-tiny", {"epochs": "6"}), 200, 32) == pytest.approx(6 * once)


@pytest.mark.parametrize(
    ("hours", "words"), [(0.1, ""), (0.5, "take about 30 minutes here"), (61.0, "take about 61 hours here")]
)
def test_long_trainings_without_a_gpu_are_told(monkeypatch, capsys, hours, words):
    monkeypatch.setattr(duration, "training_hours", lambda *_: hours)
    source = SimpleNamespace(datasets=[SimpleNamespace(manifest=SimpleNamespace(size=64))])
    made = recipe("crofusenet", {"device": "cpu"})
    duration.say_hours(SimpleNamespace(network=OneConvolution(), recipe=made, source=source, steps_per_epoch=3))
    error = capsys.readouterr().err
    assert words in error and bool(error) == bool(words)
