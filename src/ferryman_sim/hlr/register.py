"""3GPP TS 33.102 6.3 and annex C: the home register's state: sequence numbers, vectors, resynchronisation.

Sans-IO: requests and answers are dictionaries (see `HLR`), randomness is given.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferryman_sim.hlr.milenage import Milenage
from ferryman_sim.hlr.subscriptions import Subscription, SubscriptionError, read

IND_BITS = 5  # TS 33.102 C.3.2: SQN = SEQ || IND, the array of a USIM has 2^5 places
SEQ_LIMIT = 1 << (48 - IND_BITS)
DEFAULT_AMF = b"\x80\x00"  # TS 33.102 annex H: separation bit set, as EPS vectors have it


class RequestError(Exception):
    """The request cannot be answered; the text goes back as `error`."""


@dataclass(slots=True)
class _Entry:
    subscription: Subscription
    seq: int = 0
    ind: int = 0
    vectors: int = 0
    resyncs: int = 0
    card: str | None = None
    attaches: int = 0

    def next_sqn(self) -> bytes:
        """Annex C.1.1.1: SEQ and IND both go on by one."""
        self.seq = (self.seq + 1) % SEQ_LIMIT
        self.ind = (self.ind + 1) % (1 << IND_BITS)
        return (self.seq << IND_BITS | self.ind).to_bytes(6, "big")


class Register:
    """Subscriptions by IMSI and MSISDN, and what the network has done with them."""

    def __init__(self, rng: random.Random, amf: bytes = DEFAULT_AMF) -> None:
        self._rng = rng
        self._amf = amf
        self._by_imsi: dict[str, _Entry] = {}
        self._by_msisdn: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._by_imsi)

    def load(self, subscriptions: Iterable[Subscription]) -> int:
        """Add subscriptions; one that is known with the same keys stays as it is. Returns how many are new.

        Raises SubscriptionError when an MSISDN would belong to two IMSIs.
        """
        new = 0
        for subscription in subscriptions:
            owner = self._by_msisdn.get(subscription.msisdn, subscription.imsi)
            if subscription.msisdn and owner != subscription.imsi:
                raise SubscriptionError(f"MSISDN {subscription.msisdn} belongs to IMSI {owner} already")
            known = self._by_imsi.get(subscription.imsi)
            if known is not None and known.subscription == subscription:
                continue
            if known is not None:
                self._by_msisdn.pop(known.subscription.msisdn, None)
            self._by_imsi[subscription.imsi] = _Entry(subscription)
            if subscription.msisdn:
                self._by_msisdn[subscription.msisdn] = subscription.imsi
            new += known is None
        return new

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; `{"error": text}` when it cannot be answered."""
        handlers = {
            "auth-info": self._auth_info,
            "subscriber": self._subscriber,
            "msisdn": self._msisdn,
            "attached": self._attached,
            "detached": self._detached,
            "status": self._status,
            "load": self._load,
        }
        handler = handlers.get(str(request.get("op")))
        if handler is None:
            return {"error": f"unknown op {request.get('op')}"}
        try:
            return handler(request)
        except (RequestError, SubscriptionError) as error:
            return {"error": str(error)}

    def _entry(self, request: dict[str, Any]) -> _Entry:
        entry = self._by_imsi.get(str(request.get("imsi")))
        if entry is None:
            raise RequestError("unknown subscriber")
        return entry

    def _auth_info(self, request: dict[str, Any]) -> dict[str, Any]:
        entry = self._entry(request)
        algorithm = Milenage(entry.subscription.ki, entry.subscription.opc)
        if "auts" in request:
            self._resynchronise(entry, algorithm, request)
        rand = self._rng.randbytes(16)
        autn = algorithm.autn(rand, entry.next_sqn(), self._amf)
        entry.vectors += 1
        return {"rand": rand.hex(), "autn": autn.hex(), "xres": algorithm.res(rand).hex()}

    def _resynchronise(self, entry: _Entry, algorithm: Milenage, request: dict[str, Any]) -> None:
        """TS 33.102 6.3.5: the card's SQN becomes ours when MAC-S holds."""
        try:
            rand, auts = bytes.fromhex(request["rand"]), bytes.fromhex(request["auts"])
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("auts comes with rand, both hexadecimal") from error
        if len(rand) != 16:
            raise RequestError("rand has not 16 bytes")
        sqn = algorithm.sqn_of_auts(rand, auts)
        if sqn is None:
            raise RequestError("auts does not verify")
        entry.seq = int.from_bytes(sqn, "big") >> IND_BITS
        entry.resyncs += 1

    def _subscriber(self, request: dict[str, Any]) -> dict[str, Any]:
        entry = self._entry(request)
        return {"msisdn": entry.subscription.msisdn, "iccid": entry.subscription.iccid, "card": entry.card}

    def _msisdn(self, request: dict[str, Any]) -> dict[str, Any]:
        imsi = self._by_msisdn.get(str(request.get("msisdn")).removeprefix("+"))
        if imsi is None:
            raise RequestError("unknown subscriber")
        return {"imsi": imsi}

    def _attached(self, request: dict[str, Any]) -> dict[str, Any]:
        entry = self._entry(request)
        entry.card = str(request.get("card"))
        entry.attaches += 1
        return {"msisdn": entry.subscription.msisdn}

    def _detached(self, request: dict[str, Any]) -> dict[str, Any]:
        entry = self._entry(request)
        # A late report of the former card does not detach the one that has taken its place.
        if entry.card == str(request.get("card")):
            entry.card = None
        return {}

    def _status(self, request: dict[str, Any]) -> dict[str, Any]:
        """One subscriber when `imsi` is given, else all that the network has ever asked about."""
        if "imsi" in request:
            chosen = [self._entry(request)]
        else:
            chosen = [entry for entry in self._by_imsi.values() if entry.vectors or entry.attaches]
        return {"subscribers": len(self), "attached": [_shown(entry) for entry in chosen]}

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            text = Path(str(request.get("path"))).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"cannot read the list: {error}") from error
        return {"new": self.load(read(text)), "subscribers": len(self)}


def _shown(entry: _Entry) -> dict[str, Any]:
    subscription = entry.subscription
    return {
        "imsi": subscription.imsi,
        "msisdn": subscription.msisdn,
        "iccid": subscription.iccid,
        "card": entry.card,
        "vectors": entry.vectors,
        "resyncs": entry.resyncs,
        "attaches": entry.attaches,
    }
