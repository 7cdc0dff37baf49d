"""Peers that only make load: they are the same for both sides of a row and are not measured."""
