"""The patch dataset: format, index, files, statistics."""
