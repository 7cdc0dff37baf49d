"""Key sets of the card's security domains (GlobalPlatform 11.1.8; SGP.02 2.2.4, 2.2.5): SCP80, SCP81 and SCP03.

All keys are AES-128 (a PSK has the same length); `repr` shows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class KeySet80:
    """SCP80 keys of the ISD-R, key version 01..0F; `counter` is the last one accepted."""

    kvn: int
    kic: bytes = field(repr=False)
    kid: bytes = field(repr=False)
    dek: bytes = field(repr=False)
    counter: int = 0

    def to_dict(self) -> dict[str, Any]:
        keys = {name: getattr(self, name).hex().upper() for name in ("kic", "kid", "dek")}
        return {"kvn": self.kvn, **keys, "counter": self.counter}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> KeySet80:
        kic, kid, dek = (bytes.fromhex(stored[name]) for name in ("kic", "kid", "dek"))
        return cls(stored["kvn"], kic, kid, dek, stored.get("counter", 0))


@dataclass(slots=True)
class KeySet81:
    """SCP81 keys of the ISD-R, key version 40..4F: the PSK (key id 01) and the DEK (key id 02)."""

    kvn: int
    psk: bytes = field(repr=False)
    dek: bytes = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {"kvn": self.kvn, "psk": self.psk.hex().upper(), "dek": self.dek.hex().upper()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> KeySet81:
        return cls(stored["kvn"], bytes.fromhex(stored["psk"]), bytes.fromhex(stored["dek"]))


@dataclass(slots=True)
class KeySet03:
    """SCP03 keys of an ISD-P, key version 30..3F; `sequence` is the last sequence counter used."""

    kvn: int
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)
    sequence: int = 0

    def to_dict(self) -> dict[str, Any]:
        keys = {name: getattr(self, name).hex().upper() for name in ("enc", "mac", "dek")}
        return {"kvn": self.kvn, **keys, "sequence": self.sequence}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> KeySet03:
        enc, mac, dek = (bytes.fromhex(stored[name]) for name in ("enc", "mac", "dek"))
        return cls(stored["kvn"], enc, mac, dek, stored["sequence"])
