"""Which patches a dataset takes: sampling, splits that do not leak, and limits."""
