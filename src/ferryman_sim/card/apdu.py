"""Command APDUs inside scripts (ISO 7816-4; GlobalPlatform Card Specification 11) and their status words."""

from __future__ import annotations

from dataclasses import dataclass

SW_OK = 0x9000
SW_MORE_DATA = 0x6310
SW_WRONG_LENGTH = 0x6700
SW_SECURITY = 0x6982
SW_CONDITIONS = 0x6985
SW_POL1 = 0x69E1
SW_WRONG_DATA = 0x6A80
SW_NO_MEMORY = 0x6A84
SW_WRONG_P1P2 = 0x6A86
SW_NOT_FOUND = 0x6A88
SW_BAD_INS = 0x6D00
SW_BAD_CLA = 0x6E00
SW_KEY_TYPE = 0x9484
SW_KEY_CHECK = 0x9485

INS_INITIALIZE_UPDATE = 0x50
INS_EXTERNAL_AUTHENTICATE = 0x82
INS_GET_DATA = 0xCA
INS_PUT_KEY = 0xD8
INS_STORE_DATA = 0xE2
INS_DELETE = 0xE4
INS_INSTALL = 0xE6
INS_GET_STATUS = 0xF2

CLA_GP = 0x80
CLA_GP_SECURED = 0x84


class CommandError(Exception):
    """The command ends with this status word and changes nothing."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


def is_error(sw: int) -> bool:
    """True for the status words that stop a script: all but normal endings and warnings."""
    return sw >> 8 not in (0x90, 0x91, 0x61, 0x62, 0x63)


@dataclass(frozen=True, slots=True)
class Apdu:
    """A command APDU; an Le byte is accepted and dropped, because expanded scripts return data anyway."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes([self.cla, self.ins, self.p1, self.p2])

    @property
    def p1p2(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2


def read_apdu(encoded: bytes) -> Apdu:
    """Read one short APDU, with or without Le. Raises CommandError(6700) when Lc and the bytes disagree."""
    if len(encoded) < 4:
        raise CommandError(SW_WRONG_LENGTH)
    head, body = encoded[:4], encoded[4:]
    data = b""
    if len(body) > 1:
        data = body[1 : 1 + body[0]]
        if len(data) != body[0] or len(body) > 2 + body[0]:
            raise CommandError(SW_WRONG_LENGTH)
    return Apdu(head[0], head[1], head[2], head[3], data)


_BY_DGI = {
    0x3A01: "StoreCertificate",
    0x3A02: "EstablishKeySet",
    0x3A03: "EnableProfile",
    0x3A04: "DisableProfile",
    0x3A05: "SetFallbackAttribute",
    0x3A06: "UpdatePOL1",
    0x3A07: "UpdateAddressingParameters",
    0x3A08: "HandleNotificationConfirmation",
    0x0070: "StoreIdentity",
}
_BY_HEADER = {
    0xE60C00: "CreateISDP",
    0xE62000: "InstallForPersonalization",
    0xE40000: "FinaliseISDRhandover",
    0xF24002: "GetStatus",
    0xF24003: "GetStatus",
}
_BY_INS = {
    INS_INITIALIZE_UPDATE: "InitializeUpdate",
    INS_EXTERNAL_AUTHENTICATE: "ExternalAuthenticate",
    INS_PUT_KEY: "PutKey",
}


def describe(apdu: Apdu) -> str:
    """The SGP.02 name of a command with its key argument, for the card's log, e.g. `EnableProfile A000..`."""
    data = apdu.data
    if apdu.ins == INS_STORE_DATA and len(data) >= 2:
        name = _BY_DGI.get(int.from_bytes(data[:2]), f"StoreData {data[:2].hex().upper()}")
        if name.endswith("Profile") or name == "SetFallbackAttribute":
            return f"{name} {data[5:21].hex().upper()}"
        if name == "HandleNotificationConfirmation":
            return f"{name} {data[5:7].hex().upper()}"
        return name
    if apdu.ins == INS_DELETE and apdu.p1p2 == 0x0040:
        name = "MasterDelete" if len(data) > 18 else "DeleteProfile"
        return f"{name} {data[2:18].hex().upper()}"
    if apdu.ins == INS_GET_DATA:
        return f"GetData {apdu.p1p2:04X}"
    name = _BY_HEADER.get(apdu.ins << 16 | apdu.p1p2) or _BY_INS.get(apdu.ins, f"INS {apdu.ins:02X}")
    if name == "CreateISDP" and len(data) >= 51:
        return f"{name} {data[35:51].hex().upper()}"
    if name == "InstallForPersonalization":
        return f"{name} {data[3:19].hex().upper()}"
    return name
