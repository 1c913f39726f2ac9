"""The parts of a training: data, patches, network, course, checks."""
