"""Ferryman: an open eSIM subscription management platform (GSMA SGP.02)."""

__version__ = "0.1.0"
