"""Makes the seed corpora under `corpus/`: `python tests/fuzz/build_corpus.py`, from the folder of the repository.

Sources are the vectors of confidence G (computed by a reference implementation) and octets that this project
makes itself; nothing recorded from anybody else goes in. The corpora are in the tree, so this runs only when one
is to change; it needs the reference data (FERRYMAN_SHARED).
"""

from __future__ import annotations

import datetime
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from ferryman.codec import tlv  # noqa: E402
from ferryman.codec.saip import decode as decode_package  # noqa: E402
from ferryman.codec.saip import encode as encode_package  # noqa: E402
from ferryman.codec.saip.schema import SCHEMAS  # noqa: E402
from ferryman.codec.smpp import messages as m  # noqa: E402
from ferryman.codec.smpp.pdu import encode  # noqa: E402
from ferryman.codec.smpp.tlv import TLV  # noqa: E402
from ferryman.profile.definition import combined  # noqa: E402
from ferryman.profile.demo_template import demo_template  # noqa: E402
from ferryman.profile.documents import dump_yaml, write_package  # noqa: E402
from ferryman.secure import certificate, ecka  # noqa: E402
from psk_peer import EID, IDENTITY, ISDR, request_bytes  # noqa: E402
from saip_generator import generated_package  # noqa: E402

MAX_SEED = 4_096  # octets of one seed; what is longer only slows the start down
MAX_SEEDS = 32  # of one harness


def vectors(name: str) -> list[dict[str, Any]]:
    """The computed vectors of one file."""
    root = Path(os.environ.get("FERRYMAN_SHARED") or HERE.parent.parent.parent / "shared")
    loaded: list[dict[str, Any]] = json.loads((root / "reference" / "vectors" / f"{name}.json").read_text())[
        "vectors"
    ]
    return [vector for vector in loaded if vector["confidence"] == "G"]


def of(name: str, op: str) -> Iterator[dict[str, Any]]:
    """The computed vectors of one operation."""
    return (vector for vector in vectors(name) if vector["input"].get("op") == op)


def smpp_pdu() -> Iterator[bytes]:
    for vector in of("smpp", "codec"):
        yield bytes.fromhex(vector["expected"]["pdu"])
    for vector in of("smpp", "parse_receipt"):
        yield encode(m.DeliverSM(sequence=7, esm_class=4, short_message=vector["input"]["text"].encode()))
    yield encode(m.SubmitMultiResp(message_id="1", unsuccessful=(m.Unsuccessful(1, 1, "336", 11),)))
    yield encode(m.DataSM(source_addr="336", tlvs=(TLV(0x424, b"\x02\x71\x00data"),)))


def smpp_stream() -> Iterator[bytes]:
    for vector in of("smpp", "stream"):
        yield b"".join(bytes.fromhex(piece) for piece in vector["input"]["reads"])
    deliver = encode(m.DeliverSM(sequence=5, esm_class=0x40, source_addr="336", short_message=b"\x02\x71\x00abc"))
    yield encode(m.EnquireLink(sequence=1)) + deliver + encode(m.Unbind(sequence=9))
    yield encode(m.SubmitSMResp(sequence=2, message_id="a")) + encode(m.GenericNack(sequence=3, status=3))
    yield encode(m.BindTransceiverResp(sequence=1)) + deliver[:-3]
    yield encode(m.SubmitSMResp(sequence=4, status=0x58)) + b"\0\0\0\x0f"


def sms_tpdu() -> Iterator[bytes]:
    for vector in of("sms_tpdu", "segment"):
        yield bytes.fromhex(vector["expected"]["tpdu"][0])
    tpdu = bytes.fromhex(next(of("sms_tpdu", "segment"))["expected"]["tpdu"][0])
    yield tlv.encode(0xD1, bytes.fromhex("82028381") + tlv.encode(0x8B, tpdu))
    yield tlv.encode(0xD0, bytes.fromhex("810301130082028183") + tlv.encode(0x8B, tpdu))


def sms_mo() -> Iterator[bytes]:
    sar = (TLV(0x20C, b"\0\7"), TLV(0x20E, b"\2"), TLV(0x20F, b"\1"))
    for esm_class, ud, tlvs in (
        (0x40, bytes.fromhex("027100") + b"answer", ()),
        (0x40, bytes.fromhex("0700035c02017100") + b"first", ()),
        (0x40, bytes.fromhex("027100") + b"first", sar),
        (0x00, b"second", (sar[0], sar[1], TLV(0x20F, b"\2"))),
        (0x40, b"", (TLV(0x424, bytes.fromhex("027000") + b"payload"),)),
    ):
        yield encode(m.DeliverSM(source_addr="33600000001", esm_class=esm_class, short_message=ud, tlvs=tlvs))
    yield encode(m.DataSM(esm_class=0x40, tlvs=(TLV(0x424, bytes.fromhex("027100") + b"data"), *sar)))


def sms_user_data() -> Iterator[bytes]:
    for vector in of("sms_tpdu", "segment"):
        yield bytes.fromhex(vector["expected"]["ud"][-1])


def sms_reassembly() -> Iterator[bytes]:
    """Arrivals as the harness reads them: sender, seconds, length, user data."""
    for vector in of("sms_tpdu", "reassemble"):
        uds = [bytes.fromhex(arrival["ud"]) for arrival in vector["input"]["arrivals"]]
        yield b"".join(bytes((7, 1, len(ud))) + ud for ud in uds)
    yield b"".join(bytes((n % 5, 0, 7, 5, 0, 3, n, 2, 1, n)) for n in range(60))


def ber_tlv() -> Iterator[bytes]:
    yield tlv.encode(0x22, b"abc") + tlv.encode(0x7F21, bytes(130)) + tlv.encode(0x9F44, b"\1")
    yield bytes.fromhex("228101612282000162228300000163")
    yield tlv.encode_dgi(0x3A05, b"abc") + tlv.encode_dgi(0x0085, bytes(255)) + bytes.fromhex("3A04FF000161")
    yield tlv.encode(0xE1, tlv.encode(0x4C, bytes(16)) + tlv.encode(0x4D, b"\1"))


def scp80_command() -> Iterator[bytes]:
    # Their keys are others than the harness has: these end at the check value, the ones below behind it.
    for name in ("scp80_sms_command", "scp80_bip"):
        yield from (bytes.fromhex(vector["expected"]["packet"]) for vector in vectors(name)[:8])
    from ferryman.secure import scp80

    for spi, data in (("1639", b"data"), ("0200", b"\xe1\x00"), ("0000", b""), ("1221", bytes(20))):
        for ber in (False, True):
            yield scp80.wrap_command(
                bytes(range(16)), bytes(range(16)), spi=bytes.fromhex(spi), kic=0x12, kid=0x12,
                tar=bytes.fromhex("000001"), counter=7, data=data, ber=ber,
            )  # fmt: skip


def scp80_response() -> Iterator[bytes]:
    yield from (bytes.fromhex(vector["expected"]["packet"]) for vector in vectors("scp80_sms_response")[:8])
    from ferryman.secure import scp80

    for spi2, data in ((0x39, bytes.fromhex("ab0a80010123059000")), (0x09, b"x"), (0x01, b""), (0x21, bytes(9))):
        for ber in (False, True):
            yield scp80.wrap_response(
                bytes(range(16)), bytes(range(16)), spi2=spi2, kic=0x12, kid=0x12, tar=bytes.fromhex("000001"),
                counter=7, status=0, data=data, ber=ber,
            )  # fmt: skip


def ota_script() -> Iterator[bytes]:
    for vector in of("remote_apdu", "decode"):
        yield bytes.fromhex(vector["input"]["data"])
    for vector in of("remote_apdu", "encode"):
        yield b"".join(tlv.encode(0x22, bytes.fromhex(apdu)) for apdu in vector["input"]["c_apdus"])
    yield bytes.fromhex("af808401012390000000")
    yield bytes.fromhex("af8085019f9f4601ff0000")
    yield bytes.fromhex("80e28900053a0308010280f24002024f0000")
    yield bytes.fromhex("840a112233445566778801028502abcd8603010203")


def admin_trigger() -> Iterator[bytes]:
    for vector in of("remote_apdu", "session_trigger"):
        yield bytes.fromhex(next(value for value in vector["expected"].values() if isinstance(value, str)))
    yield bytes.fromhex("8100")


def isdr_answer() -> Iterator[bytes]:
    eid = bytes.fromhex(EID)
    aid = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
    body = tlv.encode(0x4C, eid) + bytes.fromhex("4d01014e020007") + tlv.encode(0x2F, aid)
    yield tlv.encode(0xE1, body)
    yield tlv.encode(0xE1, body + bytes.fromhex("1408") + bytes(8))
    status = tlv.encode(0x4F, aid) + bytes.fromhex("9f70013f5301018f0400010000910400008000")
    yield tlv.encode(0xE3, status) * 2
    yield tlv.encode(0xFF21, bytes.fromhex("810102820400010000830400002000"))
    yield tlv.encode(0xBF30, tlv.encode(0x7F21, bytes.fromhex("9301015f3702abcd")))
    yield tlv.encode(0xBF30, tlv.encode(0x66, bytes.fromhex("7306060402020202")))
    yield tlv.encode(0x85, bytes(range(16)))
    yield tlv.encode(0x86, bytes(range(16))) + tlv.encode(0x85, bytes(range(16)))
    yield tlv.encode(0x80, tlv.encode(0x4F, aid))
    yield bytes.fromhex("3009a0073005800100810108")
    yield bytes.fromhex("3015a00f300d80021234810102820103830200108100") + b"\x82\x02ok"
    yield bytes(10) + bytes.fromhex("300370") + bytes(19)


def scp03t_answer() -> Iterator[bytes]:
    from ferryman.secure import scp03

    keys, aid, host = (
        scp03.StaticKeys(*[bytes(range(16))] * 2),
        bytes.fromhex("A0000005591010FFFFFFFF8900001000"),
        bytes(8),
    )
    for counter in (7, 8):
        card = scp03.predict_card_challenge(keys.enc, counter, aid)
        cryptogram = scp03.card_cryptogram(scp03.session_keys(keys, host, card), host, card)
        yield tlv.encode(0x84, bytes(10) + bytes.fromhex("300370") + card + cryptogram + counter.to_bytes(3))
    yield bytes.fromhex("8500")
    yield bytes.fromhex("8600")
    yield tlv.encode(0x86, bytes(24))
    yield from (bytes.fromhex(text) for text in ("9F440101", "9F450102", "9F460103"))


def psk_identity() -> Iterator[bytes]:
    yield IDENTITY.encode()
    yield IDENTITY.lower().encode()
    yield f"8301404F10{ISDR}8110{EID}820101800102".encode()
    yield f"84020000800102 8110{EID}".replace(" ", "").encode()
    yield bytes.fromhex(IDENTITY)


def _hello(extensions: bytes = b"", session: bytes = b"") -> bytes:
    body = bytes.fromhex("0303") + bytes(range(32)) + bytes((len(session),)) + session
    body += bytes.fromhex("000600a800ae00ff0100")
    if extensions:
        body += len(extensions).to_bytes(2) + extensions
    return b"\x01" + len(body).to_bytes(3) + body


def _record(kind: int, fragment: bytes) -> bytes:
    return bytes((kind, 3, 3)) + len(fragment).to_bytes(2) + fragment


def tls_flight() -> Iterator[bytes]:
    text = IDENTITY.encode()
    exchange = b"\x10" + (len(text) + 2).to_bytes(3) + len(text).to_bytes(2) + text
    rest = _record(20, b"\x01") + _record(22, bytes(40))
    hello = _hello(bytes.fromhex("0001000101002300000017000000160000"))
    yield _record(22, hello) + _record(22, exchange) + rest
    yield _record(22, _hello()) + _record(22, exchange)
    yield _record(22, _hello(bytes.fromhex("00230004aabbccdd"), bytes(32)))
    yield _record(22, hello[:20]) + _record(22, hello[20:]) + _record(21, b"\x02\x28")
    yield _record(22, hello + exchange)
    yield hello[4:]


def http_exchange() -> Iterator[bytes]:
    for vector in of("scp81_http", "parse_http"):
        yield bytes.fromhex(vector["input"]["http"])
    yield request_bytes()
    yield request_bytes("/gsma/adminagent?msg=E10A", body=b"\xab\x05\x80\x01\x01")
    yield request_bytes(extra=("Content-Length: 3", "X-Admin-Resume: true")) + b"abc"
    yield request_bytes(body=b"abc")[:-5] + b"3;x=y\r\nabc\r\n0\r\n\r\n"
    yield request_bytes() + request_bytes()
    yield b"\r\n" + request_bytes(extra=("Connection: close",))
    # Near the limit of a head, where "too long" must not depend on how it is cut.
    yield request_bytes(extra=("X-A: " + "a" * 7_900,))[:8_400]


def admin_request() -> Iterator[bytes]:
    for vector in of("scp81_http", "parse_http"):
        head, _, body = bytes.fromhex(vector["input"]["http"]).partition(b"\r\n\r\n")
        if head.startswith(b"POST "):
            first, *lines = head.split(b"\r\n")
            yield (
                b"\n".join([first.split(b" ")[1], *(line.replace(b": ", b":", 1) for line in lines)])
                + b"\n\n"
                + body
            )
    yield b"//aid/A000000559/1010FFFFFFFF8900000100\n\n"


def eis_xml() -> Iterator[bytes]:
    from ferryman_sim.__main__ import build_parser
    from ferryman_sim.card_maker import batch, command

    words = ["card-maker", "make", "--out", "unused", "--count", "1", "--seed", "7"]
    words += ["--smsr-address", "+33600000001", "--https-host", "sr.example"]
    made = batch.produce(command.order_from(build_parser().parse_args(words)))
    yield made.delivery


def eum_signature() -> Iterator[bytes]:
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from lxml import etree

    from fuzz.decoders_documents import signature_xml

    delivered = etree.fromstring(next(eis_xml()))
    text = delivered.findtext(".//{http://www.w3.org/2000/09/xmldsig#}X509Certificate")
    eum = base64.b64decode("".join((text or "").split()))
    yield eum
    yield signature_xml(eum)
    keys = [ec.derive_private_key(7, ec.SECP256R1()), ec.derive_private_key(9, ec.BrainpoolP256R1())]
    for key in keys:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "EUM")])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(datetime.datetime(2026, 1, 1))
            .not_valid_after(datetime.datetime(2030, 1, 1))
            .add_extension(x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]), False)
            .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
        )
        yield made.public_bytes(serialization.Encoding.DER)


def saip_package() -> Iterator[bytes]:
    whole = demo_template()
    yield whole
    elements, at = [], 0
    while at < len(whole):
        item, at = tlv.read(whole, at)
        elements.append(item.raw)
    # One rule broken each: a length of an element written longer than it has to be, an integer padded.
    yield elements[0] + elements[-1][:1] + b"\x81" + elements[-1][1:]
    header = tlv.parse_one(elements[0], 0xA0).value
    yield tlv.encode(0xA0, header.replace(bytes.fromhex("810103"), bytes.fromhex("81020003"), 1)) + elements[-1]
    for each in elements[1:-1]:
        yield elements[0] + each + elements[-1]
    for number, version in enumerate(sorted(SCHEMAS)):
        for turn in range(2):
            yield encode_package(generated_package(random.Random(100 * turn + number), version))


def saip_notation() -> Iterator[bytes]:
    for number, version in enumerate(sorted(SCHEMAS)):
        package = generated_package(random.Random(number), version)
        yield write_package(package, "asn1")
        yield write_package(package, "yaml")
    yield b"-- comment --\r\n/* one /* two */ */ " + write_package(decode_package(demo_template()), "asn1")[:3000]


def template_definition() -> Iterator[bytes]:
    variables = {
        "iccid": {"type": "digits", "length": "18..20"},
        "iccid_ef": {"derive": "iccid_ef(iccid)"},
        "ki": {"type": "hex", "length": 16, "secret": True, "sample": "00" * 16},
        "name": {"type": "text", "length": "0..16", "default": "x"},
    }
    places = {
        "mf.ef-iccid.content": "{iccid_ef}",
        "akaParameter[usim].key": "{ki}",
        "usim.ef-spn.content": "00{name}FF",
        "pinCodes[2].pinCodes[keyReference=secondPINAppl1].pinValue": "3132333435363738",
    }
    declarations = dump_yaml({"variables": variables, "map": places}).encode()
    yield declarations
    yield combined(demo_template(), declarations)[:MAX_SEED]
    yield combined(write_package(decode_package(demo_template()), "yaml"), dump_yaml({"variables": {}}).encode())


def gp_certificate() -> Iterator[bytes]:
    day = datetime.date(2030, 12, 31)
    for curve, private in ((ecka.Curve.P256, 7), (ecka.Curve.BRAINPOOL_P256R1, 9)):
        point = ecka.public_key(private.to_bytes(32), curve=curve)
        for role in (None, certificate.ROLE_SMDP):
            tbs = certificate.build_tbs(
                serial=b"\x01", ca_id=b"CI", subject=b"subject", not_after=day, public_key=point, role=role,
                not_before=datetime.date(2026, 1, 1) if role else None, aki=bytes(20) if role else None,
                curve=curve,
            )  # fmt: skip
            yield certificate.build_certificate(tbs, bytes(range(64)))


def subscriptions_csv() -> Iterator[bytes]:
    key = "0f1571c947d9e8590cb7add6af7f6798"
    heading = "ICCID,IMSI,MSISDN,KI,OPC,PIN1,PUK1,ADM1,KIC,KID,KIK"
    line = f"8999010000000000185,001019876543210,+99912345678,{key},{key},1234,12345678,12345678,{key},{key},{key}"
    other = line.replace("0185", "0193").replace("3210", "3211").replace("+99912345678", "")
    yield f"{heading}\n{line}\n{other}\n".encode()
    yield "\ufeff".encode() + f"{heading}\r\n{line}\r\n".replace(",", ";").encode()
    yield f"{heading.replace('OPC', 'OP')}\tPIN2\tPUK2\n{line}\t5678\t87654321\n".replace(",", "\t").encode()
    yield f'{heading}\n"{line.replace(",", chr(34) + "," + chr(34))}"\n'.encode()


MAKERS = (
    smpp_pdu,
    smpp_stream,
    sms_mo,
    sms_tpdu,
    sms_user_data,
    sms_reassembly,
    ber_tlv,
    scp80_command,
    scp80_response,
    ota_script,
    admin_trigger,
    isdr_answer,
    scp03t_answer,
    psk_identity,
    tls_flight,
    http_exchange,
    admin_request,
    eis_xml,
    eum_signature,
    saip_package,
    saip_notation,
    template_definition,
    gp_certificate,
    subscriptions_csv,
)


def main() -> None:
    """Write every corpus anew."""
    for maker in MAKERS:
        folder = HERE / "corpus" / maker.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.bin"):
            old.unlink()
        limit = 8 * MAX_SEED if maker in (http_exchange, eis_xml, saip_package, template_definition) else MAX_SEED
        found = list(dict.fromkeys(seed for seed in maker() if len(seed) <= limit))
        for number, seed in enumerate(found[:MAX_SEEDS]):
            (folder / f"{number:02}.bin").write_bytes(seed)
        print(maker.__name__, len(found[:MAX_SEEDS]), "seeds of up to", max(map(len, found)), "octets")


if __name__ == "__main__":
    main()
