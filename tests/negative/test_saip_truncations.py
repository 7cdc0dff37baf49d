"""Profile packages cut off, changed or padded anywhere: always PeerError with the place, never anything else."""

from __future__ import annotations

import random

import pytest

from ferryman.codec.saip import decode, encode
from ferryman.codec.saip.der import encode_length
from ferryman.errors import PeerError
from ferryman.profile.demo_template import demo_template
from saip_samples import TS48_NAMES, ts48

SAMPLED_POSITIONS = 120
"""Positions tried per published package, so that the whole file stays below a few seconds."""


def must_refuse(der: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        decode(der)
    assert "at byte" in caught.value.field
    assert caught.value.field.startswith(("PE ", "package"))


def test_every_truncation_of_the_demo_template() -> None:
    der = demo_template()
    for length in range(len(der)):
        must_refuse(der[:length])


@pytest.mark.parametrize("name", TS48_NAMES)
def test_truncations_of_published_packages(name: str, seed: int) -> None:
    der = ts48(name)
    for length in random.Random(seed).sample(range(len(der)), SAMPLED_POSITIONS):
        must_refuse(der[:length])


def test_every_changed_byte_is_refused_or_read_exactly() -> None:
    """A changed byte inside a value gives another valid package; it must then be written back as it was."""
    der = demo_template()
    read = 0
    for position in range(len(der)):
        changed = bytearray(der)
        changed[position] ^= (0x01, 0x80, 0xFF)[position % 3]
        try:
            package = decode(bytes(changed))
        except PeerError:
            continue
        read += 1
        assert encode(package) == bytes(changed)
    assert read > len(der) // 2


@pytest.mark.parametrize("tail", [b"\x00", b"\xff" * 16, bytes.fromhex("AB00"), bytes.fromhex("A003800102")])
def test_bytes_after_the_end(tail: bytes) -> None:
    must_refuse(demo_template() + tail)


def test_random_bytes(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(300):
        must_refuse(b"\xa0" + source.randbytes(source.randrange(200)))


def test_deep_nesting_costs_no_recursion() -> None:
    """An element we do not know is not followed into its depth: 100,000 levels are kept as bytes."""
    template = demo_template()
    end = template[-9:]
    headers: list[bytes] = []
    size = 0
    for _ in range(100_000):
        header = b"\xa5" + encode_length(size)
        headers.append(header)
        size += len(header)
    der = template[:-9] + b"\xbf\x60" + encode_length(size) + b"".join(reversed(headers)) + end
    assert encode(decode(der)) == der
