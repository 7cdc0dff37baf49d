"""Broken profile packages: every truncation, indefinite and absurd lengths, wrong order; each with its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ferryman.codec.saip import decode, encode
from ferryman.codec.saip.der import Place, encode_tlv, read_tlv
from ferryman.errors import PeerError
from saip_samples import ts48

NAME = "TS48v7_SAIP2.3_BERTLV_SUCI"
END = bytes.fromhex("AA07A005800081011F")


def outer(der: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(der):
        tlv = read_tlv(der, at, len(der), Place("test"))
        found.append(der[at : tlv.end])
        at = tlv.end
    return found


def refused(der: bytes) -> PeerError:
    with pytest.raises(PeerError) as caught:
        decode(der)
    return caught.value


def test_every_truncation_of_a_real_package_is_refused() -> None:
    der = ts48(NAME)
    for length in range(len(der)):
        problem = refused(der[:length])
        assert problem.field.startswith(("PE ", "package"))
        assert "at byte" in problem.field


def test_every_truncation_inside_an_element_is_refused_or_a_shorter_package() -> None:
    """The outer length is right: the elements themselves have to notice."""
    header, *rest = outer(ts48(NAME))
    whole = 0
    for element in [one for one in rest if 20 < len(one) < 900]:
        tlv = read_tlv(element, 0, len(element), Place("test"))
        for length in range(tlv.body, len(element)):
            cut = header + encode_tlv(tlv.tag, element[tlv.body : length]) + END
            try:
                package = decode(cut)
            except PeerError as problem:
                assert problem.field.startswith("PE 1 ")  # noqa: PT017 - either outcome is right
            else:
                assert encode(package) == cut
                whole += 1
    assert 0 < whole < 400


def lengths(der: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the length octets of every TLV, at every depth."""
    at = start
    while at < end:
        tlv = read_tlv(der, at, end, Place("test"))
        yield at + len(tlv.tag), tlv.body
        if tlv.tag[0] & 0x20:
            yield from lengths(der, tlv.body, tlv.end)
        at = tlv.end


@pytest.mark.parametrize(
    ("octets", "rule"),
    [
        (b"\x80", "indefinite"),
        (b"\x84\xff\xff\xff\xff", "are left"),
        (b"\x85\x01\x00\x00\x00\x00", "length of 5 bytes"),
        (b"\xff" + b"\xff" * 16, "length of 127 bytes"),
        (b"\x81\x01", "shortest form"),
        (b"\x82\x00\xff", "shortest form"),
    ],
)
def test_lengths_that_der_does_not_know_are_refused_everywhere(octets: bytes, rule: str) -> None:
    der = ts48(NAME)
    places = list(lengths(der, 0, len(der)))
    assert len(places) > 2000
    for begin, end in places[::7]:
        broken = der[:begin] + octets + der[end:]
        problem = refused(broken)
        assert "at byte" in problem.field
    first, last = places[0]
    assert rule in refused(der[:first] + octets + der[last:]).reason


def test_wrong_order_is_refused() -> None:
    header, *rest = outer(ts48(NAME))
    end = rest.pop()
    for der, place, rule in (
        (header + header + b"".join(rest) + end, "PE 1 header", "second profile header"),
        (b"".join(rest) + header + end, "package", "does not begin with a profile header"),
        (header + end + b"".join(rest), "package", "bytes after PE-End"),
        (header + b"".join(rest), "package", "PE-End is missing"),
        (header + rest[0] + b"".join(rest) + end, "PE 2 mf", "identification 4 is used twice"),
    ):
        problem = refused(der)
        assert problem.field.startswith(place)
        assert rule in problem.reason


def test_components_in_the_wrong_order_are_refused() -> None:
    header, *rest = outer(ts48(NAME))
    for element in rest[:-1]:
        tlv = read_tlv(element, 0, len(element), Place("test"))
        parts, at = [], tlv.body
        while at < tlv.end:
            part = read_tlv(element, at, tlv.end, Place("test"))
            parts.append(element[at : part.end])
            at = part.end
        for number in range(len(parts) - 1):
            swapped = [*parts]
            swapped[number], swapped[number + 1] = swapped[number + 1], swapped[number]
            if swapped[number][:1] == swapped[number + 1][:1]:
                continue  # components with one tag are told apart by position alone
            problem = refused(header + encode_tlv(tlv.tag, b"".join(swapped)) + END)
            assert problem.field.startswith("PE 1 ")
