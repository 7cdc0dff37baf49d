"""Ferryman: an open eSIM subscription management platform (GSMA SGP.02)."""
