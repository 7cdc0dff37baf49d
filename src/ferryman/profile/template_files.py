"""Files of the file system templates: identifiers, and what the default-created ones are (reference 2.1).

File identifiers are those of 3GPP TS 31.102 and 31.103, 3GPP2 C.S0065 and ETSI TS 102 221; the ones that published
packages state were compared with them. Sizes, short identifiers and kinds stand only where every eUICC creates the
file by itself: templates MF, USIM and ISIM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_IDENTIFIERS = {
    "mf": "mf 3F00 ef-pl 2F05 ef-iccid 2FE2 ef-dir 2F00 ef-arr 2F06 ef-umpc 2F08",
    "cd": "df-cd 7F11 ef-launchpad 6F01",
    "telecom": (
        "df-telecom 7F10 ef-arr 6F06 ef-rma 6F53 ef-sume 6F54 ef-ice-dn 6FE0 ef-ice-ff 6FE1"
        " ef-psismsc 6FE5 df-graphics 5F50 ef-img 4F20 ef-launch-scws 4F01 df-phonebook 5F3A ef-pbr 4F30"
        " ef-psc 4F22 ef-cc 4F23 ef-puid 4F24 df-multimedia 5F3B ef-mml 4F47 ef-mmdf 4F48 df-mmss 5F3C"
        " ef-mlpl 4F20 ef-mspl 4F21 ef-mmssmode 4F22"
    ),
    "usim": (
        "adf-usim 7FD0 ef-imsi 6F07 ef-arr 6F06 ef-keys 6F08 ef-keysPS 6F09 ef-hpplmn 6F31 ef-ust 6F38"
        " ef-fdn 6F3B ef-sms 6F3C ef-smsp 6F42 ef-smss 6F43 ef-spn 6F46 ef-est 6F56 ef-start-hfn 6F5B"
        " ef-threshold 6F5C ef-psloci 6F73 ef-acc 6F78 ef-fplmn 6F7B ef-loci 6F7E ef-ad 6FAD ef-ecc 6FB7"
        " ef-netpar 6FC4 ef-epsloci 6FE3 ef-epsnsc 6FE4"
    ),
    "opt-usim": (
        "ef-li 6F05 ef-acmax 6F37 ef-acm 6F39 ef-gid1 6F3E ef-gid2 6F3F ef-msisdn 6F40 ef-puct 6F41"
        " ef-cbmi 6F45 ef-cbmid 6F48 ef-sdn 6F49 ef-ext2 6F4B ef-ext3 6F4C ef-cbmir 6F50"
        " ef-plmnwact 6F60 ef-oplmnwact 6F61 ef-hplmnwact 6F62 ef-dck 6F2C ef-cnl 6F32 ef-smsr 6F47"
        " ef-bdn 6F4D ef-ext5 6F4E ef-ccp2 6F4F ef-ext4 6F55 ef-acl 6F57 ef-cmi 6F58 ef-ici 6F80"
        " ef-oci 6F81 ef-ict 6F82 ef-oct 6F83 ef-vgcs 6FB1 ef-vgcss 6FB2 ef-vbs 6FB3 ef-vbss 6FB4"
        " ef-emlpp 6FB5 ef-aaem 6FB6 ef-hiddenkey 6FC3 ef-pnn 6FC5 ef-opl 6FC6 ef-mbdn 6FC7 ef-ext6 6FC8"
        " ef-mbi 6FC9 ef-mwis 6FCA ef-cfis 6FCB ef-ext7 6FCC ef-spdi 6FCD ef-mmsn 6FCE ef-ext8 6FCF"
        " ef-mmsicp 6FD0 ef-mmsup 6FD1 ef-mmsucp 6FD2 ef-nia 6FD3 ef-vgcsca 6FD4 ef-vbsca 6FD5"
        " ef-gbabp 6FD6 ef-msk 6FD7 ef-muk 6FD8 ef-ehplmn 6FD9 ef-gbanl 6FDA ef-ehplmnpi 6FDB"
        " ef-lrplmnsi 6FDC ef-nafkca 6FDD ef-spni 6FDE ef-pnni 6FDF ef-ncp-ip 6FE2 ef-ufc 6FE6"
        " ef-uicciari 6FE7 ef-nasconfig 6FE8 ef-pws 6FEC ef-fdnuri 6FED ef-bdnuri 6FEE ef-sdnuri 6FEF"
        " ef-iwl 6FF0 ef-ial 6FF0 ef-ips 6FF1 ef-ipd 6FF2 ef-epdgid 6FF3 ef-epdgselection 6FF4"
        " ef-epdgidem 6FF5 ef-epdgselectionem 6FF6 ef-frompreferred 6FF7 ef-imsconfigdata 6FF8"
        " ef-3gpppsdataoff 6FF9 ef-3gpppsdataoffservicelist 6FFA ef-xcapconfigdata 6FFC"
        " ef-earfcnlist 6FFD ef-mudmidconfigdata 6FFE"
    ),
    "phonebook": "df-phonebook 5F3A ef-pbr 4F30 ef-psc 4F22 ef-cc 4F23 ef-puid 4F24",
    "gsm-access": "df-gsm-access 5F3B ef-kc 4F20 ef-kcgprs 4F52 ef-cpbcch 4F63 ef-invscan 4F64",
    "isim": "adf-isim 7FB0 ef-impi 6F02 ef-domain 6F03 ef-impu 6F04 ef-arr 6F06 ef-ist 6F07 ef-ad 6FAD",
    "opt-isim": (
        "ef-pcscf 6F09 ef-sms 6F3C ef-smsp 6F42 ef-smss 6F43 ef-smsr 6F47 ef-gbabp 6FD5 ef-gbanl 6FD7"
        " ef-nafkca 6FDD ef-uicciari 6FE7"
    ),
    "csim": (
        "adf-csim 7FC0 ef-arr 6F06 ef-call-count 6F21 ef-imsi-m 6F22 ef-imsi-t 6F23 ef-tmsi 6F24"
        " ef-ah 6F25 ef-aop 6F26 ef-aloc 6F27 ef-cdmahome 6F28 ef-znregi 6F29 ef-snregi 6F2A"
        " ef-distregi 6F2B ef-accolc 6F2C ef-term 6F2D ef-acp 6F2F ef-prl 6F30 ef-ruimid 6F31"
        " ef-csim-st 6F32 ef-spc 6F33 ef-otapaspc 6F34 ef-namlock 6F35 ef-ota 6F36 ef-sp 6F37"
        " ef-esn-meid-me 6F38 ef-li 6F3A ef-usgind 6F42 ef-ad 6F43 ef-max-prl 6F45 ef-spcs 6F46"
        " ef-mecrp 6F55 ef-home-tag 6F70 ef-group-tag 6F71 ef-specific-tag 6F72 ef-call-prompt 6F73"
    ),
    "opt-csim": (
        "ef-ssci 6F2E ef-fdn 6F3B ef-sms 6F3C ef-smsp 6F3D ef-smss 6F3E ef-ssfc 6F3F ef-spn 6F41"
        " ef-mdn 6F44 ef-ecc 6F47 ef-me3gpdopc 6F48 ef-3gpdopm 6F49 ef-sipcap 6F4A ef-mipcap 6F4B"
        " ef-sipupp 6F4C ef-mipupp 6F4D ef-sipsp 6F4E ef-mipsp 6F4F ef-sippapss 6F50 ef-hrpdcap 6F56"
        " ef-hrpdupp 6F57 ef-csspr 6F58 ef-atc 6F59 ef-eprl 6F5A ef-bcsmsp 6F5E ef-mmsn 6F65"
        " ef-ext8 6F66 ef-mmsicp 6F67 ef-mmsup 6F68 ef-mmsucp 6F69 ef-3gcik 6F6B ef-gid1 6F6D"
        " ef-gid2 6F6E ef-sf-euimid 6F74 ef-est 6F75 ef-hidden-key 6F76 ef-sdn 6F79 ef-ext2 6F7A"
        " ef-ext3 6F7B ef-ici 6F7C ef-oci 6F7D ef-ext5 6F7E ef-ccp2 6F7F ef-model 6F81"
    ),
    "df-5gs": (
        "df-df-5gs 5FC0 ef-5gs3gpploci 4F01 ef-5gsn3gpploci 4F02 ef-5gs3gppnsc 4F03 ef-5gsn3gppnsc 4F04"
        " ef-5gauthkeys 4F05 ef-uac-aic 4F06 ef-suci-calc-info 4F07 ef-opl5g 4F08 ef-nsi 4F09"
        " ef-supinai 4F09 ef-routing-indicator 4F0A ef-ursp 4F0B ef-tn3gppsnn 4F0C"
    ),
    "df-saip": "df-df-saip 5FD0 ef-suci-calc-info-usim 4F01",
}


def _table(row: str) -> Mapping[str, bytes]:
    words = row.split()
    return MappingProxyType(
        {name: bytes.fromhex(number) for name, number in zip(words[::2], words[1::2], strict=True)}
    )


FILE_IDS: Mapping[str, Mapping[str, bytes]] = MappingProxyType(
    {element: _table(row) for element, row in _IDENTIFIERS.items()}
)
"""File identifier that a template gives, by profile element and component."""


@dataclass(frozen=True, slots=True)
class DefaultFile:
    """A file that the eUICC creates by itself: size in bytes (None: only from the package), record length, SFI."""

    size: int | None
    record: int = 0
    sfi: int | None = None


_DEFAULTS = {
    "mf": "pl 2 0 05, iccid 10, dir - - 1E, arr -, umpc 5 0 08",
    "usim": (
        "imsi 9 0 07, arr - - 17, keys 33 0 08, keysPS 33 0 09, hpplmn 1 0 12, ust 14 0 04, fdn 520 26,"
        " sms 1760 176, smsp 38 38, smss 2, spn 17, est 1 0 05, start-hfn 6 0 0F, threshold 3 0 10,"
        " psloci 14 0 0C, acc 2 0 06, fplmn 12 0 0D, loci 11 0 0B, ad 4 0 03, ecc 4 4 01, netpar 128,"
        " epsloci 18 0 1E, epsnsc 80 80 18"
    ),
    "isim": "impi - - 02, impu - - 04, domain - - 05, ist - - 07, ad 3 0 03, arr -",
}


def _default(words: list[str]) -> DefaultFile:
    size, record, sfi = (*words, "-", "-", "-")[:3]
    return DefaultFile(
        None if size == "-" else int(size),
        0 if record == "-" else int(record),
        None if sfi == "-" else int(sfi, 16),
    )


DEFAULT_FILES: Mapping[str, Mapping[str, DefaultFile]] = MappingProxyType(
    {
        element: MappingProxyType(
            {f"ef-{words[0]}": _default(words[1:]) for words in (item.split() for item in row.split(","))}
        )
        for element, row in _DEFAULTS.items()
    }
)
"""Files of the default-created templates whose defaults are known, by profile element and component."""

CREATED_BY_DEFAULT = frozenset(("mf", "usim", "isim", "csim", "iot"))
"""Elements whose template is created whole, unless the PE says `doNotCreate`."""
