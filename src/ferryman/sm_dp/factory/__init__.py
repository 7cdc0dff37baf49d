"""The profile factory: templates, stock of subscriptions, orders. It knows no procedure of SGP.02.

A consumer SM-DP+ could stand on it as well; import-linter keeps it so.
"""
