"""Headings that options stand under in ``--help``."""

INPUT = "Input"
OUTPUT = "Output"
COMPUTING = "Computing"
SCORING = "What counts"
SETTINGS = "Settings"
