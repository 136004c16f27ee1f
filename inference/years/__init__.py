"""Maps of several years as one series: filtered by a hidden Markov chain, with growth, first year and areas.

See docs/years.md. `map_years` (run.py) is the way in.
"""
