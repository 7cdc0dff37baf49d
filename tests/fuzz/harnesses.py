"""All harnesses by name, and where their seeds and past crashes lie."""

from __future__ import annotations

from pathlib import Path

from fuzz import decoders_documents, decoders_https, decoders_ota, decoders_profiles, decoders_smpp, decoders_sms
from fuzz.engine import Harness, read_folder

HERE = Path(__file__).resolve().parent
HARNESSES: dict[str, Harness] = {
    harness.name: harness
    for module in (
        decoders_smpp,
        decoders_sms,
        decoders_ota,
        decoders_https,
        decoders_documents,
        decoders_profiles,
    )
    for harness in module.HARNESSES
}


def seeds(name: str) -> list[bytes]:
    """The seed corpus of a harness."""
    return read_folder(HERE / "corpus" / name)


def regressions(name: str) -> list[bytes]:
    """Inputs that once broke its promise."""
    return read_folder(HERE / "regressions" / name)
