"""Ciphers and checks of SCP80 by the nibbles of KIc and KID (ETSI TS 102 225 5.1.2, 5.1.3; TS 31.115)."""

from __future__ import annotations

import binascii
from functools import lru_cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from ferryman.codec.ota_packet import CLAUSE, Check
from ferryman.errors import PeerError
from ferryman.secure.card_key import AES_KEY_BYTES, CardKey

# Key bytes, or the kept cipher objects of an AES key, or nothing for a packet that does not use it.
type Key = bytes | CardKey | None

_DES_CBC, _AES_CBC, _TDES2_CBC, _TDES3_CBC, _DES_ECB = 0x1, 0x2, 0x5, 0x9, 0xD
_CIPHER_NIBBLES = frozenset((_DES_CBC, _AES_CBC, _TDES2_CBC, _TDES3_CBC, _DES_ECB))
_MAC_NIBBLES = frozenset((_DES_CBC, _AES_CBC, _TDES2_CBC, _TDES3_CBC))
_DES_KEY_BYTES = {_DES_CBC: 8, _DES_ECB: 8, _TDES2_CBC: 16, _TDES3_CBC: 24}
_CRC16, _CRC32 = 0x1, 0x5
AES_CHECK_BYTES = (4, 8)
AES_ONLY = frozenset((_AES_CBC,))
_DES_BLOCK, _AES_BLOCK = 8, 16
_CC = Check.CC  # a name of its own: every packet compares with it
_AES_ZERO_IV = CBC(bytes(_AES_BLOCK))  # holds no state; made once because every packet needs it


def _nibble(octet: int, known: frozenset[int], field: str) -> int:
    nibble = octet & 0x0F
    if nibble not in known:
        raise PeerError(f"algorithm {nibble:X} is not supported", field=field, clause=CLAUSE)
    return nibble


def _key(key: Key, nibble: int, what: str) -> bytes:
    if not isinstance(key, bytes):
        if key is None:
            raise ValueError(f"{what} key needed")
        raise ValueError(f"{what} key kept for AES does not fit algorithm {nibble:X}")
    if nibble == _AES_CBC:
        fits = len(key) in AES_KEY_BYTES
    else:
        fits = len(key) == _DES_KEY_BYTES[nibble]
    if not fits:
        raise ValueError(f"{what} key of {len(key)} bytes does not fit algorithm {nibble:X}")
    return key


def require(octet: int, key: Key, allowed: frozenset[int] | None, field: str) -> None:
    """PeerError when a received packet names an algorithm that is not `allowed` (None: any) or not that of `key`.

    The sender chooses the octet: without this a packet could have an AES key used as a DES key.
    """
    nibble = _nibble(octet, _CIPHER_NIBBLES if allowed is None else allowed, field)
    if nibble == _AES_CBC and isinstance(key, CardKey):
        return
    try:
        _key(key, nibble, "packet")
    except ValueError:
        raise PeerError("no key for this algorithm", field=field, clause=CLAUSE) from None


def _algorithm(key: bytes, nibble: int) -> AES | TripleDES:
    if nibble == _AES_CBC:
        return AES(key)
    # Single DES is 3DES with three equal keys, two-key 3DES uses the first key again.
    return TripleDES((key * 3)[:24] if len(key) < 24 else key)


def block_bytes(kic: int) -> int:
    """Block size of the cipher that `kic` names; PeerError for an algorithm this server does not speak."""
    return _AES_BLOCK if _nibble(kic, _CIPHER_NIBBLES, "KIc") == _AES_CBC else _DES_BLOCK


def _cipher(kic: int, key: Key) -> Cipher[CBC | ECB]:
    if kic & 0x0F == _AES_CBC and isinstance(key, bytes) and len(key) in AES_KEY_BYTES:
        return Cipher(AES(key), _AES_ZERO_IV)
    nibble = _nibble(kic, _CIPHER_NIBBLES, "KIc")
    checked = _key(key, nibble, "ciphering")
    mode: CBC | ECB = ECB() if nibble == _DES_ECB else CBC(bytes(_DES_BLOCK))  # noqa: S305
    return Cipher(_algorithm(checked, nibble), mode)


def encrypt(kic: int, key: Key, data: bytes) -> bytes:
    """Cipher whole blocks with IV zero; ValueError for anything else."""
    if isinstance(key, CardKey) and kic & 0x0F == _AES_CBC:
        return key.encrypt(data)
    if len(data) % block_bytes(kic):
        raise ValueError(f"{len(data)} bytes are no whole blocks")
    # Whole blocks come out at once: without padding, finalize has nothing left to give.
    encrypted: bytes = _cipher(kic, key).encryptor().update(data)
    return encrypted


def decrypt(kic: int, key: Key, data: bytes) -> bytes:
    """Decipher; PeerError when `data` is no whole number of blocks."""
    aes = kic & 0x0F == _AES_CBC
    if len(data) % (_AES_BLOCK if aes else block_bytes(kic)):
        raise PeerError("ciphered part is no whole number of blocks", field="data", clause=CLAUSE)
    if aes and isinstance(key, CardKey):
        return key.decrypt(data)
    # As above.
    clear: bytes = _cipher(kic, key).decryptor().update(data)
    return clear


@lru_cache(maxsize=256)
def check_bytes(check: Check, kid: int, cc_length: int) -> int:
    """Length of the check value; `cc_length` (4 or 8) counts for AES, DES has 8, CRC 2 or 4."""
    if check is Check.NONE:
        return 0
    if check is Check.RC:
        return 2 if _nibble(kid, frozenset((_CRC16, _CRC32)), "KID") == _CRC16 else 4
    if check is Check.DS:
        raise PeerError("digital signatures are not supported", field="SPI", clause=CLAUSE)
    if _nibble(kid, _MAC_NIBBLES, "KID") != _AES_CBC:
        return 8
    if cc_length not in AES_CHECK_BYTES:
        raise ValueError(f"checksum of {cc_length} bytes")
    return cc_length


def check_value(check: Check, kid: int, key: Key, data: bytes, size: int) -> bytes:
    """The check over `data`: AES-CMAC, (3)DES MAC, CRC16 or CRC32, `size` bytes of it (`check_bytes`)."""
    nibble = kid & 0x0F
    if check is _CC and nibble == _AES_CBC:
        if isinstance(key, CardKey):
            return key.checksum(data)[:size]
        cmac = CMAC(AES(_key(key, nibble, "checksum")))
        cmac.update(data)
        return cmac.finalize()[:size]
    if check is Check.NONE:
        return b""
    if check is Check.RC:
        return _crc16(data) if size == 2 else binascii.crc32(data).to_bytes(4)
    checked = _key(key, nibble, "checksum")
    # Zero bytes fill the last block for the computation only (outer CBC, last block is the check).
    padded = data + bytes(-len(data) % _DES_BLOCK)
    encryptor = Cipher(_algorithm(checked, nibble), CBC(bytes(_DES_BLOCK))).encryptor()
    return (encryptor.update(padded) + encryptor.finalize())[-_DES_BLOCK:]


def _crc16(data: bytes) -> bytes:
    # CRC of X.25: the reflected form of polynomial 1021, preset and inverted; big-endian in the packet.
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2)
