"""What a command is, read from its script: the function it belongs to, and whether it only asks (ES5, ES8)."""

from __future__ import annotations

from ferryman.codec import tlv
from ferryman.codec.apdu import CommandAPDU
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures.delivery import Command

C_APDU = 0x22
ASKING = frozenset((0xF2, 0xCA))  # GET STATUS, GET DATA: they change nothing
FUNCTIONS = {  # by INS and, for STORE DATA, DGI (sgp02-euicc.md 3)
    (0xE6, 0): "CreateISDP",
    (0xE4, 0): "DeleteProfile",
    (0xF2, 0): "eUICCCapabilityAudit",
    (0xCA, 0): "eUICCCapabilityAudit",
    (0xE2, 0x3A01): "EstablishISDPKeySet",
    (0xE2, 0x3A02): "EstablishISDPKeySet",
    (0xE2, 0x3A03): "EnableProfile",
    (0xE2, 0x3A04): "DisableProfile",
    (0xE2, 0x3A05): "SetFallbackAttribute",
    (0xE2, 0x3A07): "UpdateParameters",
    (0xE2, 0x3A08): "HandleNotificationConfirmation",
    (0xD8, 0): "PutKey",
}
# Functions after which the card keeps something for the next command (SGP.02 4.1.3, annex K).
CONVERSATIONS = frozenset({"EstablishISDPKeySet", "DownloadAndInstallation", "SendData"})
P1_INSTALL = 0x0C  # INSTALL [for install and make selectable] makes an ISD-P; [for personalization] names one


def describe(command: Command) -> tuple[str, bool]:
    """The function (ES5, ES8) that a script belongs to, and whether it only asks; read from its first C-APDU."""
    apdus = [_apdu(item) for item in command.tlvs]
    only_asks = all(found is not None and found.ins in ASKING for found in apdus)
    first = apdus[0] if apdus else None
    if first is None:
        return "DownloadAndInstallation", False  # SCP03t
    if first.ins == 0xE6 and first.p1 != P1_INSTALL:
        return "EstablishISDPKeySet", False
    dgi = int.from_bytes(first.data[:2]) if first.ins == 0xE2 else 0
    return FUNCTIONS.get((first.ins, dgi), "SendData"), only_asks


def _apdu(item: bytes) -> CommandAPDU | None:
    if item[:1] != bytes((C_APDU,)):
        return None
    try:
        return CommandAPDU.parse(tlv.parse_one(item, C_APDU).value)
    except PeerError:
        return None


def asks(command: Command) -> bool:
    """Whether it changes nothing on the card, so that it may run twice."""
    return describe(command)[1]
