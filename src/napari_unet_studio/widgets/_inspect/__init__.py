"""The parts of the dock widget "Inspect"."""
