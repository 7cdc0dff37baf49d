"""Benchmarks: our figure beside a reference in one run, on the same inputs; goals are ratios. `make bench`."""
