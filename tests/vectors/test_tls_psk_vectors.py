"""Vectors tls_psk: what a server reads in clear of recorded handshakes."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import psk_identity
from ferryman.codec.tls_hello import ClientFlight
from heard_pump import HeardPump
from psk_peer import records
from shared_data import shared, vectors

shared("reference", "vectors", "tls_psk.json")
SUITES = {"PSK-AES128-GCM-SHA256": 0x00A8, "PSK-AES128-CBC-SHA256": 0x00AE}
SESSIONS = [v for v in vectors("tls_psk") if "records" in v["input"]]


@pytest.mark.parametrize("step", [1, 50, 100_000])
@pytest.mark.parametrize("vector", SESSIONS, ids=lambda v: v["id"])
def test_clear_flight_of_a_recorded_session(vector: dict[str, Any], step: int) -> None:
    given = vector["input"]
    sent = [r for r in given["records"] if r["dir"] == "c>s"]
    # Up to Finished; what follows is only sent after the server's Finished.
    early = b"".join(bytes.fromhex(r["record"]) for r in sent if r["type"] in (20, 22))
    flight = ClientFlight()
    released = b""
    for at in range(0, len(early), step):
        flight.feed(early[at : at + step])
        released += flight.take()
    hello = flight.hello
    assert hello is not None
    assert hello.legacy_version == 0x0303
    assert hello.suites == (SUITES[given["suite"]], 0x00FF)
    assert not hello.offers_resumption
    assert (23 in hello.extensions) is given["extended_master_secret"]
    assert (22 in hello.extensions) is given["encrypt_then_mac"]
    assert flight.identity is not None
    assert flight.identity == given["psk_identity"].encode()
    assert psk_identity.build(psk_identity.parse(flight.identity)) == flight.identity
    assert released == bytes.fromhex(sent[0]["record"])
    assert released + flight.open_gate() == early


def test_our_answer_to_the_hello_of_a_real_card() -> None:
    """Cards fail on extensions that they did not send: only max_fragment_length = 1024 comes back."""
    (vector,) = [v for v in vectors("tls_psk") if v["id"] == "real-client-hello"]
    pump = HeardPump(entropy=bytes)
    assert pump.receive(bytes.fromhex(vector["input"]["record"])) == []
    (_, hello), (_, done) = records(pump.take_output())
    assert done == bytes.fromhex("0e000000")
    session_id = hello[39 : 39 + hello[38]]
    suite, compression, extensions = hello[39 + len(session_id) :][:2], hello[-8], hello[-7:]
    # GCM although the card names CBC first; never 00B0, which ciphers nothing.
    assert (suite.hex(), compression, extensions.hex()) == ("00a8", 0, "00050001000102")


def test_hello_of_a_real_card() -> None:
    (vector,) = [v for v in vectors("tls_psk") if v["id"] == "real-client-hello"]
    flight = ClientFlight()
    flight.feed(bytes.fromhex(vector["input"]["record"]))
    hello = flight.hello
    assert hello is not None
    assert hello.suites == (0x00AE, 0x00A8, 0x00B0)
    assert hello.max_fragment_length == 1024
    assert hello.session_id == b""
    assert hello.extensions == (1,)
