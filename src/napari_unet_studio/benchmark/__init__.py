"""Measures the package against its peers, in one run and on the same images."""
