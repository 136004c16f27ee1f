"""Long trials of what docs/reliability.md promises: kills, faults of the line, odd requests, many clients at once."""
