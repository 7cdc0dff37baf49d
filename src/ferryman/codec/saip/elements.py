"""Types of the profile elements other than their file lists (TCA profile package format 2.1 to 3.3.1).

Names are those of the ASN.1 module, its misspellings included (`keyCompontents`, `maxNumOfAttemps-retryNumLeft`),
because value notation and every other tool use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferryman.codec.saip.types import (
    Field,
    Integer,
    Null,
    Octets,
    Oid,
    Sequence,
    SequenceOf,
    Text,
    auto,
    auto_choice,
    dfl,
    opt,
    req,
    tagged,
    tagged_choice,
)

MILENAGE = 1
TUAK = 2
USIM_TEST_ALGORITHM = 3

MILENAGE_ROTATIONS = bytes.fromhex("4000204060")
"""Default r1..r5 of Milenage in bits (TS 35.206)."""

MILENAGE_CONSTANTS = b"".join(number.to_bytes(16, "big") for number in (0, 1, 2, 4, 8))
"""Default c1..c5 of Milenage (TS 35.206)."""

SQN_DEFAULT = bytes.fromhex("000010000000")
SQN_ENTRIES = 32

_EIGHT = range(8)
_PUKS = {f"pukAppl{number + 1}": number + 1 for number in _EIGHT} | {
    f"secondPUKAppl{number + 1}": number + 129 for number in _EIGHT
}
_PINS = (
    {f"pinAppl{number + 1}": number + 1 for number in _EIGHT}
    | {f"adm{number + 1}": number + 10 for number in range(5)}
    | {f"secondPINAppl{number + 1}": number + 129 for number in _EIGHT}
    | {f"adm{number + 6}": number + 138 for number in range(5)}
)
PUK_NAMES: Mapping[str, int] = MappingProxyType(_PUKS)
PIN_NAMES: Mapping[str, int] = MappingProxyType(_PINS)
ALGORITHM_NAMES: Mapping[str, int] = MappingProxyType(
    {"milenage": MILENAGE, "tuak": TUAK, "usim-test-algorithm": USIM_TEST_ALGORITHM}
)

AID = Octets(5, 16)
PATH = Octets(0, 8)
"""Path from the MF in file IDs. Empty is the MF: formally since 2.3.1, but published 2.1 packages have it too."""

UINT16 = Integer(0, 65535)
PE_HEADER = auto(opt("mandated", Null()), req("identification", Integer(0, 32767)))
DUMMY = auto()

_PATTERNS = (
    dfl("specialFileInformation", Octets(1, 1), b"\x00", 0xC0),
    opt("fillPattern", Octets(1, 200), 0xC1),
    opt("repeatPattern", Octets(1, 200), 0xC2),
)
_BER_TLV_FILES = (opt("maximumFileSize", Octets(), 0x86), dfl("fileDetails", Octets(1, 1), b"\x01", 0x84))
"""Components of proprietaryEFInfo that exist since 3.0."""


def file_control(*, ber_tlv_files: bool) -> Sequence:
    """Fcp of the versions before 3.0 or, with `ber_tlv_files`, since then."""
    proprietary = tagged(*_PATTERNS, *(_BER_TLV_FILES if ber_tlv_files else ()))
    return tagged(
        opt("fileDescriptor", Octets(2, 4), 0x82),
        opt("fileID", Octets(2, 2), 0x83),
        opt("dfName", AID, 0x84),
        dfl("lcsi", Octets(1, 1), b"\x05", 0x8A),
        opt("securityAttributesReferenced", Octets(1, 3), 0x8B),
        opt("efFileSize", Octets(), 0x80),
        opt("pinStatusTemplateDO", Octets(), 0xC6),
        opt("shortEFID", Octets(0, 1), 0x88),
        opt("proprietaryEFInfo", proprietary, 0xA5),
        opt("linkPath", Octets(), 0xC7),
    )


def file_of(fcp: Sequence) -> SequenceOf:
    """File: what is created and what is written into it, in order."""
    return SequenceOf(
        auto_choice(
            req("doNotCreate", Null()),
            req("fileDescriptor", fcp),
            req("fillFileOffset", UINT16),
            req("fillFileContent", Octets()),
        )
    )


def generic_file_management(fcp: Sequence) -> Sequence:
    """PE-GenericFileManagement: lists of selections, creations and contents."""
    command = tagged_choice(
        req("filePath", PATH, 0x80),
        req("createFCP", fcp, 0x62),
        req("fillFileOffset", UINT16),
        req("fillFileContent", Octets(), 0x81),
    )
    return auto(
        req("gfm-header", PE_HEADER),
        req("fileManagementCMD", SequenceOf(SequenceOf(command, 1), 1)),
    )


END = auto(req("end-header", PE_HEADER))

NON_STANDARD = auto(req("nonStandard-header", PE_HEADER), req("issuerID", Oid()), req("content", Octets()))

PUK_CODES = auto(
    req("puk-Header", PE_HEADER),
    req(
        "pukCodes",
        SequenceOf(
            auto(
                req("keyReference", Integer(1, 136, PUK_NAMES)),
                req("pukValue", Octets(8, 8)),
                dfl("maxNumOfAttemps-retryNumLeft", Integer(), 0xAA),
            ),
            1,
            16,
        ),
    ),
)

PIN_CONFIGURATION = auto(
    req("keyReference", Integer(1, 142, PIN_NAMES)),
    req("pinValue", Octets(8, 8)),
    opt("unblockingPINReference", Integer(1, 136, PUK_NAMES)),
    dfl("pinAttributes", Integer(), 7),
    dfl("maxNumOfAttemps-retryNumLeft", Integer(), 0x33),
)

PIN_CODES = auto(
    req("pin-Header", PE_HEADER),
    req(
        "pinCodes",
        auto_choice(req("pinconfig", SequenceOf(PIN_CONFIGURATION, 1, 26)), req("filePath", PATH)),
    ),
)

ALGO_PARAMETER = auto(
    req("algorithmID", Integer(MILENAGE, USIM_TEST_ALGORITHM, ALGORITHM_NAMES)),
    req("algorithmOptions", Octets(1, 1)),
    req("key", Octets()),
    req("opc", Octets()),
    dfl("rotationConstants", Octets(5, 5), MILENAGE_ROTATIONS),
    dfl("xoringConstants", Octets(80, 80), MILENAGE_CONSTANTS),
    opt("authCounterMax", Octets(3, 3)),
    dfl("numberOfKeccak", Integer(), 1),
)

AKA_PARAMETER = auto(
    req("aka-header", PE_HEADER),
    req(
        "algoConfiguration",
        auto_choice(
            req("mappingParameter", auto(req("mappingOptions", Octets(1, 1)), req("mappingSource", AID))),
            req("algoParameter", ALGO_PARAMETER),
        ),
    ),
    dfl("sqnOptions", Octets(1, 1), b"\x02"),
    dfl("sqnDelta", Octets(6, 6), SQN_DEFAULT),
    dfl("sqnAgeLimit", Octets(6, 6), SQN_DEFAULT),
    dfl("sqnInit", SequenceOf(Octets(6, 6), SQN_ENTRIES, SQN_ENTRIES), [bytes(6)] * SQN_ENTRIES),
)

CDMA_PARAMETER = auto(
    req("cdma-header", PE_HEADER),
    req("authenticationKey", Octets(8, 8)),
    opt("ssd", Octets(16, 16)),
    opt("hrpdAccessAuthenticationData", Octets(2, 32)),
    opt("simpleIPAuthenticationData", Octets(3, 483)),
    opt("mobileIPAuthenticationData", Octets(5, 957)),
)

_QUOTA = Octets(2, 4)

SYSTEM_PARAMETERS = tagged(
    opt("volatileMemoryQuotaC7", _QUOTA, 0xC7),
    opt("nonVolatileMemoryQuotaC8", _QUOTA, 0xC8),
    opt("globalServiceParameters", Octets(), 0xCB),
    opt("implicitSelectionParameter", Octets(), 0xCF),
    opt("volatileReservedMemory", _QUOTA, 0xD7),
    opt("nonVolatileReservedMemory", _QUOTA, 0xD8),
    opt("ts102226SIMFileAccessToolkitParameter", Octets(), 0xCA),
    opt("ts102226AdditionalContactlessParameters", auto(req("protocolParameterData", Octets())), 0xA0),
    opt("contactlessProtocolParameters", Octets(), 0xD9),
    opt("userInteractionContactlessParameters", Octets(), 0xDA),
    opt("cumulativeGrantedVolatileMemory", _QUOTA, 0x82),
    opt("cumulativeGrantedNonVolatileMemory", _QUOTA, 0x83),
)

_CONTROL_REFERENCE = opt(
    "controlReferenceTemplate", tagged(opt("applicationProviderIdentifier", Octets(), 0x5F20)), 0xB0
)


def application_instance(*, control_reference: bool) -> Sequence:
    """ApplicationInstance; its control reference template exists since 3.2."""
    return tagged(
        req("applicationLoadPackageAID", AID, 0x4F),
        req("classAID", AID, 0x4F),
        req("instanceAID", AID, 0x4F),
        opt("extraditeSecurityDomainAID", AID, 0x4F),
        req("applicationPrivileges", Octets(), 0x82),
        dfl("lifeCycleState", Octets(1, 1), b"\x07", 0x83),
        req("applicationSpecificParametersC9", Octets(), 0xC9),
        opt("systemSpecificParameters", SYSTEM_PARAMETERS, 0xEF),
        opt(
            "applicationParameters",
            auto(
                opt("uiccToolkitApplicationSpecificParametersField", Octets()),
                opt("uiccAccessApplicationSpecificParametersField", Octets()),
                opt("uiccAdministrativeAccessApplicationSpecificParametersField", Octets()),
            ),
            0xEA,
        ),
        opt("processData", SequenceOf(Octets(), 1)),
        *((_CONTROL_REFERENCE,) if control_reference else ()),
    )


KEY_OBJECT = tagged(
    req("keyUsageQualifier", Octets(1, 2), 0x95),
    dfl("keyAccess", Octets(1, 1), b"\x00", 0x96),
    req("keyIdentifier", Octets(1, 1), 0x82),
    req("keyVersionNumber", Octets(1, 1), 0x83),
    opt("keyCounterValue", Octets(), 0x85),
    req(
        "keyCompontents",
        SequenceOf(
            tagged(
                req("keyType", Octets(), 0x80),
                req("keyData", Octets(), 0x86),
                dfl("macLength", Integer(), 8, 0x87),
            ),
            1,
        ),
    ),
)

OPEN_PERSO_DATA = tagged(opt("restrictParameter", Octets(), 0xD9), opt("contactlessProtocolParameters", Octets()))

CAT_TP_PARAMETERS = auto(req("catTpMaxSduSize", UINT16), req("catTpMaxPduSize", UINT16))

_LOAD_BLOCK = tagged(
    req("loadPackageAID", AID, 0x4F),
    opt("securityDomainAID", AID, 0x4F),
    opt("nonVolatileCodeLimitC6", Octets(), 0xC6),
    opt("volatileDataLimitC7", Octets(), 0xC7),
    opt("nonVolatileDataLimitC8", Octets(), 0xC8),
    opt("hashValue", Octets(), 0xC1),
    req("loadBlockObject", Octets(), 0xC4),
)


def application(instance: Sequence) -> Sequence:
    """PE-Application: a load file, instances of it, or both."""
    return auto(
        req("app-Header", PE_HEADER),
        opt("loadBlock", _LOAD_BLOCK),
        opt("instanceList", SequenceOf(instance, 1)),
    )


IOT_OPTIONS = auto(req("pix", Octets(7, 11)))
"""Marks an IoT Minimal Profile; the PIX completes the AID of its USIM."""

RFM = tagged(
    req("rfm-header", PE_HEADER, 0xA0),
    req("instanceAID", AID, 0x4F),
    opt("securityDomainAID", AID, 0x4F),
    opt("tarList", SequenceOf(Octets(3, 3), 1), 0xA0),
    req("minimumSecurityLevel", Octets(1, 1), 0x81),
    req("uiccAccessDomain", Octets()),
    req("uiccAdminAccessDomain", Octets()),
    opt(
        "adfRFMAccess",
        auto(req("adfAID", AID), req("adfAccessDomain", Octets()), req("adfAdminAccessDomain", Octets())),
    ),
)


def security_domain(instance: Sequence, *later: Field) -> Sequence:
    """PE-SecurityDomain; `later` are the components a version adds behind sdPersoData."""
    return auto(
        req("sd-Header", PE_HEADER),
        req("instance", instance),
        opt("keyList", SequenceOf(KEY_OBJECT, 1)),
        opt("sdPersoData", SequenceOf(Octets(), 1)),
        *later,
    )


def profile_header(services: Sequence, *later: Field) -> Sequence:
    """ProfileHeader with the version's services and the components it adds behind `connectivityParameters`."""
    return auto(
        req("major-version", Integer()),
        req("minor-version", Integer()),
        opt("profileType", Text(1, 100)),
        req("iccid", Octets(10, 10)),
        opt("pol", Octets()),
        req("eUICC-Mandatory-services", services),
        req("eUICC-Mandatory-GFSTEList", SequenceOf(Oid())),
        opt("connectivityParameters", Octets()),
        *later,
    )
