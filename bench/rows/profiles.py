"""Profile packages: personalised, personalised and protected, read into the annotated tree."""

from __future__ import annotations

import os
import random
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from bench.frame import Benchmark, Figures, Skipped, paired, per_cpu_second, same
from bench.reference import bare_scp03t, saip_module
from ferryman.codec import saip
from ferryman.codec.saip.der import Place, read_tlv
from ferryman.profile.inspect import describe
from ferryman.profile.template import CompiledTemplate, compile_template
from ferryman.profile.variables import evaluate
from ferryman.secure import scp03t

SEED = 48
SUBSCRIPTIONS = 200
READ = 10  # packages in one round
PROTECTED = 50
ROUNDS = 9
PACKAGE = "TS48v7_SAIP2.3_BERTLV_SUCI.der"
PACKAGE_BYTES = 12_000
ISDP = bytes.fromhex("A0000005591010FFFFFFFF8900001000")


class Codec(Protocol):
    """What is used of a compiled module."""

    def decode(self, name: str, data: bytes) -> Any: ...

    def encode(self, name: str, value: Any) -> bytes: ...


@cache
def template() -> CompiledTemplate:
    """A published package of GSMA TS.48 (format 2.3, 30 elements, about 3,500 TLVs) as template, as stored."""
    shared = Path(os.environ.get("FERRYMAN_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    try:
        package = (shared / "data" / "ts48" / PACKAGE).read_bytes()
    except OSError:
        raise Skipped("the published packages are not there (FERRYMAN_SHARED)") from None
    return CompiledTemplate.from_bytes(compile_template(package).to_bytes())


def subscriptions() -> list[dict[str, str | bytes]]:
    """Fields of so many subscriptions, as an import leaves them: public ones as text, secret ones as bytes."""
    chance = random.Random(SEED)  # noqa: S311 - test keys
    found: list[dict[str, str | bytes]] = []
    for number in range(SUBSCRIPTIONS):
        one: dict[str, str | bytes] = {
            "iccid": f"89990100000000{number:05}",
            "imsi": f"00101{number:010}",
            "msisdn": f"+9991{number:07}",
        }
        one |= {name: chance.randbytes(16) for name in ("ki", "opc", "kic", "kid", "kik")}
        one |= dict.fromkeys(("pin1", "pin2", "adm1"), b"1234\xff\xff\xff\xff")
        one |= dict.fromkeys(("puk1", "puk2"), b"12345678")
        found.append(one)
    return found


@cache
def module() -> Codec:
    """The format compiled by asn1tools, which takes seconds."""
    try:
        import asn1tools
    except ImportError:
        raise Skipped("asn1tools is not installed") from None
    compiled: Codec = asn1tools.compile_string(saip_module.module((2, 3)), "der")
    return compiled


def elements(package: bytes) -> list[bytes]:
    """The profile elements of a package."""
    found, at = [], 0
    while at < len(package):
        tlv = read_tlv(package, at, len(package), Place("package"))
        found.append(package[at : tlv.end])
        at = tlv.end
    return found


def by_asn1tools(codec: Codec, package: list[bytes], slots: dict[str, bytes], imsi: bytes) -> bytes:
    """Decode a package, put the values in, encode it: what a general library leaves one to do.

    `imsi` are the digits that stand in the package and go.
    """
    values = [codec.decode("ProfileElement", element) for element in package]
    for name, value in values:
        _fill(name, value, slots, imsi)
    return b"".join(codec.encode("ProfileElement", value) for value in values)


PIN_SLOTS = {1: "pin1", 10: "adm1", 129: "pin2"}
PUK_SLOTS = {1: "puk1", 129: "puk2"}
KEY_SLOTS = {b"\x01": "kic", b"\x02": "kid", b"\x03": "kik"}


def _fill(name: str, value: Any, slots: dict[str, bytes], imsi: bytes) -> None:
    match name:
        case "header":
            value["iccid"] = slots["iccid_header"]
        case "mf":
            _write(value["ef-iccid"], slots["iccid_ef"])
        case "usim":
            _write(value["ef-imsi"], slots["imsi_ef"])
            _write(value["ef-acc"], slots["acc"])
        case "opt-usim":
            _write(value["ef-msisdn"], slots["msisdn_record"], keep=True)
        case "isim":
            for file in (value["ef-impi"], value["ef-impu"]):
                file[:] = [_identity(entry, imsi, slots["imsi_digits"]) for entry in file]
        case "akaParameter":
            value["algoConfiguration"][1].update(key=slots["ki"], opc=slots["opc"])
        case "pinCodes":
            for code in value["pinCodes"][1]:
                code["pinValue"] = slots.get(PIN_SLOTS.get(code["keyReference"], ""), code["pinValue"])
        case "pukCodes":
            for code in value["pukCodes"]:
                code["pukValue"] = slots[PUK_SLOTS[code["keyReference"]]]
        case "securityDomain":
            for key in value["keyList"]:
                if key["keyVersionNumber"] == b"\x01":
                    key["keyCompontents"][0]["keyData"] = slots[KEY_SLOTS[key["keyIdentifier"]]]


def _write(file: list[tuple[str, Any]], content: bytes, *, keep: bool = False) -> None:
    """New content for a file; `keep` leaves what stands before the last bytes of the old one."""
    for index, (name, old) in enumerate(file):
        if name == "fillFileContent":
            file[index] = (name, old[: len(old) - len(content)] + content if keep else content)


def _identity(entry: tuple[str, Any], old: bytes, new: bytes) -> tuple[str, Any]:
    name, value = entry
    if name == "fillFileContent":
        return name, value.replace(old, new)
    patterns = value.get("proprietaryEFInfo", {}) if name == "fileDescriptor" else {}
    for key in ("fillPattern", "repeatPattern"):
        if key in patterns:
            patterns[key] = patterns[key].replace(old, new)
    return entry


def _personalise() -> Figures:
    made, given, codec = template(), subscriptions(), module()
    whole = made.personalise(given[0])
    if not PACKAGE_BYTES <= len(whole) <= PACKAGE_BYTES + 1000 or len(made.slots) < 15:
        raise ValueError(f"{len(whole)} bytes and {len(made.slots)} variables are not what the row says")
    parts, imsi = elements(whole), str(given[0]["imsi"]).encode()
    few = given[1:6]
    for one in few:
        slots = evaluate(made.variables, one)
        same(made.personalise(one), by_asn1tools(codec, parts, slots, imsi), "personalised package")

    def reference() -> None:
        for one in few:
            by_asn1tools(codec, parts, evaluate(made.variables, one), imsi)

    return paired(
        per_cpu_second(lambda: [made.personalise(one) for one in given], len(given)),
        per_cpu_second(reference, len(few)),
        rounds=ROUNDS,
    )


def _protect() -> Figures:
    made, given = template(), subscriptions()[:PROTECTED]
    chance = random.Random(SEED)  # noqa: S311 - test keys
    draw = chance.randbytes
    keys = [(draw(16), draw(16), draw(8), number) for number in range(PROTECTED)]
    plain = [made.personalise(one) for one in given]

    def ours() -> list[list[bytes]]:
        found = []
        for one, (enc, mac, host, counter) in zip(given, keys, strict=True):
            package = made.personalise(one)
            protected = scp03t.protect(
                scp03t.StaticKeys(enc, mac),
                key_version=0x30,
                host_challenge=host,
                sequence_counter=counter,
                isdp_aid=ISDP,
                plaintext=package,
            )
            found.append([protected.initialize_update, protected.external_authenticate, *protected.segments])
        return found

    def bare() -> list[list[bytes]]:
        return [
            bare_scp03t.protect(enc, mac, 0x30, host, counter, ISDP, package, scp03t.MAX_SEGMENT)
            for package, (enc, mac, host, counter) in zip(plain, keys, strict=True)
        ]

    same(ours(), bare(), "protected packages")
    return paired(per_cpu_second(ours, PROTECTED), per_cpu_second(bare, PROTECTED), rounds=ROUNDS)


def _decode() -> Figures:
    codec = module()
    whole = template().personalise(subscriptions()[0])
    parts = elements(whole)
    names = [element.name for element in saip.decode(whole).elements]
    same(names, [codec.decode("ProfileElement", part)[0] for part in parts], "elements")

    def ours() -> None:
        for _ in range(READ):
            describe(saip.decode(whole))

    def reference() -> None:
        for _ in range(READ):
            for part in parts:
                codec.decode("ProfileElement", part)

    return paired(per_cpu_second(ours, READ), per_cpu_second(reference, READ), rounds=ROUNDS)


BENCHMARKS = (
    Benchmark("personalise", "packages of 12 kB/CPU-s", 300, _personalise),
    Benchmark("personalise_protect", "packages of 12 kB/CPU-s", 0.6, _protect),
    Benchmark("saip_decode", "packages of 12 kB/CPU-s", 1, _decode),
)
