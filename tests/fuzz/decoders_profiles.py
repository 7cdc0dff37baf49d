"""Profile packages in every form, and definitions of templates: what an operator sends or a person writes."""

from __future__ import annotations

import json

from ferryman.codec.saip import package as saip
from ferryman.codec.saip.decoder import decode_value
from ferryman.codec.saip.der import Place, read_tlv
from ferryman.codec.saip.fast import Doubtful, read_fast
from ferryman.codec.saip.schema import ELEMENT_NAMES, SCHEMAS
from ferryman.errors import FerrymanError, InputError
from ferryman.profile.documents import read_package, write_package
from ferryman.profile.inspect import as_text, describe
from ferryman.profile.lint import check
from ferryman.profile.memory import required_memory
from ferryman.profile.template import compile_template
from fuzz.engine import Harness
from fuzz.promises import declared, same, words


def check_package(data: bytes) -> None:
    """A package: DER has one form, so what was read is written to the same octets; nothing stumbles over it."""
    package = declared(saip.decode, data)
    if package is None:
        return
    same(saip.encode(package), data, "package")
    check_readers(data, package.version)
    json.dumps(describe(package))
    as_text(describe(package))
    check(package)
    required_memory(package)


def check_readers(data: bytes, version: tuple[int, int]) -> None:
    """What the fast reader reads, the slow one reads to the same."""
    at = 0
    while at < len(data):
        tlv = read_tlv(data, at, len(data), Place("package"))
        at = tlv.end
        kind = SCHEMAS[version].elements.get(ELEMENT_NAMES.get(tlv.tag, ""))
        if kind is None:
            continue
        try:
            fast = read_fast(kind, data, tlv.body, tlv.end)
        except Doubtful:
            continue
        same(fast, decode_value(kind, data, tlv.body, tlv.end, Place("element")), "value of the fast reader")


def check_notation(data: bytes) -> None:
    """Text of a person: a package that can be written in every form, or a refusal that names the place."""
    if data[:1] == b"\xa0":
        return
    package = declared(read_package, data, InputError)
    if package is None:
        return
    for form in ("asn1", "yaml"):
        same(read_package(write_package(package, form)), package, f"package by way of {form}")


def check_definition(data: bytes) -> None:
    """A definition of a template: compiled, or refused by an error of ours."""
    try:
        template = compile_template(data)
    except FerrymanError:
        return
    same(type(template).from_bytes(template.to_bytes()), template, "stored form")


_DER_WORDS = words(
    "A0 B0 AA 8001 8002 8101 A007 8500 30 04 06 BF 1F 0500 0C 820103 8400 C0 C3 A1 A5 62 4F B020 80"
)
_TEXT_WORDS = (
    b"value1 ProfileElement ::= ",
    b" : {",
    b"}",
    b"'",
    b"'H",
    b"NULL",
    b", ",
    b"{ 2 23 143 1 2 1 }",
    b"--",
    b"/*",
    b"*/",
    b'"',
    b"- ",
    b": ",
    b"extension",
    b"opaque",
    b"unknown-BF60",
    b"null",
    b"&a",
    b"*a",
    b"!!python/name:x",
)
_DEFINITION_WORDS = (
    b"variables:",
    b"map:",
    b"package: A0",
    b"derive: impi(imsi, 2)",
    b"type: digits",
    b"length: 4..8",
    b"{ki}",
    b".content[0:2]",
    b"[1]",
    b"[keyReference=1]",
    b"secret: true",
)

HARNESSES = (
    Harness("saip_package", check_package, _DER_WORDS, 4096),
    Harness("saip_notation", check_notation, _TEXT_WORDS, 8192),
    Harness("template_definition", check_definition, _DEFINITION_WORDS, 8192),
)
