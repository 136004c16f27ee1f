"""A request and a checkpoint in, one map out."""
