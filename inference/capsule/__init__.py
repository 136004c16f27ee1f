"""A map with all that makes it again: options, checkpoint, graph, scenes, versions and digests, and its replay."""
