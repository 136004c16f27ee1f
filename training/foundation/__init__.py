"""Encoders that others have trained on satellite images, each from its own package (extra `foundation`)."""
