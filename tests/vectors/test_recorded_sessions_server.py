"""Recorded sessions of a real SM-SR and a real eUICC, replayed against our server (vectors `sgp02_session`).

One order runs through our SM-DP, SM-SR and CryptoServer; the card's side is what the real card said. Every command
TLV, header field, key, receipt and answer equals the recording, except for what is free (nothing else differs):

* sessions: the recorded server was polled for each step, ours pushes and keeps one session for all of them; the
  Next-URI is a token of ours, and the request line of the card's next POST repeats it;
* scripts: the recorded server had `84` and `85` in one script because it predicted the card's challenge; ours
  opens the session alone and reads the challenge. All other scripts are the same with `script_limit` 200;
* settings that were theirs: no memory quota in CreateISDP, 1000 plain octets in a segment, SPI 1601, the INSTALL
  before the certificate in a script of its own;
* the ECDSA signature's nonce: ours is another valid signature of the same key over the same octets;
* the optional Le of a C-APDU: theirs is there in some commands, ours in all that take data back;
* host challenge and ephemeral key are the recorded ones, put in as our entropy.

The trace has no certificates of the card, so the answer to VerifyEUICC is put in; the profile package has format
2.0, which our factory does not personalise, so it is stored as a template without places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from ferryman.cli.operator import Operator
from ferryman.codec import isdr, isdr_keys, ota_script
from ferryman.contracts import admin, crypto
from ferryman.contracts.message import Header
from ferryman.contracts.roles import CRYPTO_SERVER, SM_DP
from ferryman.contracts.status import Status
from ferryman.crypto_server import schema as crypto_schema
from ferryman.crypto_server.profile_keys import Keyset, keyset_ref
from ferryman.crypto_server.trust import Trust, signing_ref
from ferryman.profile.template import CompiledTemplate
from ferryman.secure import ecka
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.records import DISABLED, EUICC, SRSettings
from psk_peer import Answer
from recorded_card import (
    EID,
    REAL_ISDP,
    SPI,
    START,
    Bench,
    H,
    Recorded,
    RecordedCard,
    one,
    real_card,
    recorded,
    scp80_keys,
    without_le,
)
from rig import OWNER, subscriptions, wait_order
from virtual_loop import run

ISDR_TARGET = "//aid/A000000559/1010FFFFFFFF8900000100"
ISDP_TARGET = "//aid/A000000559/1010FFFFFFFF8900001300"
LIMIT = 20_000.0  # virtual seconds

DOWNLOAD = ("s1-create-isdp", "s1-keys", "s1-download")


class TraceEntropy:
    """The recorded ephemeral key and host challenge; the rest is never the same twice."""

    def __init__(self, ephemeral: bytes, host_challenge: bytes) -> None:
        self._ephemeral = int.from_bytes(ephemeral)
        self._host_challenge = host_challenge
        self._numbers = itertools.count(1)

    def __call__(self, count: int) -> bytes:
        if count == ecka.ENTROPY_BYTES:
            return (self._ephemeral - 1).to_bytes(ecka.ENTROPY_BYTES)  # ecka takes it modulo n - 1, plus 1
        number = next(self._numbers)
        if count == 32:
            return self._host_challenge + number.to_bytes(4) + bytes(20)
        return number.to_bytes(count)


async def prepare(bench: Bench) -> Operator:
    """Trust, keys, card, template and subscription."""
    signing = one("ecka_kdf", "sgp02-signing-key")["input"]["private"]
    await bench.put_secrets([(signing_ref("dp"), H(signing)), *scp80_keys()])
    certificate = H(one("ecka_kdf", "sgp02-cert-dp")["input"]["certificate"])
    ours = insert(crypto_schema.certificate).values(role="dp", tlv=certificate, created=START)
    await bench.store(CRYPTO_SERVER).write(lambda c: c.execute(ours))
    await bench.register(real_card())
    package = H("".join(one("scp03t", "sgp02-trace-2017-02-14-112827")["input"]["segments_plain"]))
    template = CompiledTemplate((package,), (), "SIMalliance Sample Profile", (2, 0), 2, ()).to_bytes()
    row = insert(dp_schema.template).values(
        owner=OWNER, name="trace", fingerprint="trace", compiled=template, size=len(package), created=START
    )
    await bench.store(SM_DP).write(lambda c: c.execute(row))
    operator = Operator(bench.installation.bus, OWNER)
    await operator.import_subscriptions(subscriptions(1, "trace").encode(), "trace")
    return operator


async def verified(_self: Trust, _header: Header, _body: crypto.VerifyEUICC) -> crypto.EUICCVerified:
    """In place of CryptoServer's check of an EIS that nobody recorded."""
    return crypto.EUICCVerified(ecasd_public_key=H(one("ecka_kdf", "sgp02-trace-0")["input"]["pk_ecasd"]))


@dataclass
class Replay:
    """What one order said and left behind."""

    view: admin.OrderView
    card: RecordedCard
    eis: EUICC
    keyset: Keyset | None


async def order(data: Path, card: RecordedCard, entropy: Callable[[int], bytes]) -> Replay:
    """A whole order with the settings of the recorded server."""
    sm_sr = SRSettings(script_limit=200, spi=SPI)
    sm_dp = DPSettings(segment=1000, memory_factor=0.0, memory_margin=0)
    async with Bench(data, card, sm_sr=sm_sr, sm_dp=sm_dp, entropy=entropy) as bench:
        operator = await prepare(bench)
        request = admin.CreateOrder(owner=OWNER, eid=EID, profile_type="trace", enable=False, validity=3600)
        created = await operator.sm_dp(request)
        assert isinstance(created, admin.OrderView)
        view = await wait_order(operator, created.order_id)
        stored = await bench.secret(keyset_ref(EID, REAL_ISDP))
        keyset = msgspec.msgpack.decode(stored, type=Keyset) if stored is not None else None
        return Replay(view, card, await bench.eis(), keyset)


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """One order against the recorded card."""
    trace = one("ecka_kdf", "sgp02-trace-0")["input"]
    update = one("scp03t", "sgp02-trace-2017-02-14-112827")["input"]["initialize_update"]

    async def scenario(data: Path) -> Replay:
        card = RecordedCard([recorded(name) for name in DOWNLOAD])
        return await order(data, card, TraceEntropy(H(trace["esk_dp"]), H(update)[4:]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trust, "verify_euicc", verified)
        yield run(scenario(tmp_path_factory.mktemp("recorded")), limit=LIMIT)


def sessions() -> list[Recorded]:
    return [recorded(name) for name in DOWNLOAD]


def test_the_order_ends_as_the_recorded_download_did(replay: Replay) -> None:
    assert replay.card.problems == []
    assert replay.card.left == []
    assert replay.view.status is not None
    assert replay.view.status.status is Status.SUCCESS
    assert replay.view.pe_statuses == ("ok",)  # 30 07 A0 05 30 03 80 01 00, deciphered
    assert replay.view.isdp_aid == REAL_ISDP.hex().upper()
    installed = replay.eis.by_aid(REAL_ISDP)
    assert installed is not None
    assert installed.state == DISABLED


def test_every_command_is_the_recorded_one(replay: Replay) -> None:
    ours = [without_le(item) for exchange in replay.card.exchanges for item in exchange.tlvs]
    theirs = [without_le(item) for session in sessions() for item in session.command_tlvs]
    different = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert len(different) == 1  # the signature
    mine, recorded_one = different[0]
    assert mine[: -ecka.SIGNATURE_BYTES] == recorded_one[: -ecka.SIGNATURE_BYTES]
    # CreateISDP has its Le in the recording too.
    assert replay.card.exchanges[0].tlvs == sessions()[0].commands[0]


def test_scripts_are_cut_as_recorded_but_for_the_scp03t_opening(replay: Replay) -> None:
    ours = [tuple(map(without_le, exchange.tlvs)) for exchange in replay.card.exchanges]
    theirs = [tuple(map(without_le, script)) for session in sessions() for script in session.commands]
    opening = next(i for i, script in enumerate(theirs) if script[0][0] == 0x84)
    assert [len(script) for script in ours[:opening]] == [1] * opening
    assert (*ours[opening], *ours[opening + 1]) == theirs[opening]
    assert ours[opening + 2 :] == theirs[opening + 1 :]


def test_script_octets_and_header_fields_are_the_recorded_ones(replay: Replay) -> None:
    names = ("x-admin-protocol", "content-type", "x-admin-targeted-application", "transfer-encoding")

    def fields(answer: Answer) -> dict[str, str]:
        return {name.lower(): value.strip().lower() for name, value in answer.headers if name.lower() in names}

    theirs = {s: r for session in sessions() for s, r in zip(session.commands, session.responses, strict=True)}
    same = [exchange for exchange in replay.card.exchanges if exchange.tlvs in theirs]
    assert len(same) == 1 + 7  # CreateISDP and the segments; the others differ by Le, signature or cut
    for exchange in same:
        answer = theirs[exchange.tlvs]
        assert exchange.script == exchange.http.body == answer.body
        assert exchange.http.status == answer.status == 200
        assert fields(exchange.http) == fields(answer)
        assert len(fields(answer)) == len(names)


def test_next_uri_is_a_new_relative_path_each_time(replay: Replay) -> None:
    uris = [exchange.http.get("X-Admin-Next-URI") for exchange in replay.card.exchanges]
    assert len(set(uris)) == len(uris)
    assert all(uri is not None and uri.startswith("/") and not uri.startswith("//") for uri in uris)


def test_targets_follow_the_session(replay: Replay) -> None:
    targets = [exchange.http.get("X-Admin-Targeted-Application") for exchange in replay.card.exchanges]
    secure = [i for i, e in enumerate(replay.card.exchanges) if e.tlvs[0][0] in (0x84, 0x85, 0x86)]
    assert targets[: secure[0]] == [ISDR_TARGET] * secure[0]
    assert targets[secure[0] :] == [ISDP_TARGET] * len(secure)


def test_signature_is_over_the_recorded_octets(replay: Replay) -> None:
    vector = one("ecka_kdf", "sgp02-signature-1")
    given = vector["input"]
    challenge, epk, a6 = H(given["random_challenge"]), H(given["epk"]), H(given["crt"])
    assert isdr_keys.key_parameters_a6(crypto.ISDP_KEY_VERSION) == a6
    message = isdr_keys.signature_input(a6, epk, challenge)
    assert message == H(vector["expected"]["signed_data"])
    (ours,) = [e.tlvs[0] for e in replay.card.exchanges if epk in e.tlvs[0]]
    signature = ours[ours.index(b"\x5f\x37\x40") + 3 :][: ecka.SIGNATURE_BYTES]
    ecka.verify(H(given["public"]), message, signature)
    ecka.verify(H(given["public"]), message, H(given["signature"]))


def test_keys_are_the_recorded_ones(replay: Replay) -> None:
    """The receipt of the card was verified on the way: a wrong one ends the order (see below)."""
    expected = one("ecka_kdf", "sgp02-trace-0")["expected"]
    keyset = replay.keyset
    assert keyset is not None
    assert [key.hex() for key in (keyset.enc, keyset.mac, keyset.dek)] == [
        expected["kenc"],
        expected["kmac"],
        expected["kdek"],
    ]


def test_segments_are_the_recorded_ones(replay: Replay) -> None:
    expected = one("scp03t", "sgp02-trace-2017-02-14-112827")["expected"]
    sent = [item.hex() for e in replay.card.exchanges for item in e.tlvs if item[0] in (0x85, 0x86)]
    assert sent == [expected["external_authenticate"], *expected["segments_protected"]]


def test_the_recorded_receipt_does_not_fit_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an ephemeral key that was not the recorded one the order ends, and the ISD-P is deleted."""
    trace = one("ecka_kdf", "sgp02-trace-0")["input"]
    monkeypatch.setattr(Trust, "verify_euicc", verified)

    async def scenario() -> Replay:
        card = RecordedCard([recorded(name) for name in DOWNLOAD[:2]], same=lambda _ours, _theirs: True)
        delete = ota_script.c_apdu(isdr.delete_profile(REAL_ISDP))
        card.left.append((delete, H("2303009000"), None))
        return await order(tmp_path, card, TraceEntropy(H(trace["esk_dp"])[:-1] + b"\x01", bytes(8)))

    found = run(scenario(), limit=LIMIT)
    assert found.card.problems == []
    assert found.card.left == []
    assert found.view.status is not None
    assert found.view.status.code == "8.3/4.2"
    assert "receipt" in found.view.status.message
    assert found.keyset is None
    assert found.eis.by_aid(REAL_ISDP) is None
