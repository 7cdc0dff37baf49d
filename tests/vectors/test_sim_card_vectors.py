"""The simulated eUICC's codecs and channels against the reference vectors and recorded sessions of a real card."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman_sim.card import Card, crypto, download, key_establishment, scp03, scp03t, scp80, sms
from ferryman_sim.card.core import Core
from ferryman_sim.card.dialogue import Dialogues
from ferryman_sim.card.put_key import TYPE_AES, read_put_key
from ferryman_sim.card.session_trigger import read_trigger
from ferryman_sim.card.state import load_state
from ferryman_sim.card.tlv import read_tlv
from ferryman_sim.profile import InstallOutcome, install
from shared_data import vectors
from sim_card_kit import Bench, entropy_of, image, package
from sim_card_wire import H

REAL_ISDP = H("A0000005591010FFFFFFFF8900001300")


def chosen(name: str, wanted: Any = lambda _: True) -> list[Any]:
    """Parameters of one vector file; a placeholder that skips when the file is not there."""
    found = [pytest.param(vector, id=vector["id"]) for vector in vectors(name) if wanted(vector["input"])]
    reason = "reference data not present: vectors"
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=reason))]


def is_aes(given: dict[str, Any]) -> bool:
    """AES with 8-byte CMAC: the only algorithms of an SGP.02 card."""
    ciphered = int(given["spi"][:2], 16) & 4 if "spi" in given else True
    return given["kid"][1] == "2" and given["cc_len"] == 8 and (not ciphered or given["kic"][1] == "2")


@pytest.mark.parametrize("vector", chosen("scp80_sms_command", is_aes))
def test_scp80_command_is_opened(vector: dict[str, Any]) -> None:
    given = vector["input"]
    header = scp80.read_header(H(vector["expected"]["packet"]))
    scp80.check_header_length(header)
    opened = scp80.open_command(header, H(given["kic_key"] or ""), H(given["kid_key"] or ""))
    assert (opened.data.hex(), opened.counter) == (given["data"], int(given["cntr"], 16))
    assert (header.tar.hex(), header.spi1, header.spi2) == (
        given["tar"],
        int(given["spi"][:2], 16),
        int(given["spi"][2:], 16),
    )


@pytest.mark.parametrize("vector", chosen("scp80_sms_response", is_aes))
def test_scp80_response_is_built(vector: dict[str, Any]) -> None:
    given = vector["input"]
    names = ("tar", "data", "kic_key", "kid_key")
    tar, data, kic, kid = (H(given[name] or "") for name in names)
    packet = scp80.seal_response(
        int(given["spi2"], 16), tar, int(given["cntr"], 16), int(given["status"], 16), data, kic, kid
    )
    assert packet.hex() == vector["expected"]["packet"]


def aes_command(given: dict[str, Any]) -> bool:
    return bool(given["kind"] == "command" and H(given["packet"])[5] & 0x0F == 2)


@pytest.mark.parametrize("vector", chosen("scp80_negative", aes_command))
def test_scp80_negative_on_a_whole_card(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    isdr = image()["isdr"]
    keys = {"kvn": 1, "kic": given["kic_key"], "kid": given["kid_key"], "dek": "00" * 16}
    made = image(isdr={**isdr, "scp80": [{**keys, "counter": int(given["last_counter"], 16)}]})
    bench = Bench(Card.load(made, 0.0))
    actions = bench.send(H(given["packet"]))
    both = (H(given["kic_key"]), H(given["kid_key"]))
    assert [entry["command"].split()[0] for entry in bench.card.log] == (
        ["HandleNotificationConfirmation"] if expected["accept"] else []
    )
    code = expected.get("status_code")
    silent = code in ("none", "01", "0a")
    if silent:
        assert actions == []
        return
    (action,) = actions
    tar = H(given["packet"])[7:10]
    assert bench.open_por(action, keys=both, tar=tar)[1] == int(code or "00", 16)


@pytest.mark.parametrize(
    "vector",
    chosen("sms_tpdu", lambda i: i["op"] == "segment" and i["reference_bits"] == 8 and i["order"] == "concat"),
)
def test_sms_segmentation(vector: dict[str, Any]) -> None:
    given = vector["input"]
    element = sms.COMMAND_ELEMENT if given["direction"] == "mt" else sms.RESPONSE_ELEMENT
    uds = sms.segment(H(given["packet"]), element, given["reference"])
    assert [ud.hex() for ud in uds] == vector["expected"]["ud"]


@pytest.mark.parametrize("vector", chosen("sms_tpdu", lambda i: i["op"] == "segment" and i["direction"] == "mt"))
def test_sms_reassembly_of_segments(vector: dict[str, Any]) -> None:
    parts = sms.Reassembler()
    found = [parts.add("+1", sms.read_part(H(ud))) for ud in vector["expected"]["ud"]]
    assert found[:-1] == [None] * (len(found) - 1)
    assert found[-1] == H(vector["input"]["packet"])


@pytest.mark.parametrize("vector", chosen("sms_tpdu", lambda i: i["op"] == "reassemble"))
def test_sms_reassembly_of_disorder(vector: dict[str, Any]) -> None:
    parts = sms.Reassembler()
    complete = []
    for arrival in vector["input"]["arrivals"]:
        packet = parts.add(arrival["originator"], sms.read_part(H(arrival["ud"])))
        if packet is not None:
            complete.append({"originator": arrival["originator"], "packet": packet.hex()})
    assert complete == vector["expected"]["complete"]
    assert len(parts.pending) == vector["expected"].get("pending", len(parts.pending))


@pytest.mark.parametrize("vector", chosen("remote_apdu", lambda i: i["op"] == "session_trigger"))
def test_session_trigger_is_read(vector: dict[str, Any]) -> None:
    found = read_trigger(H(vector["expected"]["data"]))
    given = vector["input"]
    for part, values in (
        ("connection_parameters", (found.port,)),
        ("security_parameters", (found.kvn,)),
        ("retry_policy", (found.retries,)),
    ):
        if given[part] is None:
            assert values == (None,)
        elif part != "connection_parameters" or "3c" in given[part]:
            assert values != (None,)


# --- secure channels ------------------------------------------------------------------------------


def session_of(given: dict[str, Any], expected: dict[str, Any]) -> scp03.Session:
    both = {**expected, **given}
    host, challenge = H(both["host_challenge"]), H(both["card_challenge"])
    session, cryptogram = scp03.derive(H(given["kenc"]), H(given["kmac"]), 0x30, host, challenge)
    if "card_cryptogram" in expected:
        assert cryptogram.hex() == expected["card_cryptogram"]
    return session


@pytest.mark.parametrize(
    "vector", chosen("scp03", lambda i: i.get("security_level") == "33" and "wrapped" not in i)
)
def test_scp03_session(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    session = session_of(given, expected)
    wire = H(expected.get("external_authenticate") or given["external_authenticate"])
    if expected.get("accept") is False:
        with pytest.raises(scp03.SecurityFailed):
            session.authenticate(wire[:5], wire[5:13], wire[13:21])
        return
    session.authenticate(wire[:5], wire[5:13], wire[13:21])
    for command in expected["commands"]:
        wrapped, plain = H(command["wrapped"]), H(command["plain"])
        data = session.unwrap(wrapped[:4], wrapped[5 : 5 + wrapped[4]])
        assert data == (plain[5 : 5 + plain[4]] if len(plain) > 5 else b"")
        if command.get("sw", "9000") == "9000" and "rsp_wrapped" in command:
            assert session.wrap(H(command["rsp_plain"]), 0x9000).hex() == command["rsp_wrapped"]


@pytest.mark.parametrize("vector", chosen("scp03", lambda i: "wrapped" in i and "rsp_wrapped" not in i))
def test_scp03_negative(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    session = session_of(given, expected)
    wire = H(given["external_authenticate"])
    session.authenticate(wire[:5], wire[5:13], wire[13:21])
    wrapped = H(given["wrapped"])
    body = wrapped[5 : 5 + wrapped[4]]
    if not expected.get("accept", expected.get("accept_first")):
        with pytest.raises(scp03.SecurityFailed):
            session.unwrap(wrapped[:4], body)
        return
    session.unwrap(wrapped[:4], body)
    if given.get("replay"):
        with pytest.raises(scp03.SecurityFailed):
            session.unwrap(wrapped[:4], body)


@pytest.mark.parametrize("vector", chosen("scp03", lambda i: "new_key_version" in i))
def test_put_key_of_a_real_session(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    put = read_put_key(H(expected["data_field"]), (TYPE_AES,), H(given["kdek"]))
    assert (put.keys, put.kvn) == ((H(given["key"]),), int(given["new_key_version"], 16))
    assert put.answer.hex() == given["new_key_version"] + expected["kcv"]


@pytest.mark.parametrize("vector", chosen("scp03t", lambda i: "segments_plain" in i))
def test_scp03t_download(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    kvn, challenge = scp03t.read_initialize_update(read_tlv(H(given["initialize_update"]))[0])
    sequence = int(expected.get("sequence_counter") or given["sequence_counter"], 16)
    session, answer = scp03.initialize(
        H(given["kenc"]), H(given["kmac"]), kvn, sequence, H(given["isdp_aid"]), challenge
    )
    wanted = given.get("initialize_update_response") or expected["initialize_update_response"]
    assert "8420" + answer.hex() == wanted
    scp03t.external_authenticate(session, read_tlv(H(expected["external_authenticate"]))[0])
    for plain, protected in zip(given["segments_plain"], expected["segments_protected"], strict=True):
        assert scp03t.open_segment(session, read_tlv(H(protected))[0], limit=1100).hex() == plain
    last = expected["responses"][-1] if "responses" in expected else expected["final_response"]
    plain = expected.get("final_response_plain") or given["final_response_plain"]
    assert scp03t.seal_answer(session, H(plain)).hex() == last


@pytest.mark.parametrize("vector", chosen("scp03t", lambda i: "card_challenge" in i and "segments_protected" in i))
def test_scp03t_negative(vector: dict[str, Any]) -> None:
    given = vector["input"]
    session = session_of(given, {})
    answer = b""
    for wire in (given["external_authenticate"], *given["segments_protected"]):
        item = read_tlv(H(wire))[0]
        try:
            if item.tag == scp03t.EXTERNAL_AUTHENTICATE:
                scp03t.external_authenticate(session, item)
            else:
                scp03t.open_segment(session, item)
        except scp03t.ErrorAnswer as error:
            answer = scp03t.error_answer(item.tag, error.code)
            break
    assert [answer.hex()] == vector["expected"]["responses"]


@pytest.mark.parametrize(
    "vector", chosen("scp03t", lambda i: "card_challenge" not in i and "segments_plain" not in i)
)
def test_scp03t_without_keys_or_without_segments(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    item = H(given["initialize_update"])
    if "kenc" not in given:
        found = real_card().https_script(REAL_ISDP, b"\xae\x80" + item + b"\x00\x00", 0.0)
        assert found.body == H("AF80" + expected["responses"][0] + "0000")
        return
    kvn, challenge = scp03t.read_initialize_update(read_tlv(item)[0])
    keys = H(given["kenc"]), H(given["kmac"])
    sequence = int(given["sequence_counter"], 16)
    _, answer = scp03.initialize(*keys, kvn, sequence, H(given["isdp_aid"]), challenge)
    assert "8420" + answer.hex() == expected["initialize_update_response"]


CURVES = {"secp256r1": crypto.P256, "brainpoolP256r1": crypto.BRAINPOOL}


def scenario3(given: dict[str, Any]) -> bool:
    """Three keys: what this card does."""
    return bool(given["op"] == "scenario3" and "95015c" not in given["crt"])


@pytest.mark.parametrize("vector", chosen("ecka_kdf", scenario3))
def test_scenario_3_receipts(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    parameters = key_establishment.read_parameters(H(given["crt"]), range(0x01, 0x50))
    # The vectors have the host's private key: the shared point is the same from either end.
    found = key_establishment.establish(
        parameters,
        H(given["esk_dp"]),
        crypto.read_point(H(given["pk_ecasd"]), CURVES[given["curve"]]),
        sin=H(given["sin"] or ""),
        sdin=H(given["sdin"] or ""),
        random=H(given["dr"]) if given["dr"] else None,
    )
    assert found.receipt.hex() == expected["receipt"]
    wanted = expected.get("keys") or [expected[name] for name in ("kenc", "kmac", "kdek")]
    assert [key.hex() for key in found.keys] == wanted


@pytest.mark.parametrize(
    "vector", chosen("ecka_kdf", lambda i: i["op"] in ("verify_signature", "verify_tlv_certificate"))
)
def test_signatures_of_a_real_sm_dp(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    if given["op"] == "verify_tlv_certificate":
        certificate = key_establishment.read_certificate(H(given["certificate"]), H(given["ci_public"]))
        assert certificate.role == key_establishment.ROLE_SM_DP
        return
    crt = H(given["crt"])
    dgi = b"\x3a\x02" + bytes([len(crt)]) + crt
    request = key_establishment.KeyRequest(dgi, crt, H(given["epk"]), H(given["signature"]))
    signed = request.signed_data(H(given["random_challenge"]))
    public = crypto.read_point(H(given["public"]))
    if expected["valid"]:
        assert signed.hex() == expected["signed_data"]
        crypto.verify(public, signed, request.signature)
    else:
        with pytest.raises(crypto.BadSignature):
            crypto.verify(public, signed, request.signature)


@pytest.mark.parametrize("vector", chosen("ecka_kdf", lambda i: i["op"] in ("cmac", "x963", "scp03_kdf", "ecdh")))
def test_primitives(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    if given["op"] == "cmac":
        assert crypto.cmac(H(given["key"]), H(given["message"])).hex() == expected["mac"]
    elif given["op"] == "x963" and given["hash"].lower().replace("-", "") == "sha256":
        found = crypto.x963(H(given["z"]), H(given["shared_info"] or ""), given["length"])
        assert found.hex() == expected["output"]
    elif given["op"] == "scp03_kdf":
        context = H(given["context"])
        found = crypto.scp03_derive(H(given["key"]), int(str(given["constant"]), 16), given["bits"], context)
        assert found.hex() == expected["output"]
    elif given.get("curve") in CURVES and "error" in expected:
        with pytest.raises(crypto.BadPoint):
            crypto.read_point(H(given["peer_public"]), CURVES[given["curve"]])
    elif given.get("curve") in CURVES:
        peer = crypto.read_point(H(given["peer_public"]), CURVES[given["curve"]])
        assert crypto.agree(H(given["private"]), peer).hex() == expected["z"]


# --- recorded sessions, replayed into a whole card -----------------------------------------------


def recorded(name: str) -> list[tuple[str, str]]:
    """(command script, response script) of a recorded session."""
    found = [vector for vector in vectors("sgp02_session") if vector["id"] == name]
    if not found:
        pytest.skip("reference data not present: vectors")
    bodies = [step["body"] for step in found[0]["expected"]["steps"] if "body" in step]
    return list(zip(bodies[::2], bodies[1::2], strict=True))


def one(name: str, identifier: str) -> dict[str, Any]:
    (found,) = [vector for vector in vectors(name) if vector["id"] == identifier]
    return found


def real_card(keys: dict[str, Any] | None = None, sequence: int = 0, state: int = 0x07) -> Card:
    """A card with the real one's ISD-P AID, and its keys if given."""
    card = Card.load(image(), 0.0)
    card.https_script(None, H(recorded("s1-create-isdp")[0][0]), 1.0)
    dump = card.dump()
    if keys is not None:
        names = {"enc": "kenc", "mac": "kmac", "dek": "kdek"}
        keyset = {name: keys[key] for name, key in names.items()}
        dump["isdps"][0]["keysets"] = [{"kvn": 0x30, **keyset, "sequence": sequence}]
        dump["isdps"][0]["state"] = state
    return Card.load(dump, 2.0)


def replay(card: Card, target: bytes | None, name: str) -> None:
    for command, response in recorded(name):
        result = card.https_script(target, H(command), 3.0)
        assert result.body is not None
        assert result.body.hex() == response


def test_recorded_creation_of_an_isdp() -> None:
    replay(Card.load(image(), 0.0), None, "s1-create-isdp")


def test_recorded_key_establishment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte; only the ECDH is put in, because the real card's private key is of course unknown."""
    recorded("s1-keys")
    keys = one("ecka_kdf", "sgp02-trace-0")["expected"]
    authority = one("ecka_kdf", "sgp02-cert-dp")["input"]["ci_public"]
    dump = real_card().dump()
    dump["ecasd"]["ci_pk"] = authority
    card = Card.load(dump, 0.0, entropy=entropy_of(bytes(range(16))))
    monkeypatch.setattr(key_establishment.crypto, "agree", lambda _private, _public: H(keys["z"]))
    replay(card, None, "s1-keys")
    (keyset,) = card.dump()["isdps"][0]["keysets"]
    assert [keyset[name].lower() for name in ("enc", "mac", "dek")] == [keys["kenc"], keys["kmac"], keys["kdek"]]


class Recorder:
    """Stands in for the Profile interpreter: takes exactly the recorded package, and installs one of today's."""

    wanted = b""

    def __init__(self, *, free_memory: int, limits: Any) -> None:
        assert (free_memory, limits) == (400_000, None)
        self.taken = b""

    def feed(self, data: bytes) -> InstallOutcome | None:
        self.taken += data
        assert self.wanted.startswith(self.taken)
        return install(package(), free_memory=400_000) if self.taken == self.wanted else None


def downloaded(monkeypatch: pytest.MonkeyPatch) -> Card:
    """The real card's download, answered byte for byte."""
    recorded("s1-download")
    keys = one("scp03t", "sgp02-trace-2017-02-14-112827")["input"]
    monkeypatch.setattr(Recorder, "wanted", H("".join(keys["segments_plain"])))
    monkeypatch.setattr(download, "Installation", Recorder)
    card = real_card(keys, state=0x0F)
    replay(card, REAL_ISDP, "s1-download")
    return card


def test_recorded_download(monkeypatch: pytest.MonkeyPatch) -> None:
    assert downloaded(monkeypatch).profiles()[0]["state"] == 0x1F


def test_recorded_update_of_connectivity_parameters_and_put_key(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = downloaded(monkeypatch).dump()
    keys = one("scp03", "sgp02-trace-7")["input"]
    names = {"enc": "kenc", "mac": "kmac", "dek": "kdek"}
    dump["isdps"][0]["keysets"] = [{"kvn": 0x30, **{k: keys[v] for k, v in names.items()}, "sequence": 2}]
    card = Card.load(dump, 0.0)
    replay(card, REAL_ISDP, "s3-connectivity")
    stored = card.dump()["isdps"][0]
    assert stored["token_key"] is not None
    assert stored["connectivity"] is not None
    assert [entry["sw"] for entry in card.log[-6:]] == ["9000"] * 6


def test_contexts_are_not_shared_between_cards() -> None:
    core = Core(load_state(image()), entropy_of(), 0.0)
    first, second = Dialogues(core), Dialogues(core)
    first.session.personalized = REAL_ISDP
    assert second.session.personalized is None
