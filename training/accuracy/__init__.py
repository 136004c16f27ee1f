"""How well a checkpoint does: counts, scores, intervals, thresholds."""
