"""What every package stands on: regions and periods, grids, errors, storage, atomic files."""
