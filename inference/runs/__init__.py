"""Runs of many tiles: requests in, tiles and their report out."""
