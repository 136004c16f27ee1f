"""A run from its claim of a folder to its report: where it starts, what data can train, where it lies."""
