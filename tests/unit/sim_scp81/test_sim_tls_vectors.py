"""The simulator's TLS client replays recorded OpenSSL sessions byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ferryman_sim.scp81.tls import TlsClient, TlsOptions
from ferryman_sim.scp81.tls_keys import (
    SUITES,
    extended_master_secret,
    key_block,
    key_block_length,
    master_secret,
    premaster_secret,
    prf,
    split_keys,
)
from ferryman_sim.scp81.tls_records import Protection
from shared_data import vectors

SESSIONS = [vector for vector in vectors("tls_psk") if "records" in vector["input"]]
HELLOS = [vector for vector in vectors("tls_psk") if "record" in vector["input"]]


def by_id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def suite_number(vector: dict[str, Any]) -> int:
    return {suite.name: number for number, suite in SUITES.items()}[vector["input"]["suite"]]


def bound(vector: dict[str, Any]) -> bool:
    return bool(vector["input"]["extended_master_secret"])


def replayed(pieces: list[bytes]) -> Callable[[int], bytes]:
    """Entropy that gives recorded values one after the other."""
    left = list(pieces)

    def take(size: int) -> bytes:
        piece = left.pop(0)
        assert len(piece) == size
        return piece

    return take


@pytest.mark.parametrize("vector", SESSIONS, ids=by_id)
def test_key_schedule(vector: dict[str, Any]) -> None:
    given, wanted = vector["input"], vector["expected"]
    suite = SUITES[suite_number(vector)]
    randoms = bytes.fromhex(given["client_random"]), bytes.fromhex(given["server_random"])
    premaster = premaster_secret(bytes.fromhex(given["psk"]))
    assert premaster.hex() == wanted["premaster_secret"]
    master = bytes.fromhex(wanted["master_secret"])
    if not given["extended_master_secret"]:
        assert master_secret(premaster, *randoms) == master
    block = key_block(master, *randoms, key_block_length(suite))
    assert block.hex() == wanted["key_block"]
    seed = bytes.fromhex(wanted["handshake_hash_before_client_finished"])
    assert prf(master, b"client finished", seed, 12).hex() == wanted["client_verify_data"]


@pytest.mark.parametrize("vector", [each for each in SESSIONS if bound(each)], ids=by_id)
def test_extended_master_secret(vector: dict[str, Any]) -> None:
    wanted = vector["expected"]
    # EMS is bound to the messages up to ClientKeyExchange, which is all there is before the client's Finished.
    premaster = bytes.fromhex(wanted["premaster_secret"])
    session_hash = bytes.fromhex(wanted["handshake_hash_before_client_finished"])
    assert extended_master_secret(premaster, session_hash).hex() == wanted["master_secret"]


@pytest.mark.parametrize("vector", SESSIONS, ids=by_id)
def test_every_record_opens(vector: dict[str, Any]) -> None:
    given, wanted = vector["input"], vector["expected"]
    suite = SUITES[suite_number(vector)]
    keys = split_keys(suite, bytes.fromhex(wanted["key_block"]))
    etm = given["encrypt_then_mac"]
    sides = {
        side: Protection(suite, key, encrypt_then_mac=etm) for side, key in zip(("c>s", "s>c"), keys, strict=True)
    }
    for record, plaintext in zip(given["records"], wanted["plaintexts"], strict=True):
        payload = bytes.fromhex(record["record"])[5:]
        if record["protected"]:
            payload = sides[record["dir"]].unprotect(record["type"], payload)
        assert payload.hex() == plaintext


def options(vector: dict[str, Any]) -> TlsOptions:
    """What the recorded client offered."""
    hello = bytes.fromhex(vector["input"]["records"][0]["record"])
    at = hello.index(b"\x00\x0d\x00\x2a")
    return TlsOptions(
        suites=(suite_number(vector),),
        max_fragment=None,
        extended_master_secret=vector["input"]["extended_master_secret"],
        encrypt_then_mac=b"\x00\x16\x00\x00" in hello[40:at],
        scsv=True,
        hello_record=hello[1:3],
        extra=((0x0D, hello[at + 4 :]),),
    )


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
@pytest.mark.parametrize("vector", SESSIONS, ids=by_id)
def test_whole_session(vector: dict[str, Any], chunk: int) -> None:
    given, wanted = vector["input"], vector["expected"]
    records = [(record["dir"], bytes.fromhex(record["record"]), record) for record in given["records"]]
    own = [record for side, record, _ in records if side == "c>s"]
    sealed = [record[5:] for side, record, info in records if side == "c>s" and info["protected"]]
    gcm = SUITES[suite_number(vector)].aead
    secrets = [sealed[0][:8]] if gcm else [payload[:16] for payload in sealed]
    client = TlsClient(
        given["psk_identity"].encode(),
        bytes.fromhex(given["psk"]),
        replayed([bytes.fromhex(given["client_random"]), *secrets]),
        options(vector),
    )
    client.start()
    sent = client.data_to_send()
    received = b""
    plain = iter(wanted["plaintexts"])
    for side, record, info in records:
        plaintext = bytes.fromhex(next(plain))
        if side == "c>s":
            if info["type"] == 23:
                client.send(plaintext)
                sent += client.data_to_send()
            continue
        for at in range(0, len(record), chunk):
            received += client.receive(record[at : at + chunk])
            sent += client.data_to_send()
    assert sent == b"".join(own)
    answers = [
        bytes.fromhex(text)
        for text, (side, _, info) in zip(wanted["plaintexts"], records, strict=True)
        if side == "s>c" and info["type"] == 23
    ]
    assert received == b"".join(answers)
    assert client.closed


@pytest.mark.parametrize("vector", HELLOS, ids=by_id)
def test_hello_of_a_real_card(vector: dict[str, Any]) -> None:
    wanted = vector["expected"]
    chosen = TlsOptions(suites=tuple(int(number, 16) for number in wanted["suites"]))
    client = TlsClient(b"", b"", replayed([bytes.fromhex(wanted["client_random"])]), chosen)
    client.start()
    assert client.data_to_send().hex() == vector["input"]["record"]
