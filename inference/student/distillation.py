"""Distillation: candidates learn the teacher's probabilities, the validation split chooses one (Hinton et al., 2015,
arXiv 1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isamap.inference.student.request import Distillation, layers_of
from isamap.inference.student.teaching import Lessons
from isamap.training.models.student import Student, StudentConfig

BATCH, RATE = 512, 4e-3
TIE = 1e-3  # of the cost: less is no reason for more neurons, which every pixel pays for
SMALLEST_SPREAD = 1e-6  # of a feature that never changes: it must not be divided by 0


@dataclass(frozen=True)
class StudentCandidate:
    """A fitted student and how far from its teacher it is on the validation split.

    cost: cross entropy of the teacher's probabilities there, agreement: share of pixels of the same class.
    """

    hidden: str
    network: Student
    cost: float
    agreement: float

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def to_json(self) -> dict[str, object]:
        """Plain JSON, without the network."""
        figures = {"validation_cross_entropy": round(self.cost, 6), "validation_agreement": round(self.agreement, 5)}
        return {"hidden": self.hidden, "parameters": self.parameters} | figures


def chosen(candidates: Sequence[StudentCandidate]) -> StudentCandidate:
    """The smallest candidate that is about as near to its teacher on the validation split as the nearest one."""
    enough = min(candidate.cost for candidate in candidates) * (1 + TIE)
    return min((c for c in candidates if c.cost <= enough), key=lambda candidate: candidate.parameters)


def candidates_of(
    options: Distillation, bands: Sequence[str], train: Lessons, validation: Lessons
) -> tuple[StudentCandidate, ...]:
    """A fitted student for each of `options.hidden`."""
    results = []
    for word in options.hidden:
        network = Student(bands, StudentConfig(train.chance_NK.shape[1], layers_of(word)))
        fit(network, train.features_NF, train.targets(options.label_share), options)
        results.append(StudentCandidate(word, network, *_distance(network, validation)))
    return tuple(results)


def fit(network: Student, features_NF: Tensor, target_NK: Tensor, options: Distillation) -> None:
    """Fits the network in place to the targets by Adam, its rate falling in half a cosine; the seed fixes all."""
    network.centre.copy_(features_NF.mean(dim=0))
    network.spread.copy_(features_NF.std(dim=0, unbiased=False).clamp(min=SMALLEST_SPREAD))
    values_NF = (features_NF - network.centre) / network.spread
    generator = torch.Generator().manual_seed(options.seed)
    _initialise(network, generator)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = options.epochs * -(-len(values_NF) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    with torch.enable_grad():
        for _ in range(options.epochs):
            for rows in torch.randperm(len(values_NF), generator=generator).split(BATCH):
                optimiser.zero_grad()
                cost(network.logits(values_NF[rows]), target_NK[rows]).backward()
                optimiser.step()
                schedule.step()
    network.eval()


def cost(logits_NK: Tensor, target_NK: Tensor) -> Tensor:
    """Mean cross entropy of target probabilities, in nats."""
    mean: Tensor = -(target_NK * logits_NK.log_softmax(dim=1)).sum(dim=1).mean()
    return mean


def _initialise(network: Student, generator: torch.Generator) -> None:
    """He's normal weights and no biases, from the seed alone (arXiv 1502.01852)."""
    with torch.no_grad():
        for layer in network.linear:
            layer.weight.normal_(0, (2 / layer.in_features) ** 0.5, generator=generator)
            layer.bias.zero_()


def _distance(network: Student, lessons: Lessons) -> tuple[float, float]:
    with torch.inference_mode():
        logits_NK = network.logits((lessons.features_NF - network.centre) / network.spread)
        same = logits_NK.argmax(dim=1) == lessons.chance_NK.argmax(dim=1)
        return float(cost(logits_NK, lessons.chance_NK)), float(same.double().mean())
