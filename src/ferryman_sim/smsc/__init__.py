"""The short message service centre and serving network of the simulated world."""
