"""Which rows of a table differ, in letters and sentences: a contrast for each pair, adjusted by Holm over all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

from isamap.reproduction.labels import with_areas
from isamap.reproduction.line import ReportLine
from isamap.reproduction.study import StudyMeasure
from isamap.training.accuracy.comparison import holm
from isamap.training.accuracy.contrast import Contrast, contrast, same_pixels
from isamap.training.accuracy.letters import letters

# After Holm: the chance of any false difference in a table.
LEVEL = 0.05
Pair = tuple[str, str]


@dataclass(frozen=True)
class RankVerdict:
    """A pair of rows: the first less the second, and p adjusted for all pairs that are compared."""

    pair: Pair
    contrast: Contrast
    p_adjusted: float

    @property
    def decided(self) -> bool:
        """Whether the two differ."""
        return self.p_adjusted < LEVEL


@dataclass(frozen=True)
class Ranking:
    """The comparisons of a report's rows by one measure.

    teacher: the row of the labels that networks learn from, if it is judged too. pairs: those to compare, all if empty.
    """

    lines: Sequence[ReportLine]
    measure: StudyMeasure
    teacher: str = ""
    pairs: Sequence[Pair] = ()

    @cached_property
    def excluded(self) -> dict[str, str]:
        """Rows that take no part, and why."""
        reasons = {line.label: self._reason(line) for line in self.lines}
        return {label: reason for label, reason in reasons.items() if reason}

    @cached_property
    def verdicts(self) -> tuple[RankVerdict, ...]:
        """Every pair that can be compared."""
        lines = {line.label: line for line in self.lines if line.label not in self.excluded}
        pairs = [pair for pair in self.pairs or combinations(lines, 2) if set(pair) <= set(lines)]
        contrasts = [self._contrast(lines[a], lines[b]) for a, b in pairs]
        contrasted = [(pair, value) for pair, value in zip(pairs, contrasts, strict=True) if value is not None]
        adjusted = holm([value.p for _, value in contrasted])
        return tuple(RankVerdict(pair, value, p) for (pair, value), p in zip(contrasted, adjusted, strict=True))

    @property
    def letters(self) -> dict[str, str]:
        """By row the letters of which two share one unless they differ; none where only some pairs are asked for."""
        compared = {label for verdict in self.verdicts for label in verdict.pair}
        # Letters say something of all pairs; where only some were asked for, the others would look alike untested.
        if self.pairs or not compared or self.measure.best == "none":
            return {}
        means = {line.label: line.mean(self.measure.key) or 0.0 for line in self.lines if line.label in compared}
        ranked = sorted(means, key=lambda label: -self.sign * means[label])
        return letters(ranked, {frozenset(verdict.pair) for verdict in self.verdicts if verdict.decided})

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.measure.best == "low" else 1

    def _reason(self, line: ReportLine) -> str:
        value = line.mean(self.measure.key)
        if line.sample is None or value is None:
            return "no counts by block"
        if line.trained and len(line.blocks) < 2:
            return "one seed does not tell what another would give"
        if (rise := line.late_rise) is not None and not rise.has_ended:
            return f"not converged, validation MIoU still rose over the last fifth of the epochs ({rise})"
        if line.trained and self._below_teacher(value):
            return "not converged, it is worse than the labels that it learned from"
        return ""

    def _below_teacher(self, value: float) -> bool:
        teachers = [line.mean(self.measure.key) for line in self.lines if line.label == self.teacher]
        return any(limit is not None and self.sign * (value - limit) < 0 for limit in teachers)

    def _contrast(self, left: ReportLine, right: ReportLine) -> Contrast | None:
        a, b = left.sample, right.sample
        if a is None or b is None or (left.data == right.data and not same_pixels(a, b)):
            return None  # judged on other pixels of the same ground: easier ones, perhaps
        return contrast(a, b, self.measure.key, trained=(left.trained, right.trained), measures=with_areas)


def sentences(ranking: Ranking, paper: Mapping[str, float]) -> list[str]:
    """What the comparisons say, in words: the paper's order beside the pairs that are decided, or each pair asked for.

    paper: the paper's values by row, larger ones better.
    """
    if ranking.pairs:
        return [*map(sentence_of(ranking), ranking.verdicts), *_left_out(ranking)]
    if ranking.measure.best == "none" or not ranking.verdicts:
        return [*_left_out(ranking)]
    decided = sum(verdict.decided for verdict in ranking.verdicts)
    ours = f"By {ranking.measure.title}, {decided} of {len(ranking.verdicts)} pairs of rows differ"
    return [f"{ours}.{_agreement(ranking, paper)}", *_left_out(ranking)]


def _agreement(ranking: Ranking, paper: Mapping[str, float]) -> str:
    """How many of the decided pairs stand as in the paper."""
    if len(paper) < 2:
        return ""
    both = [v for v in ranking.verdicts if set(v.pair) <= set(paper) and paper[v.pair[0]] != paper[v.pair[1]]]
    decided = [verdict for verdict in both if verdict.decided]
    alike = [v for v in decided if (paper[v.pair[0]] > paper[v.pair[1]]) == (ranking.sign * v.contrast.value > 0)]
    undecided = len(both) - len(decided)
    ranked = sorted(paper, key=lambda label: -paper[label])
    order = ranked[0] + "".join(f" {'=' if paper[a] == paper[b] else '>'} {b}" for a, b in pairwise(ranked))
    return (
        f" The paper's order: {order}. {len(alike)} of {len(decided)} decided pairs stand as in the paper; "
        f"{undecided} of the paper's {len(both)} pairs are undecided."
    )


def sentence_of(ranking: Ranking) -> Callable[[RankVerdict], str]:
    """What a verdict of the ranking says, as a sentence."""

    def sentence(verdict: RankVerdict) -> str:
        (left, right), contrast, form = verdict.pair, verdict.contrast, ranking.measure.form
        more, less = ("larger", "smaller") if ranking.measure.best == "none" else ("better", "worse")
        side = more if ranking.sign * contrast.value > 0 else less
        words = f"the first is {side}" if verdict.decided else "undecided"
        chance = "below 0.001" if verdict.p_adjusted < 0.001 else f"{verdict.p_adjusted:.3f}"
        return (
            f"{left} less {right}: {ranking.measure.title} {contrast.value:+{form}} "
            f"[{contrast.low:+{form}}, {contrast.high:+{form}}], p {chance}: {words}."
        )

    return sentence


def _left_out(ranking: Ranking) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for label, reason in ranking.excluded.items():
        by_reason.setdefault(reason, []).append(label)
    return [f"No part in comparisons: {'; '.join(labels)} ({reason})." for reason, labels in by_reason.items()]
