"""The parts of the dock widget "Separation weights"."""
