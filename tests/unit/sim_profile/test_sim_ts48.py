"""The GSMA TS.48 packages install on the simulated eUICC and their USIM authenticates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ferryman_sim.profile import AuthenticationRefused, Installation, Profile, install
from ferryman_sim.profile.aka import TestAlgorithm, xor
from shared_data import shared, shared_root

FOLDER = shared_root() / "data" / "ts48"
PACKAGES = sorted(FOLDER.glob("*.der")) or [FOLDER / "none.der"]
SUCCESS = bytes.fromhex("3007a0053003800100")
MEMORY = 1 << 16


def by_name(path: Path) -> str:
    return path.stem


def package(path: Path) -> bytes:
    return shared("data", "ts48", path.name).read_bytes()


def installed(path: Path) -> Profile:
    outcome = install(package(path), free_memory=MEMORY)
    assert outcome.profile is not None, outcome.reason
    assert outcome.response == SUCCESS
    assert 20_000 < outcome.memory < 32_000
    return outcome.profile


def autn(rand: bytes, sqn: int) -> bytes:
    algorithm, number = TestAlgorithm(bytes(range(16))), sqn.to_bytes(6)
    amf = bytes.fromhex("8000")
    return xor(number, algorithm.f2345(rand).ak) + amf + algorithm.f1(rand, number, amf)


@pytest.mark.parametrize("path", PACKAGES, ids=by_name)
def test_installs_and_authenticates(path: Path) -> None:
    profile = installed(path)
    assert profile.iccid == "89000123456789012341" == profile.header_iccid
    assert profile.imsi in ("001010123456063", "001010123456789")
    assert [naa.kind for naa in profile.naas] == ["usim", "csim", "isim"]
    rand = bytes(range(16))
    mixed = xor(rand, bytes(range(16)))
    answer = profile.authenticate(rand, autn(rand, 32))
    assert answer == b"\xdb\x08" + mixed[:8] + b"\x10" + mixed[1:] + mixed[:1] + b"\x10" + mixed[2:] + mixed[:2]
    assert profile.authenticate(rand, autn(rand, 32))[:2] == b"\xdc\x0e"
    with pytest.raises(AuthenticationRefused) as refused:
        profile.authenticate(rand, bytes(16)[:15] + b"\x01")
    assert refused.value.sw == 0x9862


@pytest.mark.parametrize("path", PACKAGES, ids=by_name)
def test_survives_a_dump_through_json(path: Path) -> None:
    profile = installed(path)
    profile.authenticate(bytes(16), autn(bytes(16), 64))
    profile.pol1 = 5
    image = json.loads(json.dumps(profile.to_dict()))
    again = Profile.from_dict(image)
    assert again.to_dict() == profile.to_dict()
    assert (again.pol1, again.iccid, again.imsi) == (5, profile.iccid, profile.imsi)
    assert again.authenticate(bytes(16), autn(bytes(16), 64))[0] == 0xDC
    assert len(json.dumps(image)) < 120_000


@pytest.mark.parametrize("size", [1, 7, 1007])
def test_arrives_in_pieces(size: int) -> None:
    data = package(PACKAGES[-1])
    running = Installation(free_memory=MEMORY)
    outcome = None
    for at in range(0, len(data), size):
        assert outcome is None
        outcome = running.feed(data[at : at + size])
    assert outcome is not None
    assert outcome.response == SUCCESS


@pytest.mark.parametrize("path", PACKAGES, ids=by_name)
def test_contents_of_the_published_text(path: Path) -> None:
    """Files whose whole content stands in one piece in the value notation."""
    profile = installed(path)
    text = shared("data", "ts48", f"{path.stem}.txt").read_text(encoding="utf-8-sig")
    places = {"ef-iccid": "2FE2", "ef-imsi": "7FD06F07", "ef-ust": "7FD06F38", "ef-impi": "7FB06F02"}
    for name, place in places.items():
        found = re.search(rf"\n  {name} \{{(?:.|\n)*?fillFileContent : '([0-9A-F]*)'H", text)
        assert found is not None
        assert profile.read_file(place).hex().upper() == found[1]


def test_relative_offsets_fill_the_access_rules() -> None:
    profile = installed(PACKAGES[-1])
    content = profile.read_file("3F002F06")
    records = [content[at : at + 46] for at in range(0, len(content), 46)]
    assert len(records) == 15
    assert all(record[0] == 0x80 for record in records[:14])
    assert records[0] == bytes.fromhex("80015EA40683010A9501088401D4A40683010A950108").ljust(46, b"\xff")


def test_links_patterns_and_defaults() -> None:
    profile = installed(PACKAGES[-1])
    assert profile.read_file("7FC06F3B") == profile.read_file("7FD06F3B")
    assert profile.read_file("7F106F3A") == profile.read_file("7F105F3A4F3A")
    assert profile.read_file("7FD06F08") == b"\x07".ljust(33, b"\xff")
    assert profile.read_file("7FD06F3C") == (b"\x00".ljust(176, b"\xff")) * 10
    assert profile.read_file("7FD06FE3")[12:] == bytes(5) + b"\x01"
    assert profile.read_file("7FD06FAD") == bytes.fromhex("80000002")
    assert profile.read_file("7FD05FC04F0A") == bytes.fromhex("F0FFFFFF")


def test_mno_sd_and_remote_management() -> None:
    profile = installed(PACKAGES[0])
    assert {(key.kvn, key.kid, key.kind) for key in profile.mno_sd_keys} >= {(1, 1, 0x80), (2, 3, 0x88)}
    assert profile.mno_sd is not None
    assert profile.mno_sd.instance.tars() == (bytes.fromhex("B20100"), bytes(3))
    assert profile.rfm[0].tars == (bytes.fromhex("B00120"),)


@pytest.mark.parametrize("path", PACKAGES, ids=by_name)
def test_too_little_memory(path: Path) -> None:
    outcome = install(package(path), free_memory=10_000)
    assert outcome.profile is None
    assert outcome.statuses[-1].status == 4
    assert outcome.response.endswith(b"\x81\x00")
