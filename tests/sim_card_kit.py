"""The off-card side for tests of the simulated eUICC: SM-SR packets, SM-DP keys and sessions, and card images.

Written apart from the card's own modules: it shares only the primitives of PyCryptodome with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC, SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import DSS

from ferryman_sim.card import Action, Card, SendSMS
from shared_data import shared

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


# --- SCP03 and SCP03t, off-card ------------------------------------------------------------------


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

# --- packages and images --------------------------------------------------------------------------


def package(iccid: str = "89000123456789012341", pol1: int | None = None, connectivity: str = "") -> bytes:
    """A real TS.48 package under another ICCID, with a policy rule and connectivity parameters if wanted."""
    base = shared("data", "ts48", "TS48v1_A_SAIP2.1.der").read_bytes()
    swapped = bytes(int(iccid[i + 1] + iccid[i], 16) for i in range(0, 20, 2))
    base = base.replace(H("98001032547698103214"), swapped).replace(H("89000123456789012341"), H(iccid))
    size = base[2]
    content, rest = base[3 : 3 + size], base[3 + size :]
    extra = b"" if pol1 is None else ber("84", bytes([pol1]))
    split = content.index(H("830A")) + 12
    content = content[:split] + extra + content[split:] + (ber("87", H(connectivity)) if connectivity else b"")
    return ber("A0", content) + rest


def image(*, profiles: Sequence[dict[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    """A factory image with the constants of the reference."""
    made: dict[str, Any] = {
        "eid": EID,
        "imei": "351234567890123",
        "isdr": {
            "aid": ISDR.hex(),
            "sin": "4201",
            "sdin": "45000001",
            "scp80": [{"kvn": 1, "kic": KIC.hex(), "kid": KID.hex(), "dek": DEK.hex(), "counter": 0}],
            "scp81": [{"kvn": 64, "psk": PSK.hex(), "dek": PSK_DEK.hex()}],
            "smsr_address": SERVER,
            "https": {"host": "192.0.2.1", "port": 8090, "uri": "/gsma/adminagent", "agent_id": "agent"},
        },
        "ecasd": {
            "sk": int(ECASD.d).to_bytes(32).hex(),
            "cert": certificate(ECASD, subject=EID, usage="0080").hex(),
            "ci_pk": point(CI).hex(),
            "sin": "4202",
            "sdin": "45000002",
        },
        "memory": {"nvm": 400_000, "ram": 8192},
        "profiles": list(profiles),
        "limits": {},
        "quirks": {},
    }
    return {**made, **changes}


def installed(aid: bytes, made: bytes, state: int = 0x1F, fallback: bool = False) -> dict[str, Any]:
    """A Profile of a factory image."""
    return {"isdp_aid": aid.hex(), "state": state, "fallback": fallback, "package": made.hex()}


def two_profiles(pol1_first: int | None = None, pol1_second: int | None = None) -> list[dict[str, Any]]:
    """An enabled Profile on ISD-P 1 and a disabled one on ISD-P 2 that has the Fall-back Attribute."""
    first = package("89000000000000000011", pol1_first)
    second = package("89000000000000000022", pol1_second)
    return [installed(ISDP1, first, 0x3F), installed(ISDP2, second, 0x1F, fallback=True)]


def entropy_of(*values: bytes) -> Callable[[int], bytes]:
    """Entropy that gives the reference's challenge, or the listed values in turn."""
    queue = list(values)
    return lambda size: queue.pop(0) if queue else RC[:size]


@dataclass
class Bench:
    """A card and the SM-SR's end of its SCP80 channel."""

    card: Card
    counter: int = 0x41
    now: float = 1000.0

    @classmethod
    def of(cls, made: dict[str, Any] | None = None, *, declared: bool = True, **options: Any) -> Bench:
        card = Card.load(made or image(), 0.0, entropy=options.pop("entropy", entropy_of()))
        bench = cls(card)
        if declared:
            card.attached(1.0)
            sequence = bench.pending_sequence()
            if sequence is not None:
                assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
        return bench

    def pending_sequence(self) -> int | None:
        pending = self.card.dump()["run"]["notification"]
        return None if pending is None else pending["sequence"]

    def reload(self, **options: Any) -> None:
        """Power cut: the same memory on a new object."""
        self.card = Card.load(self.card.dump(), self.now, entropy=options.pop("entropy", entropy_of()))

    def packet(
        self,
        data: bytes,
        *,
        tar: bytes = H("000001"),
        spi: str = "1639",
        counter: int | None = None,
        keys: tuple[bytes, bytes] = (KIC, KID),
        kvn: int = 1,
        flip_cc: bool = False,
        pcntr: int | None = None,
    ) -> bytes:
        """A command packet; the next counter unless one is given."""
        if counter is None:
            self.counter += 1
            counter = self.counter
        spi1 = int(spi[:2], 16)
        size = 8 if spi1 & 3 == 2 else 0
        padding = -(6 + size + len(data)) % 16 if spi1 & 4 else 0
        body = data + bytes(padding)
        clear = (14 + size + len(body)).to_bytes(2) + bytes([13 + size]) + H(spi) + bytes([kvn << 4 | 2] * 2) + tar
        head = counter.to_bytes(5) + bytes([padding if pcntr is None else pcntr])
        code = mac(keys[1], clear + head + body)[:8] if size else b""
        if flip_cc:
            code = bytes([code[0] ^ 1]) + code[1:]
        secured = head + code + body
        return clear + (cbc(keys[0], secured) if spi1 & 4 else secured)

    def uds(self, packet: bytes) -> list[bytes]:
        """TP-User-Data of a packet, concatenated when long."""
        if len(packet) <= 137:
            return [H("027000") + packet]
        parts = [packet[:132], *(packet[at : at + 134] for at in range(132, len(packet), 134))]
        total = len(parts)
        first = H("070003") + bytes([self.counter & 0xFF, total, 1]) + H("7000") + parts[0]
        rest = [
            H("050003") + bytes([self.counter & 0xFF, total, 2 + i]) + part for i, part in enumerate(parts[1:])
        ]
        return [first, *rest]

    def send(self, packet: bytes) -> list[Action]:
        """Deliver a packet, and give back what the card wants done."""
        actions: list[Action] = []
        for ud in self.uds(packet):
            actions += self.card.sms_pp(ud, SERVER, self.now)
        return actions

    def open_por(
        self, action: Action, *, keys: tuple[bytes, bytes] = (KIC, KID), tar: bytes = H("000001")
    ) -> tuple[int, int, bytes]:
        """Check and open a protected PoR: (counter, status, data)."""
        assert isinstance(action, SendSMS)
        packet = b"".join(ud[1 + ud[0] :] for ud in action.uds)
        assert b"\x71\x00" in action.uds[0][:8]
        assert int.from_bytes(packet[:2]) == len(packet) - 2
        assert packet[2] == 0x12
        assert packet[3:6] == tar
        plain = uncbc(keys[0], packet[6:])
        head, code, body = plain[:7], plain[7:15], plain[15:]
        assert mac(keys[1], H("027100") + packet[:6] + head + body)[:8] == code
        return int.from_bytes(head[:5]), head[6], body[: len(body) - head[5]]

    def script(self, body: bytes, **options: Any) -> bytes:
        """Run a script by SMS; the PoR must be 00; gives back the response script."""
        actions = self.send(self.packet(body, **options))
        self.after = actions[1:]
        counter, code, data = self.open_por(actions[0], tar=options.get("tar", H("000001")))
        assert (counter, code) == (self.counter, 0)
        return data

    def run(self, *apdus: bytes, chaining: int | None = None, **options: Any) -> list[tuple[bytes, int]]:
        """Run C-APDUs by SMS; gives back (data, SW) of each that was executed."""
        return read_answers(self.script(commands(*apdus, chaining=chaining), **options))

    def https(self, body: bytes, target: bytes | None = ISDR) -> bytes:
        """Run a script in the administration session."""
        result = self.card.https_script(target, body, self.now)
        assert result.status == "ok"
        assert result.body is not None
        return result.body

    def https_run(self, *apdus: bytes, target: bytes | None = ISDR) -> list[tuple[bytes, int]]:
        return read_answers(self.https(commands(*apdus, definite=False), target))

    def establish(self, aid: bytes = ISDP1, crt: bytes | None = None) -> bytes:
        """Key establishment of the reference over HTTPS; gives back the last answer."""
        self.https_run(for_personalization(aid), certificate_command(CERT_DP))
        ((data, sw),) = self.https_run(key_command(crt or key_parameters()))
        assert sw == 0x9000
        return data

    def download(self, made: bytes, aid: bytes = ISDP1, size: int = 1007) -> bytes:
        """A whole download with the reference's keys; gives back the EUICCResponse."""
        host = Host(*REFERENCE_KEYS, aid=aid)
        opened = self.https(b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", aid)
        assert opened == b"\xaf\x80\x84\x20" + host.initialize_answer() + b"\x85\x00\x00\x00"
        for tlv in host.segments(made, size):
            answer = self.https(b"\xae\x80" + tlv + b"\x00\x00", aid)[2:-2]
            if answer != b"\x86\x00":
                break
        return host.read_final(answer)


def split_tlvs(data: bytes) -> list[tuple[int, bytes]]:
    """(one-byte tag, value) of consecutive TLVs."""
    found = []
    while data:
        tag, size, at = data[0], data[1], 2
        if size & 0x80:
            at += size & 0x7F
            size = int.from_bytes(data[2:at])
        found.append((tag, data[at : at + size]))
        data = data[at + size :]
    return found


def read_answers(response: bytes) -> list[tuple[bytes, int]]:
    """R-APDUs of a response script; anything else in it is an error."""
    if response[0] == 0xAF:
        assert response[1] == 0x80
        assert response[-2:] == b"\x00\x00"
        items = split_tlvs(response[2:-2])
    else:
        ((tag, content),) = split_tlvs(response)
        assert tag == 0xAB
        items = split_tlvs(content)
        assert items[0] == (0x80, bytes([len(items) - 1]))
        items = items[1:]
    assert all(tag == 0x23 for tag, _ in items)
    return [(value[:-2], int.from_bytes(value[-2:])) for _, value in items]
