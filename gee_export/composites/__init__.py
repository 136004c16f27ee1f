"""Composites as assets: made once by an Export task, read by pixels afterwards."""
