"""SGP.02 clauses 2.2 and 2.4: one personalised card: identities, keysets, ECASD, bootstrap profile, and its
image.

The image is the JSON that the euicc process loads; it holds every key in clear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from Cryptodome.Cipher import AES

from ferryman_sim import brainpool
from ferryman_sim.card_maker import bootstrap, eid, gp_cert
from ferryman_sim.card_maker.authority import Authority
from ferryman_sim.card_maker.bootstrap import Subscription
from ferryman_sim.card_maker.personality import REFERENCE, Personality
from ferryman_sim.card_maker.seeded import Seed, private_scalar, public_point

ISDR_AID = "A0000005591010FFFFFFFF8900000100"
ECASD_AID = "A0000005591010FFFFFFFF8900000200"
BOOTSTRAP_ISDP_AID = "A0000005591010FFFFFFFF8900001000"
STATE_ENABLED, STATE_DISABLED = 0x3F, 0x1F
LARGEST_SPARES = 15  # with the bootstrap Profile as many as a card holds
SCP80_VERSION = 0x01
SCP81_VERSION = 0x40
ECASD_EXPIRES = date(2053, 12, 31)
ECASD_EXPIRED = date(2024, 1, 31)  # for deliveries that shall be refused
LARGEST_BATCH = 99_999  # cards: five digits of the individual number count the cards of a batch
PROFILE_TYPE = "bootstrap-m2m"
SPARE_TYPE = "spare-m2m"


@dataclass(frozen=True, slots=True)
class Https:
    """Where the card finds its SM-SR over HTTPS (stored connection defaults of the ISD-R).

    poll: seconds between the sessions that the card opens by itself, None for never; poll_uri: their URI, None for
    `uri`.
    """

    host: str
    port: int
    uri: str
    poll: int | None = None
    poll_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Ranges:
    """Leading digits of the numbers given to cards."""

    eid: str = "89033023"  # 89, country 033, issuer 023
    iccid: str = "89882390"
    imsi: str = "99970"  # MCC 999: private networks (E.212)
    msisdn: str = "88239"  # E.164 country code for global networks
    imei: str = "35123456"


@dataclass(frozen=True, slots=True)
class CardPlan:
    """What every card of a batch has in common; memory in bytes.

    spares: how many Profiles stand on the card, disabled, beside the bootstrap Profile.
    curve: of the ECASD's key, as key parameter reference.
    isd_r_tar: where SMS packets to the ISD-R are addressed; its AID has another one when given.
    """

    smsr_address: str
    https: Https | None
    sin: bytes
    sdin: bytes
    nvm: int
    ram: int
    ranges: Ranges
    spares: int = 0
    curve: bytes = gp_cert.CURVE_P256
    isd_r_tar: bytes = b""


@dataclass(frozen=True, slots=True)
class Keyset:
    """A keyset of the ISD-R: version and (index, GlobalPlatform key type, key); `repr` shows no key."""

    version: int
    kind: str
    keys: tuple[tuple[int, int, bytes], ...]
    counter: int | None = None

    def __repr__(self) -> str:
        return f"Keyset(version={self.version:#04x}, kind={self.kind!r})"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Profile that leaves the factory on the card; `repr` shows only its ISD-P."""

    isdp_aid: str
    state: int
    fallback: bool
    subscription: Subscription
    package: bytes

    def __repr__(self) -> str:
        return f"Loaded(isdp_aid={self.isdp_aid!r})"


@dataclass(frozen=True, slots=True)
class Card:
    """One made card; `repr` shows only the EID. The first of `profiles` is the bootstrap Profile."""

    eid: str
    imei: str
    ecasd_certificate: bytes
    ecasd_key: bytes
    ci_point: bytes
    scp80: Keyset
    scp81: Keyset
    profiles: tuple[Loaded, ...]
    plan: CardPlan
    personality: Personality = field(default=REFERENCE)

    @property
    def subscription(self) -> Subscription:
        """The bootstrap subscription."""
        return self.profiles[0].subscription

    def __repr__(self) -> str:
        return f"Card(eid={self.eid!r})"


def kcv(key: bytes) -> bytes:
    """Key check value of an AES key: first 3 bytes of the ciphered block of 01 bytes (GlobalPlatform Amd. D)."""
    return bytes(AES.new(key, AES.MODE_ECB).encrypt(b"\x01" * 16)[:3])


def opc_of(ki: bytes, op: bytes) -> bytes:
    """TS 35.206 4.1: OPc = E_K(OP) xor OP."""
    ciphered = AES.new(ki, AES.MODE_ECB).encrypt(op)
    return bytes(a ^ b for a, b in zip(ciphered, op, strict=True))


@dataclass(frozen=True, slots=True)
class _EcasdKey:
    """SK.ECASD.ECKA as 32 bytes, PK.ECASD.ECKA as a point."""

    private: bytes
    point: bytes

    @classmethod
    def make(cls, seed: Seed, label: str, curve: bytes) -> _EcasdKey:
        """The key pair belonging to `label`."""
        if curve == gp_cert.CURVE_BRAINPOOL:
            wide = int.from_bytes(seed.octets(f"brainpool {label}", 40))
            number = wide % (brainpool.ORDER - 1) + 1
            return cls(number.to_bytes(32), brainpool.public(number))
        key = seed.private_key(label)
        return cls(private_scalar(key), public_point(key))


def make_card(
    seed: Seed,
    number: int,
    plan: CardPlan,
    ci: Authority,
    eum: Authority,
    *,
    certified_eid: str | None = None,
    certified_until: date = ECASD_EXPIRES,
    personality: Personality = REFERENCE,
    spare_enabled: bool = False,
) -> Card:
    """Card `number` (from 1) of the batch; `certified_eid` puts another EID into the ECASD certificate
    (defect), `certified_until` is its last day. `spare_enabled`: the first spare Profile is the enabled one.
    """
    if not 1 <= number <= LARGEST_BATCH:
        raise ValueError(f"card numbers run from 1 to {LARGEST_BATCH}")
    label = f"card {number}"
    card_eid = make_eid(seed, number, plan.ranges)
    key = _EcasdKey.make(seed, f"{label} ecasd", plan.curve)
    certificate = gp_cert.issue(
        gp_cert.Content(
            serial=seed.octets(f"{label} certificate serial", 8),
            authority=eum.identifier,
            subject=bytes.fromhex(certified_eid or card_eid),
            usage=gp_cert.USAGE_KEY_AGREEMENT,
            public_key=key.point,
            expires=certified_until,
            curve=plan.curve,
        ),
        eum.key,
    )
    scp80 = tuple((index, 0x88, seed.octets(f"{label} scp80 {index}", 16)) for index in (1, 2, 3))
    scp81 = tuple((i, kind, seed.octets(f"{label} scp81 {i}", 16)) for i, kind in ((1, 0x85), (2, 0x88)))
    return Card(
        eid=card_eid,
        imei=eid.luhn(plan.ranges.imei + f"{number % 10**6:06d}"),
        ecasd_certificate=certificate,
        ecasd_key=key.private,
        ci_point=public_point(ci.key),
        scp80=Keyset(SCP80_VERSION, "SCP80", scp80, counter=0),
        scp81=Keyset(SCP81_VERSION, "SCP81", scp81),
        profiles=tuple(
            _loaded(seed, number, plan.ranges, place, enabled=place == int(spare_enabled))
            for place in range(1 + plan.spares)
        ),
        plan=plan,
        personality=personality,
    )


def isdp_aid(place: int) -> str:
    """ISD-P of the Profile at a place of the card, 0 for the bootstrap Profile."""
    return f"{BOOTSTRAP_ISDP_AID[:26]}{0x10 + place:04X}00"


def _loaded(seed: Seed, number: int, ranges: Ranges, place: int, *, enabled: bool) -> Loaded:
    subscription = _subscription(seed, number, ranges, place)
    package = bootstrap.package(subscription, SPARE_TYPE if place else PROFILE_TYPE)
    state = STATE_ENABLED if enabled else STATE_DISABLED
    return Loaded(isdp_aid(place), state, place == 0, subscription, package)


def make_eid(seed: Seed, number: int, ranges: Ranges) -> str:
    """The EID of card `number`: platform digits 0, seven digits of the batch and five of the card."""
    return eid.complete(ranges.eid.ljust(18, "0") + seed.digits("batch", 7) + f"{number:05d}")


def _subscription(seed: Seed, number: int, ranges: Ranges, place: int) -> Subscription:
    batch = f"{(int(seed.digits('subscriptions', 5)) + place) % 10**5:05d}"
    label = f"spare {place} {number}" if place else f"bootstrap {number}"
    tail = f"{batch}{number:05d}"
    ki = seed.octets(f"{label} ki", 16)
    return Subscription(
        iccid=eid.luhn(ranges.iccid + tail),
        imsi=ranges.imsi + tail,
        msisdn=ranges.msisdn + tail,
        ki=ki,
        opc=opc_of(ki, seed.octets("bootstrap operator op", 16)),
        sd_keys=(
            seed.octets(f"{label} sd 1", 16),
            seed.octets(f"{label} sd 2", 16),
            seed.octets(f"{label} sd 3", 16),
        ),
        puks=(seed.digits(f"{label} puk1", 8), seed.digits(f"{label} puk2", 8)),
        adm=seed.digits(f"{label} adm", 8),
    )


def agent_id(card_eid: str) -> str:
    """Admin agent identifier of the ISD-R for X-Admin-From (GlobalPlatform Amd. B 3.4)."""
    return f"//se-id/eid/{card_eid};//aa-id/aid/{ISDR_AID[:10]}/{ISDR_AID[10:]}"


def image(card: Card) -> dict[str, Any]:
    """The card image for the euicc process: JSON values, byte strings in upper-case hex. Secret."""
    plan = card.plan
    kic, kid, dek80 = (key.hex().upper() for _, _, key in card.scp80.keys)
    psk, dek81 = (key.hex().upper() for _, _, key in card.scp81.keys)
    https = plan.https and {
        "host": plan.https.host,
        "port": plan.https.port,
        "uri": plan.https.uri,
        "agent_id": agent_id(card.eid),
        "poll": plan.https.poll,
        "poll_uri": plan.https.poll_uri,
    }
    identity = {"sin": plan.sin.hex().upper(), "sdin": plan.sdin.hex().upper()}
    return {
        "eid": card.eid,
        "imei": card.imei,
        "isdr": {
            "aid": ISDR_AID,
            **identity,
            "scp80": [{"kvn": SCP80_VERSION, "kic": kic, "kid": kid, "dek": dek80, "counter": 0}],
            "scp81": [{"kvn": SCP81_VERSION, "psk": psk, "dek": dek81}],
            "smsr_address": plan.smsr_address,
            "https": https,
        },
        "ecasd": {
            "sk": card.ecasd_key.hex().upper(),
            "cert": card.ecasd_certificate.hex().upper(),
            "ci_pk": card.ci_point.hex().upper(),
            **identity,
        },
        "memory": {"nvm": plan.nvm, "ram": plan.ram},
        "profiles": [
            {
                "isdp_aid": loaded.isdp_aid,
                "state": loaded.state,
                "fallback": loaded.fallback,
                "package": loaded.package.hex().upper(),
            }
            for loaded in card.profiles
        ],
        "limits": dict(card.personality.limits),
        "quirks": {**card.personality.quirks, **({"isd_r_tar": plan.isd_r_tar.hex()} if plan.isd_r_tar else {})},
    }
