"""Images other than Sentinel's composite: foreign grids, finer pixels, dated frames."""
