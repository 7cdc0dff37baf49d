"""A recorded real card as the two transports of an installation: our scripts go in, its recorded answers come out.

The bytes between card and transport are HTTP as our own codec makes and reads it; what the SM-SR sees are the
messages that the transport would have sent.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ferryman.cli.wiring import VAULT_KEY, Configuration, Installation
from ferryman.codec import ids, tlv
from ferryman.contracts import es5
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, SM_DP, SM_SR, TRANSPORT_HTTPS, TRANSPORT_SMS
from ferryman.contracts.routes import ROLES
from ferryman.crypto_server.keys_at_rest import key_ref
from ferryman.crypto_server.vault import Vault, open_key_file
from ferryman.platform.clock import LoopClock
from ferryman.platform.store import SQLiteStore
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr import eis_store
from ferryman.sm_sr.records import DISABLED, ENABLED, EUICC, ISDP, SRSettings
from ferryman.transport_https.es5_words import response_of
from ferryman.transport_https.framing import HTTPExchange
from psk_peer import Answer, read_answer
from shared_data import shared, vectors

H = bytes.fromhex
EID = "89001012012341234012345678901224"
MSISDN = "8613800000001"
INSTALLED_ICCID = "8986011061110809622"
OTHER = "1.3.6.1.4.1.99999.77"  # owner and SM-DP of what the card had before
REAL_ISDP = ids.isdp_aid(0x13)
SCP80_KEY = H("11223344556677889910111213141516")
SPI = "1601"  # the recorded server's: checksum and ciphering of commands, proof of receipt without security
SIGNATURE = 64  # octets at the end of the second STORE DATA of a key establishment
START = 1_795_000_000.0


@dataclass(frozen=True)
class Recorded:
    """One session: requests of the card as HTTP, command TLVs and response TLVs of each script."""

    first: bytes
    commands: tuple[tuple[bytes, ...], ...]
    answers: tuple[tuple[bytes, ...], ...]
    posts: tuple[bytes, ...]
    responses: tuple[Answer, ...]

    @property
    def command_tlvs(self) -> list[bytes]:
        return [item for script in self.commands for item in script]


def recorded(name: str) -> Recorded:
    """A session of the reference vectors."""
    shared("reference", "vectors", "sgp02_session.json")
    (found,) = [vector for vector in vectors("sgp02_session") if vector["id"] == name]
    steps, expected = found["input"]["steps"], found["expected"]["steps"]
    wire = [H(step["http"]) for step in steps]
    tlvs = [tuple(H(item) for item in step.get("tlvs", ())) for step in expected]
    return Recorded(
        first=wire[0],
        commands=tuple(tlvs[1::2]),
        answers=tuple(tlvs[2::2]),
        posts=tuple(wire[2::2]),
        responses=tuple(read_answer(octets) for octets in wire[1::2]),
    )


def one(name: str, identifier: str) -> dict[str, Any]:
    """One vector by its id."""
    shared("reference", "vectors", f"{name}.json")
    (found,) = [vector for vector in vectors(name) if vector["id"] == identifier]
    return found


def without_le(item: bytes) -> bytes:
    """A `22` TLV without the optional Le of its C-APDU; any other TLV as it is."""
    found, _ = tlv.read(item, 0)
    apdu = found.value
    if found.tag != 0x22 or len(apdu) != 6 + apdu[4] or apdu[-1] != 0:
        return item
    return tlv.encode(0x22, apdu[:-1])


def same_but_signature(ours: bytes, theirs: bytes) -> bool:
    """Equal but for Le, and for an ECDSA signature (its nonce is free) at the end of a STORE DATA."""
    ours, theirs = without_le(ours), without_le(theirs)
    if ours == theirs:
        return True
    at = len(theirs) - SIGNATURE
    return theirs[at - 3 : at] == b"\x5f\x37\x40" and len(ours) == len(theirs) and ours[:at] == theirs[:at]


@dataclass
class Exchange:
    """One script of ours: where it went, its TLVs, the HTTP answer that carried it."""

    target: bytes
    script: bytes
    tlvs: tuple[bytes, ...]
    http: Answer


class RecordedCard:
    """Plays recorded answers, each to the command it was recorded for, in the recorded order."""

    def __init__(self, sessions: list[Recorded], *, same: Callable[[bytes, bytes], bool] | None = None) -> None:
        self._sessions = sessions
        self.same = same or same_but_signature
        self.problems: list[str] = []
        # command TLV, its answer TLV, HTTP bytes of the POST when command and answer were alone in their scripts
        self.left: list[tuple[bytes, bytes, bytes | None]] = []
        for session in sessions:
            for commands, answers, post in zip(session.commands, session.answers, session.posts, strict=True):
                for command, answer in zip(commands, answers, strict=True):
                    self.left.append((command, answer, post if len(commands) == 1 else None))
        self.exchanges: list[Exchange] = []
        self.submissions: list[es5.SubmitSMS] = []
        self.posted = 0
        self.on_sms: Callable[[es5.SubmitSMS], es5.SMSReceived | None] = lambda _: None
        self._numbers = itertools.count(1)
        self._exchange: HTTPExchange | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def finished(self) -> bool:
        return not self.left

    def plug(self, installation: Installation) -> None:
        """Take the place of both transports."""
        self._bus = installation.bus
        self._bus.register(TRANSPORT_SMS, self._sms)
        self._bus.register(TRANSPORT_HTTPS, self._https)

    async def _sms(self, raw: bytes) -> None:
        _, body = decode(raw, es5.TO_SMS_CODEC)
        assert isinstance(body, es5.SubmitSMS)
        self.submissions.append(body)
        answer = self.on_sms(body)
        if answer is not None:
            self._send(TRANSPORT_SMS, answer)
        elif self._exchange is None and self.left:
            self._exchange = HTTPExchange()
            self._post(self._sessions[0].first)

    async def _https(self, raw: bytes) -> None:
        _, body = decode(raw, es5.TO_HTTPS_CODEC)
        assert isinstance(body, es5.HTTPSAnswer)
        exchange = self._exchange
        assert exchange is not None
        http = read_answer(exchange.answer(response_of(body)))
        if http.status == 204:
            self._exchange = None
            closed = es5.HTTPSClosed(session_id=body.session_id, eid=EID, reason="completed")
            self._send(TRANSPORT_HTTPS, closed)
            return
        tlvs = tuple(item.raw for item in command_tlvs(body.body))
        self.exchanges.append(Exchange(body.target_aid, body.body, tlvs, http))
        octets = self._answer(tlvs, body.next_uri)
        if octets:
            self._post(octets)

    def _answer(self, tlvs: tuple[bytes, ...], next_uri: str) -> bytes:
        """The recorded POST with our URI, or its parts put together when our scripts are cut otherwise."""
        posts: list[bytes | None] = []
        answers = b""
        for item in tlvs:
            command, answer, post = self.left.pop(0) if self.left else (b"", b"", None)
            if not command or not self.same(item, command):
                # Answering would go on with another session than the recorded one.
                self.problems.append(f"sent {item.hex()}, recorded {command.hex() or 'nothing'}")
                return b""
            answers += answer
            posts.append(post)
        recorded_post = posts[0] if len(posts) == 1 else None
        if recorded_post is not None:
            _, _, rest = recorded_post.partition(b" HTTP/1.1\r\n")
            return b"POST " + next_uri.encode() + b" HTTP/1.1\r\n" + rest
        body = b"\xaf\x80" + answers + b"\x00\x00"
        head, _, _ = self._sessions[0].posts[0].partition(b"\r\n\r\n")
        _, _, fields = head.partition(b" HTTP/1.1\r\n")
        line = b"POST " + next_uri.encode() + b" HTTP/1.1\r\n"
        return line + fields + b"\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"

    def _post(self, octets: bytes) -> None:
        assert self._exchange is not None
        request = self._exchange.feed(octets)
        assert request is not None
        assert request.admin_from.eid == EID  # the card writes //aaid/ for //aa-id/
        assert request.admin_from.agent_aid == ids.ISDR_AID
        self.posted += 1
        body = es5.HTTPSPosted(
            post_id=f"post-{self.posted}",
            session_id="recorded",
            eid=EID,
            key_version=0x40,
            uri=request.uri,
            resume=request.resume,
            script_status=request.script_status.value if request.script_status is not None else "",
            body=request.body,
            notification=request.notification or b"",
        )
        self._send(TRANSPORT_HTTPS, body)

    def _send(self, sender: str, body: Body) -> None:
        task = asyncio.get_running_loop().create_task(self.deliver(sender, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, sender: str, body: Body) -> None:
        """One message to the SM-SR."""
        name = f"{sender}/{next(self._numbers)}"
        eid = "" if isinstance(body, es5.SMSReceived) else EID
        header = Header(
            message_id=name, sender=sender, requester=sender, function_call_id=name, deadline=time.time(), eid=eid
        )
        await self._bus.deliver(SM_SR, encode(header, body))


def command_tlvs(script: bytes) -> list[tlv.TLV]:
    """Command TLVs of an indefinite (AE 80 .. 00 00) or definite (AA) script."""
    if script[:2] == b"\xae\x80":
        assert script.endswith(b"\x00\x00")
        return tlv.parse(script[2:-2])
    (template,) = tlv.parse(script)
    assert template.tag == 0xAA
    return tlv.parse(template.value)


def real_card(*, scp80_counter: int = 0, installed: bool = False) -> EUICC:
    """What an SM-SR knows of the recorded card: four ISD-Ps of somebody else, and with `installed` the fifth."""
    others = [
        ISDP(
            aid=ids.isdp_aid(index),
            iccid=f"89860110611108096{index:03d}",
            owner=OTHER,
            smdp_id=OTHER,
            state=ENABLED if index == 0x10 else DISABLED,
            fallback=index == 0x10,
            msisdn=MSISDN if index == 0x10 else "",
        )
        for index in range(0x10, 0x13)
    ]
    if installed:
        iccid = INSTALLED_ICCID
        smdp = DPSettings().smdp_id
        others.append(ISDP(aid=REAL_ISDP, iccid=iccid, owner=OTHER, smdp_id=smdp, state=DISABLED, msisdn=MSISDN))
    return EUICC(
        eid=EID,
        eum_id="1.3.6.1.4.1.99999.40",
        platform_type="recorded",
        platform_version="1.0.0",
        rpv="3.2.0",
        http_support=True,
        cattp_support=False,
        smsr_id="1.3.6.1.4.1.99999.20",
        remaining_memory=400_000,
        available_memory=500_000,
        scp80_version=1,
        scp80_counter=scp80_counter,
        scp81_version=0x40,
        signed_info=b"<none/>",
        signature=b"<none/>",
        profiles=tuple(others),
    )


def scp80_keys() -> list[tuple[str, bytes]]:
    """Entries of the vault for the recorded card's key set."""
    return [(key_ref(EID, 1, index), SCP80_KEY) for index in (1, 2)]


@dataclass
class Bench:
    """An installation without transports, the recorded card in their place."""

    data: Path
    card: RecordedCard
    sm_sr: SRSettings = field(default_factory=SRSettings)
    sm_dp: DPSettings = field(default_factory=DPSettings)
    entropy: Callable[[int], bytes] = lambda count: bytes(count)

    async def __aenter__(self) -> Self:
        inside = frozenset(ROLES) - {TRANSPORT_SMS, TRANSPORT_HTTPS}  # the transports are the recorded card
        configuration = Configuration(
            data=self.data, sm_sr=self.sm_sr, sm_dp=self.sm_dp, threaded=False, roles=inside
        )
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        self.installation = Installation(configuration, clock=clock, entropy=self.entropy)
        await self.installation.start()
        self.card.plug(self.installation)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.installation.stop()

    def store(self, role: str) -> SQLiteStore:
        roles = (CRYPTO_SERVER, SM_SR, SM_DP)
        return self.installation.stores[roles.index(role)]

    def vault(self) -> Vault:
        return Vault(open_key_file(self.data / VAULT_KEY, self.entropy), self.entropy)

    async def put_secrets(self, entries: list[tuple[str, bytes]]) -> None:
        vault = self.vault()
        await self.store(CRYPTO_SERVER).write(lambda c: vault.put(c, entries, START))

    async def secret(self, ref: str) -> bytes | None:
        vault = self.vault()
        return await self.store(CRYPTO_SERVER).read(lambda c: vault.get(c, ref))

    async def register(self, card: EUICC) -> None:
        await self.store(SM_SR).write(lambda c: eis_store.register(c, card, START))

    async def eis(self) -> EUICC:
        found = await self.store(SM_SR).read(lambda c: eis_store.load(c, EID))
        assert found is not None
        return found
