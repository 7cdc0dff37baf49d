"""The table: rule id to the change that breaks it; `IOT` are changes of an IoT Minimal Profile."""

from __future__ import annotations

from typing import Any

from ferryman.codec.saip import Package, ProfileElement
from ferryman.codec.saip.types import Slot
from saip_broken import (
    ADF,
    DF,
    EF,
    LINK,
    MF,
    Change,
    H,
    after,
    again,
    applied,
    code,
    codes,
    content,
    creates,
    does,
    fcp,
    fields,
    generic,
    instance,
    keys,
    moved,
    parameter,
    pe,
    put,
    rfm,
    sd,
    sets,
    stated,
    where,
    without,
)

INFO: dict[str, Any] = {"specialFileInformation": b"\x40"}
BER = {**EF, "fileDescriptor": H("7921")}


def gone(package: Package, name: str, file: str) -> None:
    del fields(package, name)[file]


FCP: dict[str, Change] = {
    "fcp-adf-needs-fileID": does(lambda p: put_adf(p, fileID=None)),
    "fcp-adf-needs-dfName": does(lambda p: put_adf(p, dfName=None)),
    "fcp-adf-needs-pinStatusTemplateDO": stated("isim", "adf-isim", pinStatusTemplateDO=None),
    "fcp-df-needs-pinStatusTemplateDO": stated("df-saip", "df-df-saip", pinStatusTemplateDO=None),
    "gfm-adf-needs-fileID": creates(ADF, fileID=None),
    "gfm-adf-needs-fileDescriptor": creates(ADF, fileDescriptor=None),
    "gfm-adf-needs-securityAttributesReferenced": creates(ADF, securityAttributesReferenced=None),
    "gfm-adf-needs-pinStatusTemplateDO": creates(ADF, pinStatusTemplateDO=None),
    "gfm-df-needs-fileID": creates(DF, fileID=None),
    "gfm-df-needs-fileDescriptor": creates(DF, fileDescriptor=None),
    "gfm-df-needs-securityAttributesReferenced": creates(DF, securityAttributesReferenced=None),
    "gfm-df-needs-pinStatusTemplateDO": creates(DF, pinStatusTemplateDO=None),
    "gfm-ef-needs-fileID": creates(EF, fileID=None),
    "gfm-ef-needs-fileDescriptor": creates(EF, fileDescriptor=None),
    "gfm-ef-needs-securityAttributesReferenced": creates(EF, securityAttributesReferenced=None),
    "gfm-ef-needs-efFileSize": creates(EF, efFileSize=None),
    "gfm-link-needs-fileID": creates(LINK, fileID=None),
    "gfm-link-needs-securityAttributesReferenced": creates(LINK, securityAttributesReferenced=None),
    "fcp-adf-forbids-efFileSize": stated("isim", "adf-isim", efFileSize=b"\x10"),
    "fcp-adf-forbids-shortEFID": stated("isim", "adf-isim", shortEFID=b"\x08"),
    "fcp-adf-forbids-proprietaryEFInfo": creates(ADF, proprietaryEFInfo=INFO),
    "fcp-df-forbids-efFileSize": creates(DF, efFileSize=b"\x10"),
    "fcp-df-forbids-shortEFID": creates(DF, shortEFID=b"\x08"),
    "fcp-df-forbids-proprietaryEFInfo": stated("mf", "mf", proprietaryEFInfo=INFO),
    "fcp-df-forbids-dfName": stated("df-saip", "df-df-saip", dfName=H("A000000099")),
    "fcp-ef-forbids-dfName": creates(EF, dfName=H("A000000099")),
    "fcp-ef-forbids-pinStatusTemplateDO": stated("usim", "ef-spn", pinStatusTemplateDO=b"\x01"),
    "fcp-link-forbids-dfName": creates(LINK, dfName=H("A000000099")),
    "fcp-link-forbids-efFileSize": creates(LINK, efFileSize=b"\x09"),
    "fcp-link-forbids-pinStatusTemplateDO": creates(LINK, pinStatusTemplateDO=b"\x01"),
    "fcp-link-forbids-shortEFID": creates(LINK, fileDescriptor=H("7821"), linkPath=H("7F10"), shortEFID=b"\x08"),
    "fcp-link-path": creates(LINK, linkPath=H("7FD06F")),
    "fcp-adf-id-unique": creates(ADF, fileID=H("7FB0")),
    "fd-structure": creates(EF, fileDescriptor=H("4321")),
    "fd-coding-byte": creates(EF, fileDescriptor=H("4120")),
    "fd-record-length": creates(EF, fileDescriptor=H("4221")),
    "fd-kind": stated("usim", "ef-start-hfn", fileDescriptor=H("7821")),
    "fd-whole-records": creates(EF, fileDescriptor=H("42210006")),
    "fcp-file-size-form": creates(EF, efFileSize=H("0010")),
    "fcp-short-id": creates(EF, shortEFID=b"\x09"),
    "fcp-short-id-unique": does(
        lambda p: [
            fields(p, "genericFileManagement", 1)["fileManagementCMD"][0].append(("createFCP", EF | row))
            for row in ({"shortEFID": b"\xe8"}, {"shortEFID": b"\xe8", "fileID": H("6F98")})
        ]
    ),
    "fcp-special-information": creates(EF, proprietaryEFInfo={"specialFileInformation": b"\x41"}),
    "fcp-security-form": creates(EF, securityAttributesReferenced=H("2F06")),
    "fcp-pin-status-form": stated("df-saip", "df-df-saip", pinStatusTemplateDO=H("810181")),
    "arr-file-exists": creates(EF, securityAttributesReferenced=H("6F0601")),
    "arr-record-exists": creates(EF, securityAttributesReferenced=H("2F0664")),
    "link-target-exists": creates(LINK, linkPath=H("7F106FFF")),
}


def put_adf(package: Package, **change: Any) -> None:
    """Changes the ISIM's ADF; rules on what refers to it get nothing to say."""
    stated("isim", "adf-isim", **change)(package)
    if "fileID" in change:
        # Generic management selects the ISIM by this identifier, EF DIR and RFM by its AID.
        commands = fields(package, "genericFileManagement", 1)["fileManagementCMD"][0]
        del commands[-2:]
        second = fields(package, "genericFileManagement", 2)["fileManagementCMD"]
        second[:] = [[one for one in each if one != ("filePath", H("7FB0"))] for each in second]
    else:
        last = package.elements[where(package, "rfm", 2)]
        for element in package.elements:
            if element.name == "rfm" and element is not last:
                access = element.fields.get("adfRFMAccess")
                if isinstance(access, dict) and access["adfAID"] == H("A0000000871004FF49FF0589"):
                    del element.fields["adfRFMAccess"]
        access = last.fields.get("adfRFMAccess")
        if isinstance(access, dict) and access["adfAID"] == H("A0000000871004FF49FF0589"):
            del last.fields["adfRFMAccess"]


FILES: dict[str, Change] = {
    "template-of-element": sets("df-saip", "templateID", to="2.23.143.1.2.13"),
    "template-listed": does(lambda p: p.header["eUICC-Mandatory-GFSTEList"].remove("2.23.143.1.2.14")),
    "file-not-created": sets("telecom", "ef-sume", to=[("doNotCreate", None)]),
    "file-id-unique": creates(EF, fileID=H("2F05")),
    "file-one-pattern": creates(EF, proprietaryEFInfo={"fillPattern": b"\x00", "repeatPattern": b"\x01"}),
    "file-ber-tlv-filling": lambda p: generic(
        p, ("filePath", b""), ("createFCP", BER), ("fillFileContent", H("8000")), ("fillFileOffset", 1)
    ),
    "file-ber-tlv-content": lambda p: generic(
        p, ("filePath", b""), ("createFCP", BER), ("fillFileContent", H("8005"))
    ),
    "file-content-fits": does(lambda p: content(p, "usim", "ef-spn", bytes(18))),
    "gfm-path": lambda p: generic(p, ("filePath", H("7F77")), ("filePath", b""), ("createFCP", EF)),
    "gfm-content-has-file": lambda p: generic(
        p, ("filePath", b""), ("fillFileContent", b"\x01"), ("createFCP", EF)
    ),
}

IDENTITY: dict[str, Change] = {
    "header-iccid-digits": does(lambda p: with_iccid(p, H("899901000000000018AF"))),
    "header-iccid-check-digit": does(lambda p: with_iccid(p, H("8999010000000000186F"))),
    "header-iccid-in-file": does(lambda p: content(p, "mf", "ef-iccid", H("989910000000000081F6"))),
    "header-pol1": sets("header", "pol", to=b"\x08"),
    "header-connectivity": sets("header", "connectivityParameters", to=H("A30100")),
    "imsi-form": does(lambda p: content(p, "usim", "ef-imsi", H("0900101010325476F8"))),
    "acc-of-imsi": does(lambda p: content(p, "usim", "ef-acc", H("0002"))),
    "mnc-length": does(lambda p: content(p, "usim", "ef-ad", H("00000004"))),
    "isim-identity": does(lambda p: impi(p, b"001019876543211@ims.mnc001.mcc001.3gppnetwork.org")),
    "isim-realm": does(lambda p: impi(p, b"001019876543210@ims.mnc002.mcc001.3gppnetwork.org")),
    "service-table": does(lambda p: [gone(p, "opt-usim", name) for name in ("ef-gid1",)]),
    "component-unknown": sets("end", "extension", to=H("8A0100")),
}


def with_iccid(package: Package, iccid: bytes) -> None:
    """An ICCID in the header and in its file."""
    package.header["iccid"] = iccid
    text = iccid.hex()
    content(package, "mf", "ef-iccid", H("".join(text[at + 1] + text[at] for at in range(0, 20, 2))))


def impi(package: Package, identity: bytes) -> None:
    fcp(package, "isim", "ef-impi")["efFileSize"] = b"\x40"
    content(package, "isim", "ef-impi", bytes((0x80, len(identity))) + identity)


def tuak(package: Package) -> None:
    for turn in (0, 1):
        parameter(package, turn).update(algorithmID=2, opc=bytes(32))
    services = package.header["eUICC-Mandatory-services"]
    assert isinstance(services, dict)
    del services["milenage"]
    services["tuak128"] = None


def mapping(aid: bytes) -> Change:
    to: Any = ("mappingParameter", {"mappingOptions": b"\x06", "mappingSource": aid})
    return sets("akaParameter", "algoConfiguration", to=to, turn=1)


def service(name: str, *, on: bool) -> Change:
    def change(package: Package) -> None:
        services = package.header["eUICC-Mandatory-services"]
        assert isinstance(services, dict)
        if on:
            services[name] = None
        else:
            del services[name]

    return change


SECOND = H("A000000151000099")
STORE = H("80E2880003800100")

KEYS: dict[str, Change] = {
    "aka-key-size": does(lambda p: parameter(p).update(key=bytes(17))),
    "aka-opc-size": does(lambda p: (tuak(p), parameter(p).update(opc=bytes(16)))),
    "aka-keccak": does(lambda p: parameter(p).update(numberOfKeccak=2)),
    "aka-sequence-number": sets("akaParameter", "sqnDelta", to=H("080000000000")),
    "aka-mapping-source": mapping(H("A0000000871002FF49FF0500")),
    "service-of-algorithm": does(lambda p: (service("milenage", on=False)(p), service("cave", on=True)(p))),
    "service-unused-algorithm": service("tuak256", on=True),
    "service-of-application": service("csim", on=False),
    "service-ber-tlv": service("ber-tlv", on=False),
    "sd-operator-not-extradited": sets(
        "securityDomain", "instance", "extraditeSecurityDomainAID", to=H("A000000151000000")
    ),
    "sd-openPersoData": lambda p: after(p, "securityDomain", sd(9200, SECOND, openPersoData={})),
    "sd-catTpParameters": lambda p: after(
        p, "securityDomain", sd(9200, SECOND, catTpParameters={"catTpMaxSduSize": 1, "catTpMaxPduSize": 1})
    ),
    "sd-key-once": does(lambda p: keys(p).append(dict(keys(p)[0]))),
    "sd-key-component-once": does(lambda p: keys(p)[0].update(keyCompontents=keys(p)[0]["keyCompontents"] * 2)),
    "sd-key-version": does(lambda p: keys(p)[0].update(keyVersionNumber=b"\x60")),
    "sd-key-size": does(lambda p: keys(p)[0]["keyCompontents"][0].update(keyData=bytes(15))),
    "sd-key-type": does(lambda p: keys(p)[0]["keyCompontents"][0].update(keyType=b"\xa1")),
    "sd-personalisation-data": sets("securityDomain", "sdPersoData", to=[H("80E28800067003800100FF")]),
    "instance-privileges": sets("securityDomain", "instance", "applicationPrivileges", to=H("82DC")),
    "instance-aid-unique": applied(instanceAID=H("A000000151000000")),
    "instance-extradition": applied(extraditeSecurityDomainAID=H("A0000000990000")),
    "application-process-data": applied(processData=[STORE, STORE[:-1] + b"\x00\x00\x00"]),
    "application-domain": lambda p: after(
        p, "rfm", pe("application", 9300, loadBlock=load(securityDomainAID=H("A0000000990000")))
    ),
    "rfm-domain": does(lambda p: rfm(p).update(securityDomainAID=H("A0000000990000"))),
    "rfm-application": does(lambda p: rfm(p)["adfRFMAccess"].update(adfAID=H("A0000000990000"))),
    "rfm-has-tar": does(lambda p: (rfm(p).pop("tarList"), rfm(p).update(instanceAID=H("A000000099")))),
    "tar-unique": does(lambda p: rfm(p).update(tarList=[H("B00120")])),
}


def load(**more: Any) -> dict[str, Any]:
    return {"loadPackageAID": H("A000000099"), "loadBlockObject": b"\x01", **more}


ORDER: dict[str, Change] = {
    "header-first": lambda p: moved(p, "header", 2),
    "header-once": lambda p: put(p, 5, ProfileElement("header", dict(p.header))),
    "end-last": lambda p: Package(p.version, p.elements[:-1]),
    "end-once": lambda p: put(p, 5, again(p, "end")),
    "identification-unique": sets("rfm", "rfm-header", "identification", to=31),
    "mf-missing": lambda p: without_mf(p),
    "mf-first": lambda p: put(p, 1, pe("cd", 9400, templateID="2.23.143.1.2.2", **{"df-cd": cd()})),
    "mf-once": lambda p: generic(p, ("createFCP", MF)),
    "puk-once": lambda p: after(p, "pukCodes", again(p, "pukCodes")),
    "puk-position": lambda p: moved(p, "pukCodes", 4),
    "cd-once": lambda p: after(
        p, "telecom", *(pe("cd", 9400 + n, templateID=CD, **{"df-cd": cd(n)}) for n in (0, 1))
    ),
    "telecom-once": lambda p: after(p, "telecom", second_telecom()),
    "part-has-application": lambda p: after(p, "isim", elsewhere(p)),
    "part-once": lambda p: after(p, "opt-isim", pe("opt-isim", 9400, templateID="2.23.143.1.2.9")),
    "multiple-usim-service": lambda p: after(p, "rfm", *copied(p, "usim")),
    "multiple-isim-service": lambda p: after(p, "rfm", *copied(p, "isim")),
    "multiple-csim-service": lambda p: after(p, "rfm", *copied(p, "csim")),
    "aka-position": lambda p: put(p, 2 + where(p, "pukCodes"), again(p, "akaParameter")),
    "aka-once": lambda p: after(p, "akaParameter", again(p, "akaParameter"), turn=0),
    "aka-missing": lambda p: without_turn(p, "akaParameter", 1),
    "cdma-position": lambda p: after(p, "isim", again(p, "cdmaParameter")),
    "eap-position": lambda p: after(p, "telecom", eap(9400)),
    "eap-once": lambda p: after(p, "isim", eap(9400), eap(9401)),
    "sd-first": lambda p: moved(p, "securityDomain", where(p, "rfm")),
    "iot-without-options": lambda p: put(p, where(p, "securityDomain"), pe("nonStandard", 9400), iot_part()),
    "element-unknown": lambda p: put(p, 5, ProfileElement("unknown-BF60", {}, b"\x01", H("BF60"))),
    "element-reserved": lambda p: put(p, 5, ProfileElement("rfu1", {})),
}
CD = "2.23.143.1.2.2"


def cd(number: int = 0) -> list[tuple[str, Any]]:
    return [("fileDescriptor", {"fileID": bytes((0x7F, 0x11 + number)), "pinStatusTemplateDO": H("010A")})]


def second_telecom() -> ProfileElement:
    row = {"fileID": H("7F77"), "pinStatusTemplateDO": H("010A")}
    return pe("telecom", 9400, templateID="2.23.143.1.2.3", **{"df-telecom": [("fileDescriptor", row)]})


def elsewhere(package: Package) -> ProfileElement:
    element = again(package, "df-saip")
    for name in ("df-df-saip", "ef-suci-calc-info-usim"):
        for _, row in element.fields[name]:  # type: ignore[union-attr,misc]
            row["securityAttributesReferenced"] = H("2F0601")  # type: ignore[index]
    return element


def copied(package: Package, name: str) -> list[ProfileElement]:
    """A second application with parameters of its own, its ADF with an identifier and AID of its own."""
    element = again(package, name)
    row = next(value for kind, value in element.fields[f"adf-{name}"] if kind == "fileDescriptor")  # type: ignore[union-attr,misc]
    row["fileID"], row["dfName"] = H("7F99"), H("A00000008710020000")  # type: ignore[index]
    if name == "usim":
        element.fields["ef-ust"] = [("fillFileContent", bytes(14))]
    aka = again(package, "akaParameter")
    aka.pe_header["identification"] = 9001
    return [element, aka]


def eap(number: int) -> ProfileElement:
    row = {"fileID": H("5F99"), "pinStatusTemplateDO": H("010A")}
    status: Any = [("fillFileContent", b"\x00")]
    files: dict[str, Any] = {"df-eap": [("fileDescriptor", row)], "ef-eapstatus": status}
    return pe("eap", number, templateID="2.23.143.1.2.12", **files)


def iot_part() -> ProfileElement:
    return pe("opt-iot", 9401, templateID="2.23.143.1.2.18")


def without_turn(package: Package, name: str, turn: int) -> Package:
    index = where(package, name, turn)
    return Package(package.version, package.elements[:index] + package.elements[index + 1 :])


def without_mf(package: Package) -> Package:
    """Nothing but header, security domain and End: everything else stands on the MF."""
    kept = tuple(each for each in package.elements if each.name in ("header", "securityDomain", "end"))
    services = package.header["eUICC-Mandatory-services"]
    assert isinstance(services, dict)
    services.clear()
    return Package(package.version, kept)


def pin_row(reference: int, **more: Any) -> dict[str, Any]:
    return {"keyReference": reference, "pinValue": b"1234\xff\xff\xff\xff", **more}


def shares(path: bytes) -> Change:
    def change(package: Package) -> Package:
        row = {**DF, "fileID": H("5F98"), "pinStatusTemplateDO": H("81010A")}
        made = generic(package, ("filePath", b""), ("createFCP", row))
        return after(made, "genericFileManagement", pe("pinCodes", 9500, pinCodes=("filePath", path)))

    return change


PINS: dict[str, Change] = {
    "pin-reference": does(lambda p: codes(p, "pinCodes").append(pin_row(9))),
    "puk-reference": does(lambda p: codes(p, "pukCodes").append({"keyReference": 9, "pukValue": b"12345678"})),
    "pin-value": code("pinCodes", 0, 0, pinValue=b"123\xff\xff\xff\xff\xff"),
    "puk-value": code("pukCodes", 0, 0, pukValue=b"1234567\xff"),
    "pin-tries": code("pinCodes", 0, 0, maxNumOfAttemps_retryNumLeft=0x34),
    "puk-tries": code("pukCodes", 0, 0, maxNumOfAttemps_retryNumLeft=0x0A),
    "pin-attributes": code("pinCodes", 0, 0, pinAttributes=8),
    "pin-context": lambda p: put(p, 1, pe("pinCodes", 9500, pinCodes=("pinconfig", [pin_row(2)]))),
    "pin-context-once": lambda p: after(
        p, "pinCodes", pe("pinCodes", 9500, pinCodes=("pinconfig", [pin_row(2)])), turn=0
    ),
    "pin-global-at-mf": does(lambda p: codes(p, "pinCodes", 1).append(pin_row(2))),
    "pin-local-in-df": does(lambda p: codes(p, "pinCodes").append(pin_row(130))),
    "pin-once": does(lambda p: codes(p, "pinCodes").append(pin_row(1))),
    "puk-reference-once": does(
        lambda p: codes(p, "pukCodes").append({"keyReference": 1, "pukValue": b"12345678"})
    ),
    "pin-puk-defined": code("pinCodes", 0, 0, unblockingPINReference=3),
    "pin-status-defined": stated("df-saip", "df-df-saip", pinStatusTemplateDO=H("81010A0C")),
    "pin-shared-context": shares(H("5F98")),
}

FULL: dict[str, Change] = FCP | FILES | IDENTITY | KEYS | ORDER | PINS


def does_service(package: Package) -> Package:
    service("milenage", on=False)(package)
    return package


def copied_aka(package: Package) -> ProfileElement:
    element = again(package, "akaParameter")
    element.pe_header["identification"] = 9001
    return element


IOT: dict[str, Change] = {
    "iot-missing": lambda p: without(does_service(p), "iot", "opt-iot", "akaParameter"),
    "iot-once": lambda p: after(p, "opt-iot", again(p, "iot"), copied_aka(p)),
    "opt-iot-once": lambda p: after(p, "opt-iot", pe("opt-iot", 9400, templateID="2.23.143.1.2.18")),
    "opt-iot-position": lambda p: moved(p, "opt-iot", 2),
    "iot-with-mf": lambda p: put(p, 2, pe("mf", 9400, templateID="2.23.143.1.2.1")),
    "puk-position": lambda p: moved(p, "pukCodes", 2),
}

TEMPLATE: dict[str, Change] = {
    "variable-tlv": does(lambda p: content(p, "isim", "ef-impi", Slot("impi", 20, 20))),
}
"""Rules about variables in a template."""

__all__ = ["FULL", "IOT", "TEMPLATE", "instance"]
