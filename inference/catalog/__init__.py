"""Finished runs as others find them: catalogues beside the files, and the tiles of a zone as one set of sources."""
