"""Pixels fetched from Earth Engine by interactive requests, none of which is lost."""
