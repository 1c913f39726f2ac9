"""Colours of texts in the docks, that can be read in dark and in light."""

RED = "#e06c60"
"""Of what is wrong."""
AMBER = "#e8963c"
"""Of what is to be doubted."""
GREY = "#909090"
"""Of remarks."""
