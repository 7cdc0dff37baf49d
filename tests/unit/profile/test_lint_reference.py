"""Sections 2.3, 3 and 4 of the reference beside the validator: each row and sentence has rules, each rule one."""

from __future__ import annotations

import re

import pytest

from ferryman.profile.lint import RULES
from shared_data import shared

TABLE_2_3 = {
    ("must (template PE, Full Profile)", "ADF"): "fileID (temporary, unique), dfName, pinStatusTemplateDO",
    ("must (template PE, Full Profile)", "DF"): "pinStatusTemplateDO",
    ("must (template PE, Full Profile)", "EF"): "",
    ("must (template PE, Full Profile)", "link"): "linkPath",
    ("must (generic creation)", "ADF"): (
        "fileID, fileDescriptor, securityAttributesReferenced, pinStatusTemplateDO, dfName [K]"
    ),
    (
        "must (generic creation)",
        "DF",
    ): "fileID, fileDescriptor, securityAttributesReferenced, pinStatusTemplateDO [K]",
    ("must (generic creation)", "EF"): "fileID, fileDescriptor, securityAttributesReferenced, efFileSize",
    ("must (generic creation)", "link"): "fileID, securityAttributesReferenced",
    ("forbidden", "ADF"): "efFileSize, shortEFID, proprietaryEFInfo",
    ("forbidden", "DF"): "same + dfName",
    ("forbidden", "EF"): "dfName, pinStatusTemplateDO",
    ("forbidden", "link"): "dfName, efFileSize, pinStatusTemplateDO; shortEFID for a DF link",
}
"""The cells of the table, as they are read below; a change of the reference asks for another look at the rules."""

IMPLIED = {
    # A file is a link because it has a linkPath; what is wrong with one has a rule.
    "fcp-link-needs-linkPath": "fcp-link-path",
    # By generic creation a directory without dfName is a DF: the kind says what it must have.
    "gfm-adf-needs-dfName": "fcp-df-forbids-dfName",
}

TABLE_4 = {
    "mf (or generic creation of 3F00)": "mf-missing mf-first mf-once",
    "pukCodes": "puk-once puk-position",
    "cd, telecom": "cd-once telecom-once mf-first",
    "usim, isim, csim, ssim": "multiple-usim-service multiple-isim-service multiple-csim-service mf-first",
    "opt-usim, phonebook, gsm-access, df-5gs, df-saip, df-snpn, df-5gprose": "part-has-application part-once",
    "opt-isim, opt-csim": "part-has-application part-once",
    "pinCodes": "pin-context",
    "akaParameter": "aka-position aka-once aka-missing cdma-position",
    "eap": "eap-position eap-once",
    "securityDomain": "sd-first",
    "rfm": "rfm-domain rfm-application application-domain",
    "iot": "iot-missing iot-once iot-without-options iot-with-mf opt-iot-once opt-iot-position puk-position",
}
"""By the first cell of each row: the rules that are the row."""

SENTENCES = {
    # 2.3, below the table
    "byte 2 always 21, record length exactly for linear and cyclic": "fd-coding-byte fd-record-length",
    "`4121` transparent, `42 21 00 len` linear fixed, `46 21 00 len` cyclic, `7821` DF/ADF": (
        "fd-structure fd-kind fd-whole-records"
    ),
    "SFI in bits 8..4, low three zero": "fcp-short-id fcp-short-id-unique",
    "specialFileInformation: only bits 8 and 7": "fcp-special-information",
    "record number, or EF ARR ID + record number": "fcp-security-form arr-file-exists",
    "never the C6 wrapper": "fcp-pin-status-form",
    # 3.1
    "Key references: 1..8 application PINs (global)": "pin-reference puk-reference",
    "Values are ASCII digits padded FF": "pin-value puk-value",
    "High nibble = maximum, low = left": "pin-tries puk-tries",
    "pinAttributes: TS48 has 6": "pin-attributes",
    "PIN context = the first DF/ADF created by the PE before": "pin-context",
    "Global references only in the MF context, local ones only in ADF/DF contexts": (
        "pin-global-at-mf pin-local-in-df"
    ),
    "one PE-PINCodes per context": "pin-context-once pin-shared-context",
    "each reference once": "pin-once puk-reference-once",
    "a named PUK must exist": "pin-puk-defined",
    "global PINs named by any pinStatusTemplateDO must be defined at the MF": "pin-status-defined",
    # 3.2
    "Milenage key 16, OPc 16; TUAK key 16 or 32, TOPc 32": "aka-key-size aka-opc-size",
    "numberOfKeccak default 1": "aka-keccak",
    "Mapping reuses another NAA's parameters, which must come earlier": "aka-mapping-source",
    "sqn values exclude IND; maximum 07FFFFFFFFFF": "aka-sequence-number",
    # 3.3
    "Key types 80 DES, 85 TLS-PSK, 88 AES": "sd-key-type sd-key-size",
    "KVN 01-0F SCP80, 20-2F SCP02, 30-3F SCP03, 40-4F SCP81": "sd-key-version",
    "The first security domain is the MNO-SD: not extradited": "sd-operator-not-extradited",
    "only it may have openPersoData and catTpParameters": "sd-openPersoData sd-catTpParameters",
    "No (id, KVN) twice, no component type twice": "sd-key-once sd-key-component-once",
    "sdPersoData: one DGI per string, unencrypted, no APDU header": "sd-personalisation-data",
    "4F extraditeSecurityDomainAID OPTIONAL, 82 privileges": "instance-privileges",
    "A target SD named for extradition must be PERSONALIZED": "instance-extradition",
    "processData = complete STORE DATA APDUs, in clear": "application-process-data",
    "No tarList: TAR = bytes 13-15 of the instance AID": "rfm-has-tar",
    "After its SD and its ADF": "rfm-domain rfm-application",
    "Only there may proprietary tags live": "component-unknown element-unknown",
    # 4, above and below the table
    "Header first and once; End last and once; identifications unique": (
        "header-first header-once end-last end-once identification-unique"
    ),
    "header ICCID differing from EF ICCID in a Full Profile (warn": "header-iccid-in-file",
    "services consistent with algorithms and NAAs": (
        "service-of-algorithm service-unused-algorithm service-of-application service-ber-tlv"
    ),
    "IMSI in USIM, ISIM and connected files consistent": "isim-identity",
    "ACC = IMSI": "acc-of-imsi",
    "EF AD MNC length = the MNC used": "mnc-length isim-realm",
    "content fits the file size": "file-content-fits",
    "ARR record numbers exist": "arr-record-exists",
    "linkPath targets exist": "link-target-exists",
    "UST bits against files present": "service-table",
    "RFM/RAM TARs unique": "tar-unique instance-aid-unique",
    "variables all bound": "variable-tlv",
}
"""What the text says beside the tables: words of the reference, and the rules that they are."""


@pytest.fixture(scope="module")
def reference() -> str:
    return shared("reference", "profile-package.md").read_text()


def section(text: str, name: str) -> str:
    return text.split(f"\n{'###' if name[1:2] == '.' and name[2:].strip() else '##'} {name}", 1)[1].split(
        "\n#", 1
    )[0]


def rows(text: str) -> list[list[str]]:
    """Cells of a table's rows, its heading among them."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|--")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"[a-z]+(?:[A-Z][A-Za-z]*)", re.sub(r"\[.*?\]|\(.*?\)", "", cell))


def rules_of_2_3() -> set[str]:
    """Ids that the table of 2.3 asks for, made from its words."""
    wanted: set[str] = set()
    for (row, kind), cell in TABLE_2_3.items():
        word = kind.lower()
        if row == "forbidden":
            asked = names(cell) + (names(TABLE_2_3[row, "ADF"]) if cell.startswith("same") else [])
            wanted |= {f"fcp-{word}-forbids-{name}" for name in asked}
        else:
            prefix = "gfm" if "generic" in row else "fcp"
            wanted |= {f"{prefix}-{word}-needs-{name}" for name in names(cell)}
    return wanted


def test_the_table_of_2_3(reference: str) -> None:
    heading, *body = rows(section(reference, "2.3"))
    said = {(row[0], kind): cell for row in body for kind, cell in zip(heading[1:], row[1:], strict=True)}
    assert said == TABLE_2_3
    wanted = rules_of_2_3()
    assert len(wanted) == 33
    assert {IMPLIED.get(name, name) for name in wanted} <= RULES.keys()
    assert {"fcp-adf-id-unique", *IMPLIED.values()} <= RULES.keys()  # "temporary, unique"


def test_the_table_of_4(reference: str) -> None:
    _, *body = rows(section(reference, "4. "))
    assert [row[0] for row in body] == list(TABLE_4)
    assert {name for rules in TABLE_4.values() for name in rules.split()} <= RULES.keys()


def test_every_sentence_has_its_rules_and_every_rule_a_sentence(reference: str) -> None:
    text = " ".join(" ".join(section(reference, name) for name in ("2.3", "3.1", "3.2", "3.3", "4. ")).split())
    for words in SENTENCES:
        assert words in text, words
    anchored = {name for rules in (*SENTENCES.values(), *TABLE_4.values()) for name in rules.split()}
    anchored |= {IMPLIED.get(name, name) for name in rules_of_2_3()} | {"fcp-adf-id-unique", *IMPLIED.values()}
    ours = {name for name, rule in RULES.items() if rule.source in ("2.3", "3.1", "3.2", "3.3", "4")}
    assert anchored - {"variable-tlv"} <= ours
    assert ours - anchored == {"fcp-file-size-form"}  # "minimal length", of section 1.4
