"""Card images, and the SM-SR's end of a simulated eUICC's channels, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman_sim.card import Action, Card, OpenHTTPS, SendSMS
from shared_data import shared
from sim_card_host import REFERENCE_KEYS, Host
from sim_card_wire import (
    CERT_DP,
    CI,
    DEK,
    ECASD,
    EID,
    ISDP1,
    ISDP2,
    ISDR,
    KIC,
    KID,
    PSK,
    PSK_DEK,
    RC,
    SERVER,
    H,
    ber,
    cbc,
    certificate,
    certificate_command,
    commands,
    confirm,
    for_personalization,
    key_command,
    key_parameters,
    mac,
    point,
    uncbc,
)


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
            actions = card.attached(1.0)
            sequence = bench.pending_sequence()
            if sequence is not None:
                assert [sw for _, sw in bench.run(confirm(sequence))] == [0x9000]
            if any(isinstance(action, OpenHTTPS) for action in actions):
                card.https_closed(1.0, completed=True)
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
