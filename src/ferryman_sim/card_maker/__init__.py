"""The card maker (EUM) of the simulated world: CI and EUM certificates, personalised cards, EIS delivery
files.
"""
