"""Arrays on grids: pixel types, projections, resampling, neighbourhoods, reducers. Knows nothing of graphs."""
