"""Primitives, keys and commands of the off-card side for tests of the simulated eUICC.

Written apart from the card's own modules: it shares only the primitives of PyCryptodome with them.
"""

from __future__ import annotations

import hashlib

from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC, SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import DSS

H = bytes.fromhex
EID = "89049032123456789012345678901203"
ISDR = H("A0000005591010FFFFFFFF8900000100")
ISDP1 = H("A0000005591010FFFFFFFF8900001000")
ISDP2 = H("A0000005591010FFFFFFFF8900001100")
ISDP3 = H("A0000005591010FFFFFFFF8900001200")
KIC, KID, DEK = bytes(range(0x10, 0x20)), bytes(range(0x20, 0x30)), bytes(range(0x30, 0x40))
PSK, PSK_DEK = bytes(range(0x70, 0x80)), bytes(range(0x80, 0x90))
SERVER = "+33612345678"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RC = bytes(range(0xA0, 0xB0))


def private(name: str) -> ECC.EccKey:
    """The P-256 key of the reference: SHA-256 of its name."""
    return ECC.construct(curve="P-256", d=int.from_bytes(hashlib.sha256(name.encode()).digest()) % ORDER)


def point(key: ECC.EccKey) -> bytes:
    """Uncompressed public point."""
    return b"\x04" + int(key.pointQ.x).to_bytes(32) + int(key.pointQ.y).to_bytes(32)


CI, SM_DP, SM_SR = private("sgp02-ref CI"), private("sgp02-ref SM-DP"), private("sgp02-ref SM-SR")
ECASD, EPH_DP, EPH_SR = (private(f"sgp02-ref {name}") for name in ("ECASD ECKA", "eph DP", "eph SR"))


def ber(tag: str, *values: bytes) -> bytes:
    """One TLV."""
    value = b"".join(values)
    size = (
        bytes([len(value)])
        if len(value) < 128
        else (b"\x81" + bytes([len(value)]) if len(value) < 256 else b"\x82" + len(value).to_bytes(2))
    )
    return H(tag) + size + value


def sign(key: ECC.EccKey, data: bytes) -> bytes:
    """ECDSA with RFC 6979 nonce, r || s."""
    return DSS.new(key, "deterministic-rfc6979").sign(SHA256.new(data))


def mac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC."""
    return CMAC.new(key, msg=data, ciphermod=AES).digest()


def cbc(key: bytes, data: bytes, iv: bytes = bytes(16)) -> bytes:
    """AES-CBC encryption."""
    return AES.new(key, AES.MODE_CBC, iv=iv).encrypt(data)


def uncbc(key: bytes, data: bytes, iv: bytes = bytes(16)) -> bytes:
    """AES-CBC decryption."""
    return AES.new(key, AES.MODE_CBC, iv=iv).decrypt(data)


def certificate(
    key: ECC.EccKey,
    *,
    role: int = 1,
    subject: str = "534D445001",
    serial: str = "0102030405",
    usage: str = "88",
    signer: ECC.EccKey = CI,
    public: bytes | None = None,
) -> bytes:
    """A 7F21 certificate of the reference."""
    aki = hashlib.sha1(point(CI)).digest()
    fields = ber("93", H(serial)) + ber("42", H("0A0B0C0D")) + ber("5F20", H(subject)) + ber("95", H(usage))
    fields += ber("5F25", H("20240101")) + ber("5F24", H("20391231"))
    fields += ber("73", ber("C8", bytes([role])), ber("C9", aki))
    fields += ber("7F49", ber("B0", public or point(key)), ber("F0", b"\x00"))
    return ber("7F21", fields, ber("5F37", sign(signer, fields)))


CERT_DP = certificate(SM_DP)
CERT_SR = certificate(SM_SR, role=2, subject="534D535201", serial="0102030406")

# --- commands -------------------------------------------------------------------------------------


def store(dgi: str, value: bytes, p1p2: str = "8800") -> bytes:
    """STORE DATA with one DGI."""
    body = H(dgi) + bytes([len(value)]) + value
    return H("80E2" + p1p2) + bytes([len(body)]) + body + b"\x00"


def create(aid: bytes, quota: int = 0, *, privileges: str = "80C000", c9: str = "C90481020370") -> bytes:
    """CreateISDP."""
    prefix = H("10A0000005591010FFFFFFFF8900000D0010A0000005591010FFFFFFFF8900000E00")
    parameters = H(c9) + (ber("EF", ber("83", quota.to_bytes(4))) if quota else b"")
    body = prefix + bytes([len(aid)]) + aid + b"\x03" + H(privileges)
    body += bytes([len(parameters)]) + parameters + b"\x00"
    return H("80E60C00") + bytes([len(body)]) + body + b"\x00"


def enable(aid: bytes) -> bytes:
    return store("3A03", ber("4F", aid))


def disable(aid: bytes) -> bytes:
    return store("3A04", ber("4F", aid))


def set_fallback(aid: bytes) -> bytes:
    return store("3A05", ber("4F", aid))


def confirm(sequence: int) -> bytes:
    return store("3A08", ber("4E", sequence.to_bytes(2)), "8900")


def delete(aid: bytes) -> bytes:
    return H("80E4004012") + ber("4F", aid) + b"\x00"


def status(aid: bytes = b"", tags: str = "4F9F7053") -> bytes:
    body = ber("4F", aid) + ber("5C", H(tags))
    return H("80F24002") + bytes([len(body)]) + body + b"\x00"


def for_personalization(aid: bytes) -> bytes:
    return H("80E62000160000") + b"\x10" + aid + H("00000000")


def certificate_command(cert: bytes) -> bytes:
    return store("3A01", cert, "0900")


def key_parameters(kvn: int = 0x30, options: int = 0x09, *, extra: bytes = b"", scenario: int = 3) -> bytes:
    """The A6 template."""
    return ber(
        "A6",
        ber("90", bytes([scenario, options])),
        H("950110800188810110820101"),
        ber("83", bytes([kvn])),
        H("9100"),
        extra,
    )


def key_command(
    crt: bytes,
    signer: ECC.EccKey = SM_DP,
    ephemeral: bytes | None = None,
    challenge: bytes = RC,
    signature: bytes | None = None,
) -> bytes:
    """The second STORE DATA."""
    ephemeral = point(EPH_DP) if ephemeral is None else ephemeral
    head = b"\x3a\x02" + bytes([len(crt)]) + crt + ber("7F49", ephemeral)
    signature = (
        sign(signer, head + b"\x00\x85" + bytes([len(challenge)]) + challenge) if signature is None else signature
    )
    body = head + ber("5F37", signature)
    return H("80E28901") + bytes([len(body)]) + body + b"\x00"


def commands(*apdus: bytes, definite: bool = True, chaining: int | None = None) -> bytes:
    """A command script of C-APDUs."""
    content = b"" if chaining is None else bytes([0x83, 1, chaining])
    content += b"".join(ber("22", apdu) for apdu in apdus)
    return ber("AA", content) if definite else b"\xae\x80" + content + b"\x00\x00"
