"""Adapters shared by the roles: database, bus, procedure engine, clock, settings, logging.

Nothing here knows SGP.02.
"""
