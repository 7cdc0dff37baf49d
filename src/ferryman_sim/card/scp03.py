"""SCP03 on the ISD-P: session keys, cryptograms and secured APDUs (GlobalPlatform Amendment D, option i =
70).

The same session carries SCP03t (module `scp03t`). Level 33 only: C-MAC, C-ENC, R-MAC and R-ENC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ferryman_sim.card import crypto

OPTION_I = 0x70
"""Pseudo-random card challenge, R-MAC and R-ENC supported."""

SECURITY_LEVEL = 0x33

CHALLENGE = 8
"""Bytes of host challenge, card challenge and cryptograms."""

_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _CARD_CHALLENGE = 0x00, 0x01, 0x02
_S_ENC, _S_MAC, _S_RMAC = 0x04, 0x06, 0x07


class SecurityFailed(Exception):
    """A cryptogram, MAC or padding is wrong: the session has to end."""


def pad(data: bytes) -> bytes:
    """ISO 7816-4 padding to whole AES blocks, at least one byte."""
    return data + b"\x80" + bytes(-(len(data) + 1) % crypto.BLOCK)


def unpad(data: bytes) -> bytes:
    """Take ISO 7816-4 padding off. Raises SecurityFailed."""
    stripped = data.rstrip(b"\x00")
    if not stripped.endswith(b"\x80") or len(data) - len(stripped) >= crypto.BLOCK:
        raise SecurityFailed("padding")
    return stripped[:-1]


@dataclass(slots=True)
class Session:
    """One SCP03 session after INITIALIZE UPDATE; `authenticated` once the host has proved itself."""

    kvn: int
    s_enc: bytes = field(repr=False)
    s_mac: bytes = field(repr=False)
    s_rmac: bytes = field(repr=False)
    host_cryptogram: bytes = field(repr=False)
    chain: bytes = field(default=bytes(crypto.BLOCK), repr=False)
    counter: int = 0
    authenticated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For a card state that has to keep a script chain over a reset."""
        keys = {name: getattr(self, name).hex() for name in ("s_enc", "s_mac", "s_rmac", "host_cryptogram")}
        return {
            **keys,
            "kvn": self.kvn,
            "chain": self.chain.hex(),
            "counter": self.counter,
            "authenticated": self.authenticated,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Session:
        """Inverse of `to_dict`."""
        names = ("s_enc", "s_mac", "s_rmac", "host_cryptogram", "chain")
        keys = {name: bytes.fromhex(stored[name]) for name in names}
        return cls(stored["kvn"], **keys, counter=stored["counter"], authenticated=stored["authenticated"])

    def icv(self, *, response: bool) -> bytes:
        """ICV of the current command (counter) or of its response (counter with first byte 80)."""
        block = bytearray(self.counter.to_bytes(crypto.BLOCK))
        if response:
            block[0] = 0x80
        return crypto.ecb_block(self.s_enc, bytes(block))

    def check_mac(self, covered: bytes, mac: bytes) -> None:
        """Verify a C-MAC over the chain and `covered`, and move the chain on. Raises SecurityFailed."""
        full = crypto.cmac(self.s_mac, self.chain + covered)
        if not crypto.same(full[: crypto.SHORT_MAC], mac):
            raise SecurityFailed("C-MAC")
        self.chain = full

    def response_mac(self, covered: bytes) -> bytes:
        """R-MAC, 8 bytes, over the chain of the last command and `covered`."""
        return crypto.cmac(self.s_rmac, self.chain + covered)[: crypto.SHORT_MAC]

    def authenticate(self, covered_head: bytes, cryptogram: bytes, mac: bytes) -> None:
        """EXTERNAL AUTHENTICATE: `covered_head` is what the C-MAC covers before the cryptogram."""
        if not crypto.same(cryptogram, self.host_cryptogram):
            raise SecurityFailed("host cryptogram")
        self.check_mac(covered_head + cryptogram, mac)
        self.authenticated = True

    def decipher(self, ciphertext: bytes) -> bytes:
        """Take the C-ENC of the current command off. Raises SecurityFailed."""
        if not ciphertext or len(ciphertext) % crypto.BLOCK:
            raise SecurityFailed("ciphered data is not whole blocks")
        return unpad(crypto.cbc_decrypt(self.s_enc, self.icv(response=False), ciphertext))

    def encipher_answer(self, data: bytes) -> bytes:
        """R-ENC of the answer to the current command; `data` is not empty."""
        return crypto.cbc_encrypt(self.s_enc, self.icv(response=True), pad(data))

    def unwrap(self, header: bytes, body: bytes) -> bytes:
        """One secured command: `header` CLA INS P1 P2, `body` the command data; returns the plain data."""
        self.counter += 1
        if len(body) < crypto.SHORT_MAC:
            raise SecurityFailed("no C-MAC")
        ciphertext, mac = body[: -crypto.SHORT_MAC], body[-crypto.SHORT_MAC :]
        self.check_mac(header + bytes([len(body)]) + ciphertext, mac)
        return self.decipher(ciphertext) if ciphertext else b""

    def wrap(self, data: bytes, sw: int) -> bytes:
        """The data field of a successful response: ciphered data if any, then R-MAC."""
        ciphered = self.encipher_answer(data) if data else b""
        return ciphered + self.response_mac(ciphered + sw.to_bytes(2))


def card_challenge(enc_key: bytes, sequence: int, aid: bytes) -> bytes:
    """The pseudo-random card challenge of option i = 70."""
    return crypto.scp03_derive(enc_key, _CARD_CHALLENGE, 64, sequence.to_bytes(3) + aid)


def initialize(
    enc_key: bytes, mac_key: bytes, kvn: int, sequence: int, aid: bytes, host_challenge: bytes
) -> tuple[Session, bytes]:
    """INITIALIZE UPDATE: returns the new session and the 32 bytes of the answer.

    The answer is diversification data (10 zero bytes), KVN, 03, i, card challenge, card cryptogram and the
    3-byte sequence counter.
    """
    challenge = card_challenge(enc_key, sequence, aid)
    session, cryptogram = derive(enc_key, mac_key, kvn, host_challenge, challenge)
    head = bytes(10) + bytes([kvn, 0x03, OPTION_I])
    return session, head + challenge + cryptogram + sequence.to_bytes(3)


def derive(
    enc_key: bytes, mac_key: bytes, kvn: int, host_challenge: bytes, challenge: bytes
) -> tuple[Session, bytes]:
    """Session keys and cryptograms of the two challenges: returns the session and the card cryptogram."""
    context = host_challenge + challenge
    s_mac = crypto.scp03_derive(mac_key, _S_MAC, len(mac_key) * 8, context)
    session = Session(
        kvn=kvn,
        s_enc=crypto.scp03_derive(enc_key, _S_ENC, len(enc_key) * 8, context),
        s_mac=s_mac,
        s_rmac=crypto.scp03_derive(mac_key, _S_RMAC, len(mac_key) * 8, context),
        host_cryptogram=crypto.scp03_derive(s_mac, _HOST_CRYPTOGRAM, 64, context),
    )
    return session, crypto.scp03_derive(s_mac, _CARD_CRYPTOGRAM, 64, context)
