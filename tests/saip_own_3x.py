"""A package of format 3.3.1 of our own: what 3.0, 3.2 and 3.3 brought, all of it in one Full Profile."""

from __future__ import annotations

import copy
from typing import Any

from ferryman.codec.saip import Package, ProfileElement, decode, encode
from ferryman.profile.template import compile_template
from saip_broken import H, pe
from saip_samples import sample_values, ts48

SERVICES = ("suciCalculatorApi", "dns-resolution", "scp11ac", "scp11c-authorization-mechanism", "s16mode", "eaka")
SUPI = b"\x80\x1d001010123456789@test.3gpp.com"


def own_3x() -> Package:
    """Made from a published 2.3 package: EF NSI becomes EF SUPI NAI, the later parts are added."""
    source = decode(compile_template(ts48("TS48v7_SAIP2.3_BERTLV_SUCI")).render(sample_values()))
    elements: list[ProfileElement] = []
    for element in copy.deepcopy(source.elements):
        fields: dict[str, Any] = element.fields
        match element.name:
            case "header":
                header(fields)
            case "telecom":
                telecom(fields)
            case "opt-usim":
                fields["ef-eaka"] = small("6FF3", b"\x00")
            case "df-5gs":
                later_5gs(fields)
            case "securityDomain":
                fields["instance"]["controlReferenceTemplate"] = {"applicationProviderIdentifier": H("A000000151")}
        elements.append(element)
        if element.name == "df-saip":
            elements += [snpn(), prose()]
    return Package((3, 3), tuple(elements))


def header(fields: dict[str, Any]) -> None:
    fields["major-version"], fields["minor-version"] = 3, 3
    fields["eUICC-Mandatory-services"] |= dict.fromkeys(SERVICES)
    fields["eUICC-Mandatory-GFSTEList"] += ["2.23.143.1.2.13.4", "2.23.143.1.2.15.2", "2.23.143.1.2.16.2"]
    fields["eUICC-Mandatory-AIDs"] = [{"aid": H("A0000000620001"), "version": H("0102")}]


def telecom(fields: dict[str, Any]) -> None:
    fields["df-mcs"] = directory("5F7D")
    fields["ef-mst"] = small("4F01", b"\x01")
    fields["ef-mcs-config"] = ber_tlv("4F02", H("8003010203"))
    fields["df-v2x"] = directory("5F7E")
    fields["ef-v2xp-Uu"] = ber_tlv("4F04", b"")


def later_5gs(fields: dict[str, Any]) -> None:
    fields["templateID"] = "2.23.143.1.2.13.4"
    fields["ef-supinai"] = small("4F09", SUPI)
    fields.pop("ef-nsi", None)
    fields["ef-ursp"] = ber_tlv("4F1B", H("800101"))
    fields["ef-cag"] = small("4F0D", b"\xff")
    fields["ef-kausf-derivation"] = small("4F16", b"\x01")


def snpn() -> ProfileElement:
    files: dict[str, Any] = {"df-df-snpn": directory("5FE0"), "ef-pws-snpn": small("4F01", b"\x00")}
    return pe("df-snpn", 9001, templateID="2.23.143.1.2.15.2", **files)


def prose() -> ProfileElement:
    files: dict[str, Any] = {"df-df-5g-prose": directory("5FF0"), "ef-5g-prose-st": small("4F01", b"\x01")}
    return pe("df-5gprose", 9002, templateID="2.23.143.1.2.16.2", **files)


def directory(number: str) -> list[tuple[str, Any]]:
    return [("fileDescriptor", {"fileID": H(number), "pinStatusTemplateDO": H("010A")})]


def small(number: str, content: bytes) -> list[tuple[str, Any]]:
    size = len(content).to_bytes()
    return [("fileDescriptor", {"fileID": H(number), "efFileSize": size}), ("fillFileContent", content)]


def ber_tlv(number: str, content: bytes) -> list[tuple[str, Any]]:
    """A BER-TLV file with a maximum size, which exists since 3.0."""
    info = {"specialFileInformation": b"\x40", "maximumFileSize": H("0400")}
    row = {"fileDescriptor": H("7921"), "fileID": H(number), "efFileSize": b"\x40", "proprietaryEFInfo": info}
    return [("fileDescriptor", row), *([("fillFileContent", content)] if content else [])]


__all__ = ["SERVICES", "SUPI", "decode", "encode", "own_3x"]
