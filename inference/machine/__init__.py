"""This machine, as isamap meets it."""
