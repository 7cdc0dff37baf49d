"""Everything the eUICC keeps in non-volatile memory (SGP.02 2.2, 2.4; GlobalPlatform Card Specification 5).

Two forms can be loaded: a factory image, made by the card maker, and the card's own dump. Both are JSON
objects with byte strings in hexadecimal. `memory` in an image is the memory for Profiles in bytes, those of
the image included.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ferryman_sim.card.addressing import ISD_R_AID
from ferryman_sim.card.keysets import KeySet03, KeySet80, KeySet81
from ferryman_sim.profile import Profile, install

DUMP_FORMAT = 1
"""Version of the dump; another one is refused instead of guessed at."""

INSTALLED, SELECTABLE, PERSONALIZED, DISABLED, ENABLED = 0x03, 0x07, 0x0F, 0x1F, 0x3F

POL1_NO_DISABLE, POL1_NO_DELETE, POL1_DELETE_WHEN_DISABLED = 0x01, 0x02, 0x04
POL1_KNOWN = POL1_NO_DISABLE | POL1_NO_DELETE | POL1_DELETE_WHEN_DISABLED


class BadImage(ValueError):
    """The image or dump does not describe a card."""


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex().upper()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


@dataclass(slots=True)
class Isdp:
    """One ISD-P: its life cycle, keys and, once installed, its Profile.

    used, quota: bytes of memory. mno_counters: last SCP80 counter of each key version of the Profile's
    MNO-SD.
    """

    aid: bytes
    state: int = SELECTABLE
    fallback: bool = False
    quota: int = 0
    volatile_quota: int = 0
    used: int = 0
    keysets: list[KeySet03] = field(default_factory=list)
    token_key: bytes | None = field(default=None, repr=False)
    sin: bytes = b""
    sdin: bytes = b""
    provider: bytes = b""
    profile: Profile | None = None
    pol1: int = 0
    connectivity: bytes | None = None
    mno_counters: dict[int, int] = field(default_factory=dict)

    @property
    def reserved(self) -> int:
        """Bytes of non-volatile memory this ISD-P takes from the card: its quota, or what its Profile uses."""
        return max(self.quota, self.used)

    def to_dict(self) -> dict[str, Any]:
        plain = ("state", "fallback", "quota", "volatile_quota", "used", "pol1")
        coded = ("aid", "token_key", "sin", "sdin", "provider", "connectivity")
        return {
            **{name: getattr(self, name) for name in plain},
            **{name: _hex(getattr(self, name)) for name in coded},
            "keysets": [keyset.to_dict() for keyset in self.keysets],
            "mno_counters": {str(kvn): counter for kvn, counter in self.mno_counters.items()},
            "profile": None if self.profile is None else self.profile.to_dict(),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Isdp:
        coded = {name: bytes.fromhex(stored[name]) for name in ("aid", "sin", "sdin", "provider")}
        profile = stored["profile"]
        return cls(
            aid=coded["aid"],
            state=stored["state"],
            fallback=stored["fallback"],
            quota=stored["quota"],
            volatile_quota=stored["volatile_quota"],
            used=stored["used"],
            keysets=[KeySet03.from_dict(item) for item in stored["keysets"]],
            token_key=_bytes(stored["token_key"]),
            sin=coded["sin"],
            sdin=coded["sdin"],
            provider=coded["provider"],
            profile=None if profile is None else Profile.from_dict(profile),
            pol1=stored["pol1"],
            connectivity=_bytes(stored["connectivity"]),
            mno_counters={int(kvn): counter for kvn, counter in stored["mno_counters"].items()},
        )


@dataclass(slots=True)
class HTTPSConfig:
    """Stored defaults of the administration session. `address` is what to dial when it is not the host
    itself.

    retries, retry_delay (seconds): retry policy, None for that of the card. poll: seconds between the sessions
    that the card opens by itself (pull mode), None for a card that waits for a trigger; poll_uri: their first
    URI, None for `uri`.
    """

    host: str
    port: int
    uri: str
    agent_id: str
    address: str | None = None
    retries: int | None = None
    retry_delay: int | None = None
    poll: int | None = None
    poll_uri: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> HTTPSConfig:
        return cls(**{name: stored[name] for name in cls.__slots__ if name in stored})


@dataclass(slots=True)
class Change:
    """A change of the enabled Profile in progress.

    kind: "change" (by command), "rollback" or "fallback". phase: "attaching", "waiting" or "confirming".
    previous: the ISD-P to go back to. deadline: when attaching is given up, seconds of the caller's clock;
    None until the refresh.
    """

    kind: str
    target: bytes
    previous: bytes | None
    phase: str = "attaching"
    deadline: float | None = None

    def to_dict(self) -> dict[str, Any]:
        coded = {"target": _hex(self.target), "previous": _hex(self.previous)}
        return {"kind": self.kind, "phase": self.phase, **coded}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Change:
        target = bytes.fromhex(stored["target"])
        return cls(stored["kind"], target, _bytes(stored["previous"]), stored["phase"])


@dataclass(slots=True)
class Notification:
    """A notification that the server has not confirmed; `next_at` None means: send at the next attach."""

    kind: int
    aid: bytes
    sequence: int
    attempts: int = 0
    next_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "aid": _hex(self.aid),
            "sequence": self.sequence,
            "attempts": self.attempts,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Notification:
        aid = bytes.fromhex(stored["aid"])
        return cls(stored["kind"], aid, stored["sequence"], stored["attempts"])


@dataclass(slots=True)
class Ecasd:
    """The controlling authority's domain: the card's own key, its certificate and the CI's public key."""

    private: bytes = field(repr=False)
    certificate: bytes
    ci_point: bytes
    sin: bytes
    sdin: bytes

    def to_dict(self) -> dict[str, Any]:
        names = {"sk": "private", "cert": "certificate", "ci_pk": "ci_point", "sin": "sin", "sdin": "sdin"}
        return {key: _hex(getattr(self, name)) for key, name in names.items()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Ecasd:
        return cls(*(bytes.fromhex(stored[name]) for name in ("sk", "cert", "ci_pk", "sin", "sdin")))


@dataclass(slots=True)
class State:
    """The whole card."""

    eid: str
    imei: str
    sin: bytes
    sdin: bytes
    scp80: list[KeySet80]
    scp81: list[KeySet81]
    smsr_address: str
    https: HTTPSConfig | None
    ecasd: Ecasd
    nvm: int
    ram: int
    isdps: list[Isdp]
    limits: dict[str, Any]
    quirks: dict[str, Any]
    applications: list[bytes]
    active_kvn: int
    next_sequence: int = 1
    declared: bool = False
    change: Change | None = None
    notification: Notification | None = None
    fallback_lock: bytes | None = None
    sms_reference: int = 0
    cattp: bytes | None = None
    chain: dict[str, Any] | None = None
    log: list[dict[str, Any]] = field(default_factory=list)

    def isdp(self, aid: bytes) -> Isdp | None:
        """The ISD-P with this AID."""
        return next((item for item in self.isdps if item.aid == aid), None)

    def enabled(self) -> Isdp | None:
        """The ISD-P in state ENABLED; there is never more than one."""
        return next((item for item in self.isdps if item.state == ENABLED), None)

    def fallback(self) -> Isdp | None:
        """The ISD-P with the Fall-back Attribute."""
        return next((item for item in self.isdps if item.fallback), None)

    def keyset80(self, kvn: int) -> KeySet80 | None:
        """SCP80 key set by version."""
        return next((item for item in self.scp80 if item.kvn == kvn), None)

    def keyset81(self, kvn: int | None) -> KeySet81 | None:
        """SCP81 key set by version; None asks for the newest."""
        if kvn is None:
            return self.scp81[-1] if self.scp81 else None
        return next((item for item in self.scp81 if item.kvn == kvn), None)

    def key_versions(self) -> set[int]:
        """Versions of all key sets of the ISD-R."""
        return {item.kvn for item in self.scp80} | {item.kvn for item in self.scp81}

    def free_nvm(self) -> int:
        """Bytes of non-volatile memory not granted to any ISD-P."""
        return max(0, self.nvm - sum(item.reserved for item in self.isdps))

    def free_ram(self) -> int:
        """Bytes of volatile memory not granted to any ISD-P."""
        return max(0, self.ram - sum(item.volatile_quota for item in self.isdps))

    def to_dict(self) -> dict[str, Any]:
        """The dump."""
        return {
            "format": DUMP_FORMAT,
            "eid": self.eid,
            "imei": self.imei,
            "isdr": {
                "aid": _hex(ISD_R_AID),
                "sin": _hex(self.sin),
                "sdin": _hex(self.sdin),
                "scp80": [item.to_dict() for item in self.scp80],
                "scp81": [item.to_dict() for item in self.scp81],
                "smsr_address": self.smsr_address,
                "https": None if self.https is None else self.https.to_dict(),
                "cattp": _hex(self.cattp),
            },
            "ecasd": self.ecasd.to_dict(),
            "memory": {"nvm": self.nvm, "ram": self.ram},
            "isdps": [item.to_dict() for item in self.isdps],
            "limits": dict(self.limits),
            "quirks": dict(self.quirks),
            "applications": [_hex(aid) for aid in self.applications],
            "run": {
                "active_kvn": self.active_kvn,
                "next_sequence": self.next_sequence,
                "declared": self.declared,
                "change": None if self.change is None else self.change.to_dict(),
                "notification": None if self.notification is None else self.notification.to_dict(),
                "fallback_lock": _hex(self.fallback_lock),
                "sms_reference": self.sms_reference,
                "chain": self.chain,
            },
            "log": list(self.log),
        }


def load_state(stored: dict[str, Any]) -> State:
    """Build the state from a factory image or a dump. Raises BadImage."""
    try:
        state = _load_common(stored)
        if "format" in stored:
            if stored["format"] != DUMP_FORMAT:
                raise BadImage("dump of another version")
            _load_run(state, stored)
        else:
            state.isdps = [_from_factory(state, item) for item in stored.get("profiles", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise BadImage(f"card image: {error}") from error
    if sum(item.state == ENABLED for item in state.isdps) > 1 or sum(i.fallback for i in state.isdps) > 1:
        raise BadImage("more than one enabled or fall-back Profile")
    return state


def _load_common(stored: dict[str, Any]) -> State:
    isdr, https = stored["isdr"], stored["isdr"].get("https")
    scp80 = [KeySet80.from_dict(item) for item in isdr["scp80"]]
    if len(stored["eid"]) != 32 or not stored["eid"].isdigit():
        raise BadImage("EID is not 32 digits")
    if bytes.fromhex(isdr["aid"]) != ISD_R_AID:
        raise BadImage("ISD-R AID is not that of the standard")
    return State(
        eid=stored["eid"],
        imei=stored.get("imei", ""),
        sin=bytes.fromhex(isdr["sin"]),
        sdin=bytes.fromhex(isdr["sdin"]),
        scp80=scp80,
        scp81=[KeySet81.from_dict(item) for item in isdr["scp81"]],
        smsr_address=isdr["smsr_address"],
        https=None if https is None else HTTPSConfig.from_dict(https),
        ecasd=Ecasd.from_dict(stored["ecasd"]),
        nvm=stored["memory"]["nvm"],
        ram=stored["memory"]["ram"],
        isdps=[],
        limits=dict(stored.get("limits", {})),
        quirks=dict(stored.get("quirks", {})),
        applications=[bytes.fromhex(aid) for aid in stored.get("applications", [])],
        active_kvn=scp80[0].kvn if scp80 else 0,
        cattp=_bytes(isdr.get("cattp")),
    )


def _load_run(state: State, stored: dict[str, Any]) -> None:
    run = stored["run"]
    state.isdps = [Isdp.from_dict(item) for item in stored["isdps"]]
    for name in ("active_kvn", "next_sequence", "declared", "sms_reference", "chain"):
        setattr(state, name, run[name])
    state.change = None if run["change"] is None else Change.from_dict(run["change"])
    notification = run["notification"]
    state.notification = None if notification is None else Notification.from_dict(notification)
    state.fallback_lock = _bytes(run["fallback_lock"])
    state.log = list(stored["log"])


def _from_factory(state: State, item: dict[str, Any]) -> Isdp:
    """Install a Profile of the factory image the way a download would."""
    package = bytes.fromhex(item["package"])
    outcome = install(package, free_memory=state.nvm, limits=state.limits.get("profile"))
    if outcome.profile is None:
        raise BadImage(f"Profile of the image does not install: {outcome.response.hex()}")
    return Isdp(
        aid=bytes.fromhex(item["isdp_aid"]),
        state=item["state"],
        fallback=item.get("fallback", False),
        used=outcome.memory,
        profile=outcome.profile,
        pol1=outcome.profile.pol1,
        connectivity=outcome.profile.connectivity,
    )
