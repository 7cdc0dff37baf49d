"""A card whose enabled Profile has known keys in its MNO-SD, for tests of ES6."""

from __future__ import annotations

from typing import Any

from ferryman_sim.card import Card
from sim_card_host import REFERENCE_KEYS
from sim_card_kit import Bench, image, two_profiles
from sim_card_wire import H

OPERATOR = (REFERENCE_KEYS[0], REFERENCE_KEYS[1])
TAR = H("B20100")


def with_operator_keys(**changes: Any) -> Bench:
    """Key version 2 of the MNO-SD holds the keys `OPERATOR`; POL1 of the enabled Profile is 05."""
    dump = Bench.of(image(profiles=two_profiles(pol1_first=5), **changes)).card.dump()
    for item in dump["isdps"]:
        for row in item["profile"]["domains"][0]["keys"]:
            if row[0] == 2 and row[1] in (1, 2):
                row[3] = OPERATOR[row[1] - 1].hex()
    return Bench(Card.load(dump, 0.0), counter=0x100)
