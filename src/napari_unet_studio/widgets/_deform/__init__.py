"""The parts of the dock widget "Elastic deformation"."""
