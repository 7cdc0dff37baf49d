"""Every row of `make bench`, in the order of the table."""

from __future__ import annotations

from bench.frame import Benchmark
from bench.rows import download, eis, gateway, imports, ota, procedures, profiles, psk, queue, rest, smpp, soap

BENCHMARKS: tuple[Benchmark, ...] = (
    *ota.BENCHMARKS,
    *psk.BENCHMARKS,
    *smpp.BENCHMARKS,
    *soap.BENCHMARKS,
    *gateway.BENCHMARKS,
    *rest.BENCHMARKS,
    *imports.BENCHMARKS,
    *procedures.BENCHMARKS,
    *eis.BENCHMARKS,
    *queue.BENCHMARKS,
    *download.BENCHMARKS,
    *profiles.BENCHMARKS,
)
