"""The connection to Earth Engine: Google's servers or the local engine, and the checks before a first export."""
