"""The SM-DP's end of SCP03 and SCP03t for tests of the simulated eUICC (GlobalPlatform Amendment D)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from Cryptodome.Cipher import AES

from sim_card_wire import ISDP1, H, ber, cbc, mac, uncbc


def kdf(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    """SCP03 derivation, one block."""
    return mac(key, bytes(11) + bytes([constant, 0]) + bits.to_bytes(2) + b"\x01" + context)[: bits // 8]


@dataclass
class Host:
    """The SM-DP's end of an SCP03 session; predicts the card's challenge."""

    enc: bytes
    mac: bytes
    dek: bytes
    aid: bytes = ISDP1
    kvn: int = 0x30
    sequence: int = 1
    challenge: bytes = H("1122334455667788")
    chain: bytes = field(default=bytes(16), init=False)
    counter: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.card_challenge = kdf(self.enc, 2, 64, self.sequence.to_bytes(3) + self.aid)
        context = self.challenge + self.card_challenge
        self.s_enc, self.s_mac, self.s_rmac = (
            kdf(key, constant, 128, context) for key, constant in ((self.enc, 4), (self.mac, 6), (self.mac, 7))
        )
        self.card_cryptogram = kdf(self.s_mac, 0, 64, context)
        self.cryptogram = kdf(self.s_mac, 1, 64, context)

    def initialize_answer(self) -> bytes:
        head = bytes(10) + bytes([self.kvn, 3, 0x70])
        return head + self.card_challenge + self.card_cryptogram + self.sequence.to_bytes(3)

    def _chain(self, data: bytes) -> bytes:
        self.chain = mac(self.s_mac, self.chain + data)
        return self.chain[:8]

    def initialize_tlv(self) -> bytes:
        return b"\x84\x0a" + bytes([self.kvn, 0]) + self.challenge

    def authenticate_tlv(self) -> bytes:
        head = b"\x85\x11\x33" + self.cryptogram
        return head + self._chain(head)

    def _icv(self, first: int = 0) -> bytes:
        block = bytes([first]) + self.counter.to_bytes(15)
        return AES.new(self.s_enc, AES.MODE_ECB).encrypt(block)

    def _encrypt(self, plain: bytes) -> bytes:
        self.counter += 1
        return cbc(self.s_enc, plain + b"\x80" + bytes(-(len(plain) + 1) % 16), self._icv())

    def segment(self, plain: bytes) -> bytes:
        ciphered = self._encrypt(plain)
        head = ber("86", bytes(len(ciphered) + 8))[: -(len(ciphered) + 8)]
        return head + ciphered + self._chain(head + ciphered)

    def segments(self, package: bytes, size: int = 1007) -> Iterator[bytes]:
        """One after the other, so that the session stands where the card stopped."""
        return (self.segment(package[at : at + size]) for at in range(0, len(package), size))

    def read_final(self, answer: bytes) -> bytes:
        """Check the R-MAC of the last 86 and decipher it."""
        assert answer[0] == 0x86
        ciphered, code = answer[2:-8], answer[-8:]
        assert mac(self.s_rmac, self.chain + answer[:2] + ciphered)[:8] == code
        return uncbc(self.s_enc, ciphered, self._icv(0x80)).rstrip(b"\x00")[:-1]

    def initialize_apdu(self) -> bytes:
        return H("8050") + bytes([self.kvn]) + H("0008") + self.challenge + b"\x00"

    def authenticate_apdu(self) -> bytes:
        head = H("8482330010") + self.cryptogram
        return head + self._chain(head)

    def wrap(self, apdu: str, data: bytes) -> bytes:
        ciphered = self._encrypt(data)
        head = H(apdu) + bytes([len(ciphered) + 8])
        return head + ciphered + self._chain(head + ciphered)

    def read_answer(self, data: bytes) -> bytes:
        ciphered, code = data[:-8], data[-8:]
        assert mac(self.s_rmac, self.chain + ciphered + b"\x90\x00")[:8] == code
        return uncbc(self.s_enc, ciphered, self._icv(0x80)).rstrip(b"\x00")[:-1] if ciphered else b""


REFERENCE_KEYS = (
    H("54987D05DB14E28ED09EDB948EC684B4"),
    H("562DC75017C379F40FA654171AF0421D"),
    H("09A50DE516060B4B352DC9ED0B547023"),
)
"""ENC, MAC, DEK of the reference's key establishment example."""
