"""What is known of a kind of eUICC, and of one card that differs: SGP.02 leaves it to the EUM (pure).

An eUICC type is a maker (Eum-id), a PlatformType and a PlatformVersion; the last two may be empty and then stand
for all of them. It gives values to fields of `Effective`; what it does not name comes from the next wider type,
then from the settings of the SM-SR. A card may differ from its type in every field. Procedures and channel read
only the result, so a new quirk is one field here and one place that obeys it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ferryman.errors import InputError
from ferryman.sm_sr.settings import HTTPS, SMS, TRANSPORTS, SRSettings, check_spi

DISABLE_FIRST = "disable-first"
REFUSE = "refuse"
APPROVED, NOT_APPROVED = "approved", "not-approved"
NAMES_ENABLED, NAMES_FAILED = "enabled", "failed"
KEPT, DELETED = "kept", "deleted"

MAX_SCRIPT = 32_000  # octets: no script of a card is longer
MIN_SCRIPT = 64  # octets: a single command must fit
MAX_SECONDS = 30 * 86_400.0  # s: no wait for a card is longer than the longest validity period
MAX_ATTEMPTS = 100
TAR_BYTES = 3
SW_BYTES = 2
SW_ERROR = 6  # first half-octet of a status word that refuses (ISO 7816-4)
MIN_SEGMENT = 16  # as the SM-DP's own setting
MAX_SEGMENT = 1007  # plain octets of an SCP03t TLV of 1,020: no card takes more than 1,024


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """What the code obeys for one card. Times in seconds, sizes in octets.

    `transports` in order of preference; `spi` of commands in hexadecimal; `delete_enabled` whether DeleteProfile
    of an Enabled profile disables it first or is refused; `check_sequence` whether older notifications are
    refused; `script_limit` command TLVs in one script; `segment` plain octets in one SCP03t TLV, told to the
    SM-DP; `roll_back_names` whether a notification of type 03 names the profile that is enabled after it or the
    one that failed; `nothing_pending_sw` the status word, in hexadecimal, of a confirmation when no notification
    is pending: it alone proves that the card is where it will stay; `finalise_lists` whether the key sets that
    FinaliseISDRhandover lists are kept, and all others deleted, or are those to delete; `compact` whether the card
    takes compact scripts over SMS (TS 102 226 5.1) beside expanded ones; `isdr_tar` the TAR of the ISD-R, in
    hexadecimal, of cards whose EIS tells another one than they have (empty: as the EIS says).
    """

    transports: tuple[str, ...] = (HTTPS,)
    spi: str = "1639"
    sms_answer_timeout: float = 30.0
    sms_attempts: int = 4
    https_session_timeout: float = 60.0
    https_answer_timeout: float = 90.0
    trigger_attempts: int = 4
    script_limit: int = 1100
    segment: int = MAX_SEGMENT
    check_sequence: bool = True
    change_timeout: float = 600.0
    delete_enabled: str = DISABLE_FIRST
    approval: str = APPROVED
    roll_back_names: str = NAMES_ENABLED
    nothing_pending_sw: str = "6985"
    finalise_lists: str = KEPT
    compact: bool = False
    isdr_tar: str = ""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def transport(self) -> str:
        """The one that commands go by."""
        return self.transports[0]

    @property
    def approved(self) -> bool:
        """Whether new profiles may be put on cards of this type."""
        return self.approval == APPROVED

    @property
    def nothing_pending(self) -> int:
        """`nothing_pending_sw` as a number."""
        return int(self.nothing_pending_sw, 16)


FIELDS = frozenset(Effective.__struct_fields__)


class TypeKey(msgspec.Struct, frozen=True):
    """Maker, platform and version; an empty platform or version stands for every one."""

    eum_id: str
    platform_type: str = ""
    platform_version: str = ""

    def widening(self) -> tuple[TypeKey, ...]:
        """The types that a card of this one inherits from, the widest first."""
        wider = [TypeKey(self.eum_id)]
        if self.platform_type:
            wider.append(TypeKey(self.eum_id, self.platform_type))
        if self.platform_type and self.platform_version:
            wider.append(self)
        return tuple(wider)


def default(settings: SRSettings) -> Effective:
    """What holds where no type and no card says otherwise."""
    return Effective(
        transports=(settings.transport,),
        spi=settings.spi,
        sms_answer_timeout=settings.sms_answer_timeout,
        sms_attempts=settings.sms_attempts,
        https_session_timeout=settings.https_session_timeout,
        https_answer_timeout=settings.https_answer_timeout,
        trigger_attempts=settings.trigger_attempts,
        script_limit=settings.script_limit,
        check_sequence=settings.check_sequence,
        change_timeout=settings.change_timeout,
        delete_enabled=settings.delete_enabled,
    )


def effective(
    settings: SRSettings, layers: Iterable[Mapping[str, Any]] = (), *, https_possible: bool = True
) -> Effective:
    """The settings, then each layer (types from the widest on, then the card); the last that names a field wins.

    `https_possible` False (the card has no SCP81 key set): what is left goes by SMS. Raises InputError when a
    layer names an unknown field or a value that cannot be.
    """
    result = default(settings)
    for layer in layers:
        result = merged(result, layer)
    if not https_possible:
        others = tuple(name for name in result.transports if name == SMS)
        result = msgspec.structs.replace(result, transports=others or (SMS,))
    return result


def merged(base: Effective, layer: Mapping[str, Any]) -> Effective:
    """`base` with the fields that `layer` names; raises InputError."""
    for name in layer:
        if name not in FIELDS:
            raise InputError(name, f"is nothing that an eUICC type says; there are {', '.join(sorted(FIELDS))}")
    if not layer:
        return base
    try:
        return msgspec.convert({**msgspec.structs.asdict(base), **layer}, Effective)
    except msgspec.ValidationError as problem:
        raise InputError("eUICC type", str(problem).replace("$.", "")) from None


def _check(value: Effective) -> None:
    if not value.transports or any(name not in TRANSPORTS for name in value.transports):
        raise InputError("transports", f"must be some of {', '.join(TRANSPORTS)}")
    if len(set(value.transports)) < len(value.transports):
        raise InputError("transports", "must not name one twice")
    check_spi("spi", value.spi)
    if value.isdr_tar and len(_octets(value.isdr_tar)) != TAR_BYTES:
        raise InputError("isdr_tar", "must be three octets in hexadecimal, or empty")
    refusal = _octets(value.nothing_pending_sw)
    if len(refusal) != SW_BYTES or refusal[0] >> 4 != SW_ERROR:
        raise InputError("nothing_pending_sw", "must be a status word 6xxx in hexadecimal")
    if value.roll_back_names not in (NAMES_ENABLED, NAMES_FAILED):
        raise InputError("roll_back_names", f"must be {NAMES_ENABLED} or {NAMES_FAILED}")
    if value.finalise_lists not in (KEPT, DELETED):
        raise InputError("finalise_lists", f"must be {KEPT} or {DELETED}")
    if value.delete_enabled not in (DISABLE_FIRST, REFUSE):
        raise InputError("delete_enabled", f"must be {DISABLE_FIRST} or {REFUSE}")
    if value.approval not in (APPROVED, NOT_APPROVED):
        raise InputError("approval", f"must be {APPROVED} or {NOT_APPROVED}")
    if not MIN_SCRIPT <= value.script_limit <= MAX_SCRIPT:
        raise InputError("script_limit", f"must be {MIN_SCRIPT} to {MAX_SCRIPT} octets")
    if not MIN_SEGMENT <= value.segment <= MAX_SEGMENT:
        raise InputError("segment", f"must be {MIN_SEGMENT} to {MAX_SEGMENT} octets")
    for name in ("sms_attempts", "trigger_attempts"):
        if not 1 <= getattr(value, name) <= MAX_ATTEMPTS:
            raise InputError(name, f"must be 1 to {MAX_ATTEMPTS}")
    for name in ("sms_answer_timeout", "https_session_timeout", "https_answer_timeout", "change_timeout"):
        if not 0 < getattr(value, name) <= MAX_SECONDS:
            raise InputError(name, f"must be more than 0 and at most {MAX_SECONDS:.0f} seconds")


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
