"""A bound that the server does not tell: learned from its refusals, remembered, and tried again only now and then."""

from __future__ import annotations

FIRST_TRIAL = 20  # acceptances at a learned bound before the next higher one is tried, at the least
LAST_TRIAL = 5000


class Ceiling:
    """How much may be asked at once (requests under way, or requests per second).

    It begins at `most`: waiting for a slow start would cost more than one burst of refusals. A refusal lowers it to
    what the server demonstrably bears; from there it is raised by one after many acceptances, by more when that
    went well, and more and more rarely when it did not.
    """

    def __init__(self, most: float, *, least: float = 1.0) -> None:
        self.most, self.least = most, min(least, most)
        self.level = most
        self.cuts = 0  # refusals that changed it; whoever asks remembers the number, so that old news is known as such
        self._drops = 0
        self._step = 1.0
        self._quiet = 0
        self._until_trial = 0.0
        self._trying = False

    def refused(self, borne: float, cuts: int) -> None:
        """The server refused while `borne` was accepted already; `cuts` is the number when the refused was sent.

        A refusal of what was sent before the last cut only adds evidence. One of what was sent after it says that the
        bound is still too high: each such step is larger than the one before, until a whole round is accepted.
        """
        if cuts == self.cuts:
            self._later() if self._trying else self._lower()
            self.cuts += 1
        level = min(self.level, borne) - max(self._drops - 1, 0)
        self.level = max(self.least, level)
        self._quiet, self._step = 0, 1.0

    def accepted(self, *, full: bool) -> None:
        """Counts an acceptance; only one at the full bound says that more might be borne."""
        if not full:
            return
        self._quiet += 1
        if self._quiet >= self.level:
            self._drops = 0
        if self.level < self.most and self._quiet >= (self.level if self._trying else self._until_trial):
            self._raise()

    def _lower(self) -> None:
        self._drops += 1
        self._until_trial = max(2 * self.level, FIRST_TRIAL)

    def _later(self) -> None:
        """The trial failed: back to what was good, for twice as long as before."""
        self._trying = False
        self._until_trial = min(2 * max(self._until_trial, FIRST_TRIAL), LAST_TRIAL)

    def _raise(self) -> None:
        if self._trying:
            self._step *= 2
        self._trying, self._quiet = True, 0
        self.level = min(self.most, self.level + self._step)
        if self.level == self.most:
            self._trying = False
