"""Files and documents from outside: EIS XML, profile packages, GlobalPlatform certificates, subscription files."""

from __future__ import annotations

from functools import partial

from ferryman.codec import eis_xml
from ferryman.codec.saip import package as saip
from ferryman.errors import InputError
from ferryman.profile.subscriptions import SubscriptionRow, parse_csv
from ferryman.secure import certificate
from fuzz.engine import Harness
from fuzz.promises import declared, same, words


def check_eis(data: bytes) -> None:
    """A delivery of a card maker; its signed part reads the same on its own."""
    for card in declared(eis_xml.parse_delivery, data) or ():
        same(eis_xml.parse_signed_info(card.signed_xml), card.signed, "EumSignedInfo on its own")
    declared(eis_xml.parse_signed_info, data)


def check_package(data: bytes) -> None:
    """A profile package: DER has one form, so what was read is written to the same octets."""
    package = declared(saip.decode, data)
    if package is not None:
        same(saip.encode(package), data, "package")


def check_certificate(data: bytes) -> None:
    """A certificate `7F21`."""
    read = declared(certificate.parse_certificate, data)
    if read is not None:
        again = certificate.build_certificate(read.tbs, read.signature)
        same(certificate.parse_certificate(again), read, "certificate")


def _read_csv(check_digit: bool, data: bytes) -> list[SubscriptionRow]:
    return parse_csv(data.decode("utf-8", "replace"), check_digit=check_digit)


def check_subscriptions(data: bytes) -> None:
    """A subscription file, whose reader names what a person did wrong."""
    for check_digit in (True, False):
        for row in declared(partial(_read_csv, check_digit), data, InputError) or ():
            row.public.slots()
            row.secret.slots()


_XML_WORDS = (
    b"<rps:Eid>",
    b"</rps:Eid>",
    b"<rps:Keyset>",
    b"</rps:Keyset>",
    b"<rps:pol2/>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"<?pi?>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b' xmlns:rps="http://namespaces.gsma.org/esim-messaging/3"',
    b' type="88"',
    b"&#0;",
    b"\xc2\xb2",
    b"true",
)
_SAIP_WORDS = words("A0 B0 AA 8001 8002 8101 A007 8500 30 04 06 BF 1F 0500 0C 820103 8400 C0 C3")
_CERTIFICATE_WORDS = words(
    "7F21 93 42 5F20 950188 5F2504 5F2404 7306 C80101 C914 7F4946 B041 F00100 F00103 5F3740 04"
)

HARNESSES = (
    Harness("eis_xml", check_eis, _XML_WORDS, 8192),
    Harness("saip_package", check_package, _SAIP_WORDS, 4096),
    Harness("gp_certificate", check_certificate, _CERTIFICATE_WORDS, 512),
    Harness(
        "subscriptions_csv",
        check_subscriptions,
        (b",", b";", b"\t", b'"', b"\r\n", b"\n", b"ICCID", b"OP", b"OPC", b"\xef\xbb\xbf", b"89", b"\0"),
        1024,
    ),
)
