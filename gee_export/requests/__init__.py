"""Pixels asked of Earth Engine by interactive requests, of which none is lost."""
