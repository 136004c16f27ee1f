"""One wrong algorithm a class of Earth Engine, and whether the suite of local_ee notices (docs/reliability.md)."""
