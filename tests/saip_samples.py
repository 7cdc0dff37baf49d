"""Packages for the tests of the profile codec and factory: the published TS.48 ones and a sample subscription."""

from __future__ import annotations

from ferryman.profile.slots import derive_public, derive_secret
from shared_data import shared

TS48_NAMES = (
    "TS48v1_A_SAIP2.1",
    "TS48v2_SAIP2.3_BERTLV",
    "TS48v3_SAIP2.1_BERTLV",
    "TS48v4_SAIP2.1B_NoBERTLV",
    "TS48v5_SAIP2.3_BERTLV_SUCI",
    "TS48v6_SAIP2.3_NoBERTLV",
    "TS48v7_SAIP2.3_BERTLV_SUCI",
    "TS48v7_SAIP2.3_NoBERTLV_NoRAMRFM",
)

ICCID = "8999010000000000185"
IMSI = "001019876543210"
MSISDN = "+99912345678"
KI = bytes.fromhex("0F1571C947D9E8590CB7ADD6AF7F6798")
OPC = bytes.fromhex("A1B2C3D4E5F60718293A4B5C6D7E8F90")
KIC = bytes.fromhex("11223344556677881122334455667701")
KID = bytes.fromhex("11223344556677881122334455667702")
KIK = bytes.fromhex("11223344556677881122334455667703")


def ts48(name: str) -> bytes:
    """One of the published packages."""
    return shared("data", "ts48", f"{name}.der").read_bytes()


def sample_values() -> dict[str, bytes]:
    """Values for every slot a template may have."""
    secret = derive_secret(
        ki=KI,
        opc=OPC,
        pin1="1234",
        puk1="10203040",
        pin2="5678",
        puk2="50607080",
        adm1="0123456789ABCDEF",
        kic=KIC,
        kid=KID,
        kik=KIK,
    )
    return derive_public(ICCID, IMSI, MSISDN) | secret
