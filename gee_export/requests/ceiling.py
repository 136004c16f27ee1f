"""A bound that the server does not tell: learned from its refusals, remembered, and tried again only now and then."""

from __future__ import annotations

FIRST_TRIAL = 20  # acceptances at a learned bound before the next higher one is tried, at the least
# Under two minutes at 50 a second: more rarely, and a quota that was raised meanwhile would stay unused.
LAST_TRIAL = 5000


class Ceiling:
    """The limit of a load that the server accepts (requests under way, or requests per second).

    It begins at `most`: a slow start would cost more than one burst of refusals. A refusal lowers it to what the
    server demonstrably accepts. Where that was clearly the bound, the next higher one is tried after many acceptances,
    and more and more rarely; where the refusal may have had another reason, it is tried soon, in growing steps.
    """

    def __init__(self, most: float) -> None:
        self.most, self.least = most, min(1.0, most)
        self.level = most
        self.cuts = 0  # refusals that said something new; whoever asks remembers the number at that time
        self._drops = 0
        self._doubts = 0
        self._step = 1.0
        self._quiet = 0
        self._until_trial = 0.0
        self._trying = False

    @property
    def is_learned(self) -> bool:
        """True below the bound it began with."""
        return self.level < self.most

    def refused(self, borne: float, cuts: int, *, sure: bool = True) -> None:
        """The server refused while it bore `borne`; `cuts` is the number when the refused was sent.

        What was sent before the last cut only adds evidence. What was sent after it and refused again says that the
        bound is still too high: each such step is larger than the one before, until a whole round is accepted.
        """
        if cuts == self.cuts:
            self.cuts += 1
            self._drops += sure and not self._trying
            self._until_trial = self._next_trial() if sure else self._early_trial()
            self._trying = False
        # Each refused step goes further down than the last: a bound far too high is found in a few rounds.
        self.level = max(self.least, min(self.level, borne) - max(self._drops - 1, 0))
        self._quiet, self._step = 0, 1.0

    def accepted(self, *, full: bool) -> None:
        """Counts an acceptance; only one at the full bound says that more might be borne."""
        if not full:
            return
        self._quiet += 1
        if self._quiet >= self.level:
            self._drops = 0
        if self.is_learned and self._quiet > (self._step if self._trying else self._until_trial):
            self._raise()

    def _early_trial(self) -> float:
        """Acceptances to wait for the next trial: 0, 1, 3, 7 ..., so that endless doubts cause few refusals."""
        self._doubts += 1
        return min(2.0 ** (self._doubts - 1) - 1, LAST_TRIAL)

    def _next_trial(self) -> float:
        self._doubts = 0
        if self._until_trial < FIRST_TRIAL:
            return max(2 * self.level, FIRST_TRIAL)
        return min(2 * self._until_trial, LAST_TRIAL) if self._trying else self._until_trial

    def _raise(self) -> None:
        self._step = 2 * self._step if self._trying else 1.0
        self._trying, self._quiet = True, 0
        self.level = min(self.most, self.level + self._step)
