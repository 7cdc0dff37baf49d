"""A production run: authorities, cards, EIS delivery and the files that leave the card maker.

Files of the output folder: `ci.pem`, `eum.pem`, `eis.xml`, `batch.json` are public; `ci-key.pem`,
`eum-key.pem`, `transport-key.hex`, `subscriptions.csv` and `cards/EID.json` hold secrets and are readable by
their owner only.
"""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from lxml import etree

from ferryman_sim.card_maker import eis, x509
from ferryman_sim.card_maker.authority import EUM_EXPIRED, Authority, make_ci, make_eum
from ferryman_sim.card_maker.cards import ECASD_EXPIRED, ECASD_EXPIRES, Card, CardPlan, image, make_card, make_eid
from ferryman_sim.card_maker.defects import Defect, after_signing, before_signing
from ferryman_sim.card_maker.personality import REFERENCE, Personality
from ferryman_sim.card_maker.seeded import Seed

SECRET_MODE = 0o600
CSV_COLUMNS = ("ICCID", "IMSI", "MSISDN", "KI", "OPC", "KIC", "KID", "KIK")


@dataclass(frozen=True, slots=True)
class Order:
    """What to make. `defects` and `personalities` map card numbers (from 1) to what is special about them;
    on cards of `spare_enabled` the first spare Profile is the enabled one.
    """

    seed: Seed
    ci_seed: Seed
    count: int
    ci_id: str
    eum_id: str
    cards: CardPlan
    eis: eis.EisPlan
    defects: dict[int, Defect] = field(default_factory=dict)
    personalities: dict[int, Personality] = field(default_factory=dict)
    spare_enabled: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Batch:
    """What was made; `delivery` is the EIS file."""

    ci: Authority
    eum: Authority
    transport_key: bytes
    cards: tuple[Card, ...]
    delivery: bytes

    def __repr__(self) -> str:
        return f"Batch(cards={len(self.cards)})"


def produce(order: Order) -> Batch:
    """Make the batch: the same order gives the same bytes."""
    ci = make_ci(order.ci_seed, order.ci_id)
    eum = make_eum(order.seed, order.eum_id, ci)
    transport_key = order.seed.octets("transport key", 16)
    cards: list[Card] = []
    requests: list[etree._Element] = []
    for number in range(1, order.count + 1):
        card, message = _one(order, number, ci, eum, transport_key)
        cards.append(card)
        requests.append(message)
    return Batch(ci, eum, transport_key, tuple(cards), eis.delivery(requests))


def _one(
    order: Order, number: int, ci: Authority, eum: Authority, transport_key: bytes
) -> tuple[Card, etree._Element]:
    defect = order.defects.get(number)
    certifier, shown = eum, eum
    if defect is Defect.ECASD_NOT_UNDER_EUM:
        certifier = replace(eum, key=order.seed.private_key("stranger"))
    elif defect is Defect.EUM_NOT_UNDER_CI:
        stranger = replace(ci, key=order.seed.private_key("stranger"))
        shown = make_eum(order.seed, order.eum_id, stranger)
    elif defect is Defect.EUM_EXPIRED:
        shown = make_eum(order.seed, order.eum_id, ci, not_after=EUM_EXPIRED)
    certified = make_eid(order.seed, number + 1, order.cards.ranges) if defect is Defect.ECASD_OTHER_EID else None
    card = make_card(
        order.seed,
        number,
        order.cards,
        ci,
        certifier,
        certified_eid=certified,
        certified_until=ECASD_EXPIRED if defect is Defect.ECASD_EXPIRED else ECASD_EXPIRES,
        personality=order.personalities.get(number, REFERENCE),
        spare_enabled=number in order.spare_enabled,
    )
    message = eis.request(
        card, order.eis, shown, transport_key, f"eis-{order.seed.digits('batch', 7)}-{number:05d}"
    )
    if defect:
        before_signing(message, defect)
    etree.indent(message)
    eis.sign(message, shown)
    if defect:
        after_signing(message, defect, shown)
    return card, message


def subscriptions_csv(cards: tuple[Card, ...]) -> str:
    """The subscriptions on the cards, for the HLR and for the operator's OTA (keys of the MNO-SD). Secret."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for s in (loaded.subscription for card in cards for loaded in card.profiles):
        keys = (s.ki, s.opc, *s.sd_keys)
        writer.writerow((s.iccid, s.imsi, s.msisdn, *(key.hex().upper() for key in keys)))
    return out.getvalue()


def summary(batch: Batch) -> str:
    """Public facts of the batch as JSON: identities of the cards and of the authorities."""
    cards = [
        {
            "eid": card.eid,
            "imei": card.imei,
            "iccid": card.subscription.iccid,
            "imsi": card.subscription.imsi,
            "msisdn": card.subscription.msisdn,
            "personality": card.personality.name,
            "spares": [loaded.subscription.iccid for loaded in card.profiles[1:]],
        }
        for card in batch.cards
    ]
    ci = {"oid": batch.ci.oid, "identifier": batch.ci.identifier.hex().upper()}
    eum = {"oid": batch.eum.oid, "identifier": batch.eum.identifier.hex().upper()}
    return json.dumps({"ci": ci, "eum": eum, "cards": cards}, indent=1)


def write_file(path: Path, content: bytes | str, secret: bool = False) -> None:
    """Write a file; a secret one is never readable by others, not even for a moment."""
    data = content.encode() if isinstance(content, str) else content
    mode = SECRET_MODE if secret else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(data)


def write(batch: Batch, folder: Path) -> None:
    """Write all files of the batch below `folder` (made when missing)."""
    cards = folder / "cards"
    cards.mkdir(parents=True, exist_ok=True)
    write_file(folder / "ci.pem", x509.pem("CERTIFICATE", batch.ci.certificate))
    write_file(folder / "eum.pem", x509.pem("CERTIFICATE", batch.eum.certificate))
    write_file(folder / "ci-key.pem", x509.private_key_pem(batch.ci.key), secret=True)
    write_file(folder / "eum-key.pem", x509.private_key_pem(batch.eum.key), secret=True)
    write_file(folder / "transport-key.hex", batch.transport_key.hex().upper() + "\n", secret=True)
    write_file(folder / "subscriptions.csv", subscriptions_csv(batch.cards), secret=True)
    write_file(folder / "eis.xml", batch.delivery)
    write_file(folder / "batch.json", summary(batch))
    for card in batch.cards:
        write_file(cards / f"{card.eid}.json", json.dumps(image(card), indent=1), secret=True)
