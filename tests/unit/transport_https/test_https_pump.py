from __future__ import annotations

import gc
import os
import ssl
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.transport_https.contexts import ContextPool, PSKContext
from ferryman.transport_https.pump import ImpossibleKey, State, UnknownIdentity
from ferryman_sim.scp81.tls import TlsClient, TlsOptions
from ferryman_sim.scp81.tls_messages import encode_client_hello
from heard_pump import Event, Failed, HandshakeDone, HeardPump, IdentityKnown, PeerFinished, Received
from psk_peer import CBC, GCM, IDENTITY, KEY, OTHER_KEY, MemoryClient, client_context, records

HANDSHAKE, ALERT, APPLICATION = 22, 21, 23


def entropy(count: int) -> bytes:
    return b"\xa5" * count


def pump_of(
    pool: ContextPool | None = None, unknown: UnknownIdentity = UnknownIdentity.LIKE_WRONG_KEY
) -> HeardPump:
    return HeardPump(pool, entropy=entropy, unknown_identity=unknown)


def shake(pump: HeardPump, client: MemoryClient, key: bytes | None) -> list[Event]:
    """Moves octets until both sides are quiet; the key is supplied when asked for."""
    events: list[Event] = []
    to_server = client.step()
    while to_server:
        for event in pump.receive(to_server):
            events.append(event)
            if isinstance(event, IdentityKnown):
                events += pump.supply_key(key)
        output = pump.take_output()
        try:
            to_server = client.step(output)
        except ssl.SSLError:
            break
    return events


@pytest.mark.parametrize("suite", [GCM, CBC])
def test_handshake_and_data(suite: str) -> None:
    pump, client = pump_of(), MemoryClient(client_context(suite=suite))
    assert shake(pump, client, KEY) == [IdentityKnown(IDENTITY.encode()), HandshakeDone(suite)]
    assert pump.state is State.OPEN
    client.tls.write(b"POST")
    assert pump.receive(client.step()) == [Received(b"POST")]
    pump.send(b"answer")
    client.step(pump.take_output())
    assert client.tls.read() == b"answer"


def test_octet_by_octet() -> None:
    pump, client = pump_of(), MemoryClient()
    events: list[Event] = []
    to_server = client.step()
    while to_server:
        for octet in to_server:
            for event in pump.receive(bytes((octet,))):
                events.append(event)
                if isinstance(event, IdentityKnown):
                    events += pump.supply_key(KEY)
        to_server = client.step(pump.take_output())
    assert events == [IdentityKnown(IDENTITY.encode()), HandshakeDone(GCM)]


def test_it_stands_still_until_the_key_is_there() -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    events = pump.receive(client.step(pump.take_output()))
    assert events == [IdentityKnown(IDENTITY.encode())]
    assert pump.state is State.NEED_KEY
    assert pump.take_output() == b""
    assert pump.receive(b"") == []
    assert pump.supply_key(KEY) == [HandshakeDone(GCM)]


def final_alert(pump: HeardPump, client: MemoryClient, key: bytes | None) -> bytes:
    """Runs into a failure; the octets of the server's last flight."""
    pump.receive(client.step())
    to_server = client.step(pump.take_output())
    events = pump.receive(to_server)
    assert isinstance(events[-1], IdentityKnown)
    events = pump.supply_key(key)
    assert isinstance(events[-1], Failed)
    assert pump.state is State.CLOSED
    return pump.take_output()


def test_unknown_identity_and_wrong_key_end_in_the_same_octets() -> None:
    wrong = final_alert(pump_of(), MemoryClient(), OTHER_KEY)
    unknown = final_alert(pump_of(), MemoryClient(), None)
    assert wrong == unknown == bytes.fromhex("1503030002 0214")


def test_unknown_identity_can_be_told() -> None:
    pump = pump_of(unknown=UnknownIdentity.ALERT_115)
    assert final_alert(pump, MemoryClient(), None) == bytes.fromhex("1503030002 0273")


def test_the_stand_in_key_is_random() -> None:
    asked: list[int] = []

    def counting(count: int) -> bytes:
        asked.append(count)
        return KEY

    # With the very key of the client the handshake succeeds: the stand-in is what was used.
    pump = HeardPump(entropy=counting)
    assert shake(pump, MemoryClient(), None)[-1] == HandshakeDone(GCM)
    assert asked == [16]


def test_the_key_is_gone_after_the_handshake() -> None:
    key = bytearray(b"only-here-only-here-once").hex().encode()
    pump, client = pump_of(), MemoryClient(client_context(key=key[:]))
    assert shake(pump, client, key)[-1] == HandshakeDone(GCM)
    assert pump.pump._context is not None
    assert key not in pump.pump._context.__dict__.values()
    holders = [one for one in gc.get_referrers(key) if isinstance(one, dict) and "_key" in one]
    assert holders == []


@pytest.mark.parametrize("length", [0, 1, 15, 65])
def test_an_impossible_key_is_refused(length: int) -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    pump.receive(client.step(pump.take_output()))
    with pytest.raises(ImpossibleKey, match="PSK"):
        pump.supply_key(bytes(length))
    assert pump.state is State.NEED_KEY


def test_max_fragment_length_is_kept() -> None:
    pump = pump_of()
    hello = bytearray(MemoryClient().step())
    # Adds max_fragment_length = 512 to the hello; only the clear part of the handshake is looked at then.
    extension = bytes.fromhex("0001000101")
    flight = bytes(hello) + extension
    total = int.from_bytes(flight[3:5]) + 5
    at = 5 + 4 + 2 + 32
    at += 1 + flight[at]
    at += 2 + int.from_bytes(flight[at : at + 2])
    at += 1 + flight[at]
    inner = int.from_bytes(flight[6:9]) + 5
    grown = int.from_bytes(flight[at : at + 2]) + 5
    flight = (
        flight[:3] + total.to_bytes(2) + flight[5:6] + inner.to_bytes(3) + flight[9:at]
        + grown.to_bytes(2) + flight[at + 2 :]
    )  # fmt: skip
    pump.receive(flight)
    (server_hello, *_) = records(pump.take_output())
    assert extension in server_hello[1]


def test_two_clients_share_a_context_and_resumers_do_not() -> None:
    pool = ContextPool()
    assert pool.choose(offers_resumption=False) is pool.choose(offers_resumption=False)
    assert pool.choose(offers_resumption=True) is not pool.choose(offers_resumption=False)
    assert pool.choose(offers_resumption=True) is not pool.choose(offers_resumption=True)


def test_the_shared_context_is_replaced_after_a_while() -> None:
    pool = ContextPool(shared_uses=3)
    chosen = [pool.choose(offers_resumption=False) for _ in range(7)]
    assert len(set(map(id, chosen))) == 3


def session_of(pool: ContextPool, context: ssl.SSLContext) -> ssl.SSLSession:
    pump, client = pump_of(pool), MemoryClient(context)
    shake(pump, client, KEY)
    session = client.tls.session
    assert session is not None
    assert session.id
    # OpenSSL forgets a session that was not closed in order; this one it would keep.
    pump.close()
    return session


def test_no_session_is_resumed() -> None:
    pool, context = ContextPool(), client_context()
    session = session_of(pool, context)
    pump, client = pump_of(pool), MemoryClient(context, session)
    hello = client.step()
    assert session.id in hello
    pump.receive(hello)
    events = pump.receive(client.step(pump.take_output()))
    # A full handshake: the identity is presented and the key needed again; by now it is another one.
    assert events == [IdentityKnown(IDENTITY.encode())]
    assert isinstance(pump.supply_key(OTHER_KEY)[-1], Failed)


def test_the_library_would_resume_in_one_context() -> None:
    """Shows that the test above tests something: without a fresh context OpenSSL resumes."""
    pool, context = ContextPool(), client_context()
    session = session_of(pool, context)
    pool.choose = lambda *, offers_resumption: pool._shared  # type: ignore[method-assign,assignment,return-value]
    pump, client = pump_of(pool), MemoryClient(context, session)
    pump.receive(client.step())
    to_server = client.step(pump.take_output())
    assert client.tls.session_reused
    # The client goes on without a key exchange, and the reader of the clear flight stops that all the same.
    assert isinstance(pump.receive(to_server)[-1], Failed)


def test_other_suites_and_versions_are_refused() -> None:
    pump = pump_of()
    client = MemoryClient(client_context(suite="PSK-AES256-GCM-SHA384:PSK-NULL-SHA256:@SECLEVEL=0"))
    assert isinstance(pump.receive(client.step())[-1], Failed)
    assert records(pump.take_output()) == [(ALERT, b"\x02\x28")]
    newer = client_context()
    newer.maximum_version = ssl.TLSVersion.TLSv1_3
    newer.minimum_version = ssl.TLSVersion.TLSv1_3
    pump = pump_of()
    assert isinstance(pump.receive(MemoryClient(newer).step())[-1], Failed)
    assert records(pump.take_output())[-1][0] == ALERT
    older = client_context(suite="PSK-AES128-CBC-SHA:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 "):
        older.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1 "):
        older.maximum_version = ssl.TLSVersion.TLSv1_1
    pump = pump_of()
    assert isinstance(pump.receive(MemoryClient(older).step())[-1], Failed)
    assert records(pump.take_output()) == [(ALERT, b"\x02\x46")]


def test_a_client_that_also_offers_tls_1_3_gets_1_2() -> None:
    both = client_context()
    both.maximum_version = ssl.TLSVersion.TLSv1_3
    assert shake(pump_of(), MemoryClient(both), KEY)[-1] == HandshakeDone(GCM)


@pytest.mark.parametrize(
    ("octets", "alert"),
    [(b"GET / HTTP/1.1\r\n\r\n", 10), (b"\x16\x03\x01\xff\xff", 22), (b"\x16\x03\x01\0\1\2", 10)],
)
def test_garbage_gets_an_alert(octets: bytes, alert: int) -> None:
    pump = pump_of()
    assert isinstance(pump.receive(octets)[-1], Failed)
    assert records(pump.take_output()) == [(ALERT, bytes((2, alert)))]
    assert pump.receive(octets) == []


def test_an_identity_that_is_no_text() -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    flight = client.step(pump.take_output()).replace(IDENTITY.encode(), b"\xff" * len(IDENTITY))
    assert pump.receive(flight) == [Failed("the PSK identity is no UTF-8 text")]
    assert records(pump.take_output()) == [(ALERT, b"\x02\x14")]


def test_an_identity_with_a_zero_octet_goes_to_the_lookup_whole() -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    spoiled = b"\0" + IDENTITY.encode()[1:]
    flight = client.step(pump.take_output()).replace(IDENTITY.encode(), spoiled)
    assert pump.receive(flight) == [IdentityKnown(spoiled)]
    # The transcript differs from the client's: no key can save this handshake.
    assert isinstance(pump.supply_key(KEY)[-1], Failed)


def test_a_changed_record_is_answered_and_the_end() -> None:
    pump, client = pump_of(), MemoryClient()
    shake(pump, client, KEY)
    client.tls.write(b"POST")
    octets = bytearray(client.step())
    octets[-1] ^= 1
    assert isinstance(pump.receive(bytes(octets))[-1], Failed)
    assert records(pump.take_output())[0][0] == ALERT
    assert pump.state is State.CLOSED


def test_close_notify_both_ways() -> None:
    pump, client = pump_of(), MemoryClient()
    shake(pump, client, KEY)
    pump.send(b"bye")
    pump.close()
    client.step(pump.take_output())
    assert client.tls.read() == b"bye"
    assert client.tls.read() == b""
    pump, client = pump_of(), MemoryClient()
    shake(pump, client, KEY)
    client.tls.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert pump.receive(client.step()) == [Received(b"last"), PeerFinished()]


@pytest.mark.parametrize("behind", [b"", b"POST"])
def test_a_wish_to_renegotiate_is_answered_once_and_ends_it(behind: bytes) -> None:
    """The library answers each with a warning: of a peer that does not read they would fill memory."""
    pump = pump_of()
    client = TlsClient(IDENTITY.encode(), KEY, os.urandom, TlsOptions(suites=(0x00A8,), scsv=True))
    client.start()
    while not client.open:
        for event in pump.receive(client.data_to_send()):
            if isinstance(event, IdentityKnown):
                pump.supply_key(KEY)
        client.receive(pump.take_output())
    hello = encode_client_hello(bytes(32), b"", (0x00A8, 0x00FF), ())
    for octets in (hello, hello):
        client._emit(HANDSHAKE, octets)
    if behind:
        client.send(behind)
    assert pump.receive(client.data_to_send()) == [Failed("record: the peer wants to renegotiate")]
    assert pump.state is State.CLOSED
    first, *more = records(pump.take_output())
    assert first[0] == ALERT
    assert len(more) <= 1  # the two came in one segment
    client._emit(HANDSHAKE, hello)
    assert pump.receive(client.data_to_send()) == []
    assert pump.take_output() == b""


def test_the_clients_alert_ends_it() -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    events = pump.receive(bytes.fromhex("15030300020228"))
    assert isinstance(events[-1], Failed)


def test_abandon_sends_an_alert_only_in_clear() -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    pump.take_output()
    pump.abandon(80)
    assert records(pump.take_output()) == [(ALERT, b"\x02\x50")]
    pump, client = pump_of(), MemoryClient()
    shake(pump, client, KEY)
    pump.abandon(80)
    assert pump.take_output() == b""


def test_calls_out_of_turn_are_our_bug() -> None:
    pump = pump_of()
    with pytest.raises(RuntimeError):
        pump.supply_key(KEY)
    with pytest.raises(RuntimeError):
        pump.send(b"x")
    context = PSKContext()
    assert context.key_taken is False


@pytest.mark.parametrize("leave", [HeardPump.close, lambda pump: pump.abandon(80)])
def test_what_is_answered_from_within_a_call_is_done_in_it(leave: Callable[[HeardPump], None]) -> None:
    pump, client = HeardPump(), MemoryClient()

    def user(event: Event) -> None:
        if isinstance(event, IdentityKnown):
            pump.pump.supply_key(KEY, pump)
        elif isinstance(event, Received):
            pump.send(b"answer")
            leave(pump)

    pump.on_event = user
    pump.receive(client.step())
    known = pump.receive(client.step(pump.take_output()))
    assert known == [IdentityKnown(IDENTITY.encode()), HandshakeDone(GCM)]
    client.step(pump.take_output())
    client.tls.write(b"first")
    client.tls.write(b"second")
    # The user has left on the first: the second, which is there already, is told to nobody.
    assert pump.receive(client.step()) == [Received(b"first")]
    client.step(pump.take_output())
    assert client.tls.read() == b"answer"


class Keyless(PSKContext):
    """As if the library had finished without the key."""

    def handshake(self, tls: ssl.SSLObject, key: bytes) -> bool:
        finished = super().handshake(tls, key)
        self.key_taken = False
        return finished


class OtherSuite(PSKContext):
    """As if the library had agreed on a suite that nobody gave it."""

    def __init__(self) -> None:
        super().__init__()
        self._context.set_ciphers("PSK-AES256-GCM-SHA384")


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (Keyless(), "handshake: finished without the pre-shared key"),
        (OtherSuite(), "handshake: finished with a suite of no kind we offered"),
    ],
)
def test_what_our_settings_rule_out_does_not_go_on(context: PSKContext, reason: str) -> None:
    pool = ContextPool()
    pool.choose = lambda *, offers_resumption: context  # type: ignore[method-assign]
    pump = pump_of(pool)
    client = MemoryClient(client_context(suite=f"{GCM}:PSK-AES256-GCM-SHA384"))
    assert shake(pump, client, KEY)[-1] == Failed(reason)
    assert pump.state is State.CLOSED


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4))
def test_any_octets_do_no_harm(pieces: list[bytes]) -> None:
    pump = pump_of()
    for piece in pieces:
        for event in pump.receive(piece):
            assert isinstance(event, Failed)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_changed_octet_of_the_flight_does_no_harm(data: st.DataObject) -> None:
    pump, client = pump_of(), MemoryClient()
    pump.receive(client.step())
    flight = bytearray(client.step(pump.take_output()))
    at = data.draw(st.integers(0, len(flight) - 1))
    flight[at] ^= data.draw(st.integers(1, 255))
    events = pump.receive(bytes(flight))
    if any(isinstance(event, IdentityKnown) for event in events):
        events = pump.supply_key(KEY)
    assert HandshakeDone(GCM) not in events
