"""A TCP proxy that stands between any two parts of the system and does what networks do on a bad day."""
