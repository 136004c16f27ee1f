"""Learning from imperfect labels: which patches a preliminary model agrees with."""
