"""Fault switches of a device: its own, and those it passes on to its card (see `ferryman_sim.card.core`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

CARD_COUNTS = ("lost_answer", "wrong_receipt", "drop_confirmations", "drop_dialogue", "no_memory")
CARD_FLAGS = ("no_network_after_enable",)
CARD_NAMES = (*CARD_COUNTS, *CARD_FLAGS, "imei", "power_cut")
DEVICE_COUNTS = ("drop_mt", "drop_mo", "refuse_https")


class FaultError(ValueError):
    """No such fault, or not that value for it."""


@dataclass(slots=True)
class DeviceFaults:
    """`drop_mt`, `drop_mo`: so many short messages vanish in the device; `refuse_https`: so many sessions
    fail to open; `break_after_scripts`: each session's link breaks after so many scripts (1 or more, null: never);
    `no_network_for`: ICCIDs. `struck` counts, by name, what they did.
    """

    drop_mt: int = 0
    drop_mo: int = 0
    refuse_https: int = 0
    break_after_scripts: int | None = None
    no_network_for: set[str] = field(default_factory=set)
    struck: Counter[str] = field(default_factory=Counter)

    def strike(self, name: str) -> bool:
        """Whether the counted fault `name` strikes now."""
        left: int = getattr(self, name)
        if left <= 0:
            return False
        setattr(self, name, left - 1)
        self.struck[name] += 1
        return True

    def shown(self) -> dict[str, Any]:
        """For status answers."""
        return {
            "drop_mt": self.drop_mt,
            "drop_mo": self.drop_mo,
            "refuse_https": self.refuse_https,
            "break_after_scripts": self.break_after_scripts,
            "no_network_for": sorted(self.no_network_for),
        }


def apply(switches: dict[str, Any], device: DeviceFaults, card: dict[str, Any]) -> None:
    """Set the named faults; null takes one away. Raises FaultError and sets nothing when one makes no sense."""
    for name, value in switches.items():
        _check(name, value)
    for name, value in switches.items():
        if name in DEVICE_COUNTS:
            setattr(device, name, value or 0)
        elif name == "break_after_scripts":
            device.break_after_scripts = value
        elif name == "no_network_for":
            device.no_network_for = set(value or ())
        elif value is None:
            card.pop(name, None)
        else:
            card[name] = value


def _check(name: str, value: Any) -> None:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    fits = {
        **dict.fromkeys(DEVICE_COUNTS, count),
        # Not 0: a link that breaks at the server's first word would be no fault that a session survives.
        "break_after_scripts": count and value > 0,
        **dict.fromkeys(CARD_COUNTS, count or value is True),
        **dict.fromkeys(CARD_FLAGS, isinstance(value, bool)),
        "no_network_for": isinstance(value, list) and all(isinstance(item, str) for item in value),
        "imei": isinstance(value, str) and value.isdigit(),
        "power_cut": count or isinstance(value, str),
    }
    if name not in fits:
        raise FaultError(f"no such fault: {name}")
    if value is not None and not fits[name]:
        raise FaultError(f"no value for {name}: {value!r}")
