"""The simulated eUICC without I/O: `Card`, the actions it wants done, and its fault switches."""

from __future__ import annotations

from ferryman_sim.card.actions import (
    Action,
    DeliverReport,
    HTTPSResult,
    OpenHTTPS,
    PowerCut,
    Refresh,
    SendSMS,
)
from ferryman_sim.card.card import Card
from ferryman_sim.card.state import BadImage

__all__ = [
    "Action",
    "BadImage",
    "Card",
    "DeliverReport",
    "HTTPSResult",
    "OpenHTTPS",
    "PowerCut",
    "Refresh",
    "SendSMS",
]
