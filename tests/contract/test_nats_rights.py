"""What a role that was taken over, or the broker itself, cannot do: speak as others, read, forge, forget.

Against a real nats-server with the configuration that `ferryman nats-config` writes.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import nats
import nats.errors
import nkeys
import pytest
import structlog
from nats.aio.client import Client

from bus_worlds import NatsWorld, header, message
from ferryman.contracts import crypto, es3, es5
from ferryman.contracts.message import encode
from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    OPERATOR,
    REST_API,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_HTTPS,
    TRANSPORT_SMS,
)
from ferryman.contracts.routes import MESSAGES, ROLES
from ferryman.errors import Unavailable
from ferryman.platform import nats_bus
from ferryman.platform import nats_layout as layout
from nats_server import NatsServer
from patience import until, until_async

EID = "89" * 16


@pytest.fixture(autouse=True)
def plain_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.processors.KeyValueRenderer()])
    monkeypatch.setattr(nats_bus, "log", plain)


@pytest.fixture
async def world(nats_server: NatsServer) -> AsyncIterator[NatsWorld]:
    made = NatsWorld(nats_server)
    await made.purge()
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def client(server: NatsServer, seed: str, name: str = "spy") -> AsyncIterator[tuple[Client, list[str]]]:
    """A plain client with somebody's key, and what the server refused it."""
    refused: list[str] = []

    async def note(problem: Exception) -> None:
        refused.append(str(problem))

    connection = await nats.connect(
        server.settings.url, nkeys_seed_str=seed, error_cb=note, inbox_prefix=f"_INBOX_{name}"
    )
    try:
        yield connection, refused
    finally:
        await connection.close()


def subjects_of_others(role: str) -> list[str]:
    """Everything somebody else publishes to, and the broker's own controls."""
    own = set(layout.may_publish(role))
    found = {subject for other in (*ROLES, OPERATOR) for subject in layout.may_publish(other)} - own
    streams = [layout.stream_name(*way) for way in MESSAGES]
    found |= {
        f"$JS.API.STREAM.{verb}.{stream}" for verb in ("CREATE", "UPDATE", "DELETE", "PURGE") for stream in streams
    }
    found |= {f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.mine" for stream in streams}
    found |= {f"$JS.API.STREAM.MSG.GET.{stream}" for stream in streams}
    found |= {layout.delivery_subject(dest, sender, 0) for sender, dest in MESSAGES}
    found |= {f"_INBOX_{other}.x" for other in ROLES if other != role}
    found |= {"$SYS.REQ.SERVER.PING", "anything"}
    return sorted(subject.replace("*", "0").replace(">", "lane-0.1.1.1.1.0") for subject in found)


@pytest.mark.parametrize("role", [*ROLES, OPERATOR])
async def test_no_role_publishes_what_is_anothers(nats_server: NatsServer, role: str) -> None:
    async with client(nats_server, nats_server.made[role].seed, role) as (connection, refused):
        subjects = subjects_of_others(role)
        for subject in subjects:
            await connection.publish(subject, b"mine")
        await connection.flush()
        await until(lambda: len(refused) >= len(subjects))
        text = "\n".join(refused).lower()
        for subject in subjects:
            assert f'publish to "{subject.lower()}"' in text


@pytest.mark.parametrize("role", [*ROLES, OPERATOR])
async def test_no_role_listens_to_what_is_anothers(nats_server: NatsServer, role: str) -> None:
    own = set(layout.may_subscribe(role))
    found = {subject for other in (*ROLES, OPERATOR) for subject in layout.may_subscribe(other)} - own
    found |= {">", "ferryman.>", "_INBOX.>", layout.message_subject("*", "*", "*"), "$JS.>"}
    async with client(nats_server, nats_server.made[role].seed, role) as (connection, refused):
        for subject in sorted(found):
            await connection.subscribe(subject)
        await connection.flush()
        await until(lambda: len(refused) >= len(found))
        assert len(refused) == len(found)


async def _ignore(problem: Exception) -> None:
    """The test looks at what is raised."""


async def test_without_a_known_key_nobody_comes_in(nats_server: NatsServer) -> None:
    stranger = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER).decode()
    for options in ({}, {"nkeys_seed_str": stranger}, {"user": SM_SR, "password": "x"}):
        connection = Client()
        with pytest.raises(nats.errors.Error, match="Authorization"):
            await connection.connect(nats_server.settings.url, allow_reconnect=False, error_cb=_ignore, **options)
        await connection.close()


async def test_only_the_answer_to_a_question_may_be_published_by_the_crypto_server(world: NatsWorld) -> None:
    async def serve(caller: str, raw: bytes) -> bytes:
        return b"answer"

    bus = await world.open(CRYPTO_SERVER)
    await world.listen(bus, CRYPTO_SERVER, server=serve)
    asking = await world.open(SM_SR)
    question = encode(header("q", EID), crypto.GetPSK(eid=EID, key_version=0x40, key_id=1))
    assert await asking.call(CRYPTO_SERVER, SM_SR, question) == b"answer"


# -- the broker itself --------------------------------------------------------------------------------------------


async def test_the_broker_sees_no_content(world: NatsWorld, nats_server: NatsServer) -> None:
    key, number = secrets.token_bytes(16), "4915" + secrets.token_hex(6)
    seen: list[bytes] = []

    async def serve(caller: str, raw: bytes) -> bytes:
        return encode(header("q", EID), crypto.PSK(key=key))

    await world.listen(await world.open(CRYPTO_SERVER), CRYPTO_SERVER, server=serve)
    asking, sending = await world.open(TRANSPORT_HTTPS), await world.open(SM_SR)
    async with client(nats_server, nats_server.spy) as (spy, _):

        async def note(heard: nats.aio.msg.Msg) -> None:
            seen.append(heard.subject.encode() + str(heard.headers).encode() + heard.data)

        await spy.subscribe(">", cb=note)
        await spy.flush()
        question = encode(header("q", EID), crypto.GetPSK(eid=EID, key_version=0x40, key_id=1))
        answer = b""
        while not any(
            one.startswith(layout.call_subject(CRYPTO_SERVER, TRANSPORT_HTTPS).encode()) for one in seen
        ):
            # The broker may take a moment until what it has of a subject includes a new listener to all of them.
            answer = await asking.call(CRYPTO_SERVER, TRANSPORT_HTTPS, question)
            await spy.flush()
        sms = es5.SubmitSMS(sms_id=number, destination=number, packet=b"\x01", validity=60.0)
        await sending.deliver(TRANSPORT_SMS, encode(header(f"m/{EID}/{number}", EID), sms))
        await until(lambda: len(seen) >= 3)
    assert answer == await serve("", b"")
    everything = b"".join(seen)
    stored = b"".join(path.read_bytes() for path in (nats_server.folder / "store").rglob("*") if path.is_file())
    assert b"ferryman.call.crypto-server.transport-https" in everything
    assert b"ferryman.message.sm-sr.transport-sms" in stored
    for secret in (key, key.hex().encode(), number.encode(), EID.encode(), answer[-20:]):
        assert secret not in everything
        assert secret not in stored


async def test_a_question_that_is_played_again_gives_nothing_away(
    world: NatsWorld, nats_server: NatsServer
) -> None:
    asked: list[str] = []

    async def serve(caller: str, raw: bytes) -> bytes:
        asked.append(caller)
        return b"secret"

    await world.listen(await world.open(CRYPTO_SERVER), CRYPTO_SERVER, server=serve)
    asking = await world.open(TRANSPORT_HTTPS)
    caught: list[bytes] = []
    async with client(nats_server, nats_server.spy) as (spy, _):
        subject = layout.call_subject(CRYPTO_SERVER, TRANSPORT_HTTPS)

        async def note(heard: nats.aio.msg.Msg) -> None:
            caught.append(heard.data)

        await spy.subscribe(subject, cb=note)
        await spy.flush()
        question = encode(header("q", EID), crypto.GetPSK(eid=EID, key_version=0x40, key_id=1))
        await asking.call(CRYPTO_SERVER, TRANSPORT_HTTPS, question)
        await until(lambda: bool(caught))
        again = await spy.request(subject, caught[0], timeout=5)
        assert b"secret" not in again.data
        assert len(asked) == 2
        # In another role's name it does not even open.
        with pytest.raises(nats.errors.Error):
            await spy.request(layout.call_subject(CRYPTO_SERVER, SM_SR), caught[0], timeout=0.3)
        with pytest.raises(nats.errors.Error):
            await spy.request(layout.call_subject(CRYPTO_SERVER, TRANSPORT_SMS), caught[0], timeout=0.3)
        assert len(asked) == 2


async def test_a_question_long_after_its_deadline_is_not_answered(world: NatsWorld) -> None:
    async def serve(caller: str, raw: bytes) -> bytes:
        return b"secret"

    bus = await world.open(CRYPTO_SERVER)
    await world.listen(bus, CRYPTO_SERVER, server=serve)
    asking = await world.open(SM_SR)
    late = encode(
        header("q", EID, deadline=world.clock.now() + 0.5), crypto.GetPSK(eid=EID, key_version=64, key_id=1)
    )
    assert await asking.call(CRYPTO_SERVER, SM_SR, late) == b"secret"
    before = bus._clock

    class Later:
        def now(self) -> float:
            return before.now() + nats_bus.CALL_LATE + 1.0

    bus._clock = Later()
    with pytest.raises(Unavailable):
        await asking.call(CRYPTO_SERVER, SM_SR, late)


async def test_an_answer_of_somebody_else_is_none(world: NatsWorld, nats_server: NatsServer) -> None:
    asking = await world.open(SM_SR)
    question = encode(header("q", EID), crypto.GetPSK(eid=EID, key_version=0x40, key_id=1))
    async with client(nats_server, nats_server.spy) as (spy, _):

        async def forge(heard: nats.aio.msg.Msg) -> None:
            await heard.respond(heard.data)

        await spy.subscribe(layout.call_subject(CRYPTO_SERVER, SM_SR), cb=forge)
        await spy.flush()
        with pytest.raises(Unavailable):
            await asking.call(CRYPTO_SERVER, SM_SR, question)


type Forger = Callable[[NatsWorld, Client], Awaitable[None]]


async def _clear(world: NatsWorld, spy: Client) -> None:
    """A message that is not sealed at all."""
    raw = message("m", EID, sender=TRANSPORT_SMS)
    await spy.jetstream().publish(layout.message_subject(TRANSPORT_SMS, SM_SR, 0), raw)


async def _moved(world: NatsWorld, spy: Client) -> None:
    """A true message of one role, played on another role's way."""
    sealed = await _sealed(world, spy, es5.SMSAccepted(sms_id="1"), TRANSPORT_SMS)
    await spy.jetstream().publish(layout.message_subject(TRANSPORT_HTTPS, SM_SR, 0), sealed)


async def _masked(world: NatsWorld, spy: Client) -> None:
    """A role that was taken over writes another sender into its message."""
    sealed = await _sealed(world, spy, es5.SMSAccepted(sms_id="1"), SM_DP)
    await spy.jetstream().publish(layout.message_subject(TRANSPORT_SMS, SM_SR, 0), sealed)


async def _beyond(world: NatsWorld, spy: Client) -> None:
    """A transport that was taken over asks for what only an SM-DP may ask."""
    sealed = await _sealed(world, spy, es3.ES3GetEIS(eid=EID), TRANSPORT_SMS)
    await spy.jetstream().publish(layout.message_subject(TRANSPORT_SMS, SM_SR, 0), sealed)


async def _sealed(world: NatsWorld, spy: Client, body: object, sender: str) -> bytes:
    """What the SMS transport's key makes of a message, caught before anybody takes it."""
    bus = await world.open(TRANSPORT_SMS)
    await bus.deliver(SM_SR, encode(header(secrets.token_hex(8), EID, sender=sender), body))  # type: ignore[arg-type]
    stream = layout.stream_name(TRANSPORT_SMS, SM_SR)
    caught = await spy.jetstream().get_msg(stream, seq=(await spy.jetstream().stream_info(stream)).state.last_seq)
    await spy.jetstream().delete_msg(stream, caught.seq or 0)
    assert caught.data is not None
    return caught.data


@pytest.mark.parametrize("forge", [_clear, _moved, _masked, _beyond])
async def test_forged_messages_are_parked_and_reach_nobody(
    world: NatsWorld, nats_server: NatsServer, forge: Forger
) -> None:
    taken: list[bytes] = []

    async def take(raw: bytes) -> None:
        taken.append(raw)

    async with client(nats_server, nats_server.spy) as (spy, _):
        await forge(world, spy)
        bus = await world.open(SM_SR)
        await world.listen(bus, SM_SR, handler=take)

        async def parked() -> bool:
            return await bus.parked_messages() == 1

        await until_async(parked)
    assert not taken


# Written out: the right to say or hear anything else is somebody else's.
PARKED = ["INFO", "MSG.GET", "MSG.DELETE"]
SAYS = {
    TRANSPORT_SMS: [
        "ferryman.message.transport-sms.sm-sr.*",
        "$JS.ACK.ferryman_sm-sr_to_transport-sms.>",
        "ferryman.parked.transport-sms",
        *(f"$JS.API.STREAM.{function}.ferryman_parked_transport-sms" for function in PARKED),
    ],
    TRANSPORT_HTTPS: [
        "ferryman.message.transport-https.sm-sr.*",
        "ferryman.call.crypto-server.transport-https",
        "$JS.ACK.ferryman_sm-sr_to_transport-https.>",
        "ferryman.parked.transport-https",
        *(f"$JS.API.STREAM.{function}.ferryman_parked_transport-https" for function in PARKED),
    ],
    SM_DP: [
        "ferryman.message.sm-dp.sm-sr.*",
        "ferryman.message.sm-dp.soap-gateway.*",
        "ferryman.message.sm-dp.rest-api.*",
        "$JS.ACK.ferryman_soap-gateway_to_sm-dp.>",
        "ferryman.call.crypto-server.sm-dp",
        "$JS.ACK.ferryman_sm-sr_to_sm-dp.>",
        "ferryman.parked.sm-dp",
        *(f"$JS.API.STREAM.{function}.ferryman_parked_sm-dp" for function in PARKED),
    ],
    SM_SR: [
        "ferryman.message.sm-sr.sm-dp.*",
        "ferryman.message.sm-sr.soap-gateway.*",
        "ferryman.message.sm-sr.rest-api.*",
        "$JS.ACK.ferryman_soap-gateway_to_sm-sr.>",
        "ferryman.message.sm-sr.transport-sms.*",
        "ferryman.message.sm-sr.transport-https.*",
        "ferryman.call.crypto-server.sm-sr",
        "$JS.ACK.ferryman_sm-dp_to_sm-sr.>",
        "$JS.ACK.ferryman_transport-sms_to_sm-sr.>",
        "$JS.ACK.ferryman_transport-https_to_sm-sr.>",
        "ferryman.parked.sm-sr",
        *(f"$JS.API.STREAM.{function}.ferryman_parked_sm-sr" for function in PARKED),
    ],
    SOAP_GATEWAY: [
        "ferryman.message.soap-gateway.sm-sr.*",
        "ferryman.message.soap-gateway.sm-dp.*",
        "ferryman.call.sm-sr.soap-gateway",
        "$JS.ACK.ferryman_sm-sr_to_soap-gateway.>",
        "$JS.ACK.ferryman_sm-dp_to_soap-gateway.>",
        "ferryman.parked.soap-gateway",
        *(f"$JS.API.STREAM.{function}.ferryman_parked_soap-gateway" for function in PARKED),
    ],
    CRYPTO_SERVER: [],
    REST_API: [
        "ferryman.call.crypto-server.rest-api",
        "ferryman.call.sm-sr.rest-api",
        "ferryman.call.sm-dp.rest-api",
        "ferryman.call.soap-gateway.rest-api",
        "$JS.ACK.ferryman_sm-sr_to_rest-api.>",
        "$JS.ACK.ferryman_sm-dp_to_rest-api.>",
        "ferryman.parked.rest-api",
        *(f"$JS.API.STREAM.{function}.ferryman_parked_rest-api" for function in PARKED),
    ],
    OPERATOR: [
        f"ferryman.call.{server}.operator" for server in (CRYPTO_SERVER, SM_SR, SM_DP, SOAP_GATEWAY, REST_API)
    ],
}
HEARS = {
    TRANSPORT_SMS: ["_INBOX_transport-sms.>", "ferryman.delivery.transport-sms.*.*"],
    TRANSPORT_HTTPS: ["_INBOX_transport-https.>", "ferryman.delivery.transport-https.*.*"],
    SM_DP: ["_INBOX_sm-dp.>", "ferryman.delivery.sm-dp.*.*", "ferryman.call.sm-dp.*"],
    SM_SR: ["_INBOX_sm-sr.>", "ferryman.delivery.sm-sr.*.*", "ferryman.call.sm-sr.*"],
    SOAP_GATEWAY: ["_INBOX_soap-gateway.>", "ferryman.delivery.soap-gateway.*.*", "ferryman.call.soap-gateway.*"],
    CRYPTO_SERVER: ["_INBOX_crypto-server.>", "ferryman.call.crypto-server.*"],
    REST_API: ["_INBOX_rest-api.>", "ferryman.delivery.rest-api.*.*", "ferryman.call.rest-api.*"],
    OPERATOR: ["_INBOX_operator.>"],
}


@pytest.mark.parametrize("role", [*ROLES, OPERATOR])
def test_rights_are_those_that_were_agreed(role: str) -> None:
    assert sorted(layout.may_publish(role)) == sorted(SAYS[role])
    assert sorted(layout.may_subscribe(role)) == sorted(HEARS[role])
