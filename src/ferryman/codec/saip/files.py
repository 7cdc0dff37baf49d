"""Components of the file-creating profile elements (TCA profile package format, clause 8.3; our reference, 1.4).

Every such element is `A0` header, `81` template, then one File per name with context tags 2, 3, 4 ... in
this order. A leading `*` marks a mandatory file. FILE_ELEMENTS are those of 2.x; `file_elements` gives the
lists of any version: 3.0 appends files and puts another one at PE-DF-5GS tag AB, 3.3 renames one of PE-OPT-USIM,
3.3.1 inserts one in PE-OPT-IoT, which moves the three behind it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileElement:
    """A file-creating element: name of its header component and its files in wire order."""

    header: str
    files: str


_PHONEBOOK_FILES = (
    "ef-pbr ef-ext1 ef-aas ef-gas ef-psc ef-cc ef-puid ef-iap ef-adn ef-pbc ef-anr ef-puri ef-email ef-sne"
    " ef-uid ef-grp ef-ccp1"
)

FILE_ELEMENTS = {
    "mf": FileElement("mf-header", "*mf ef-pl *ef-iccid *ef-dir *ef-arr ef-umpc"),
    "cd": FileElement("cd-header", "*df-cd ef-launchpad ef-icon"),
    "telecom": FileElement(
        "telecom-header",
        "*df-telecom ef-arr ef-rma ef-sume ef-ice-dn ef-ice-ff ef-psismsc df-graphics ef-img ef-iidf"
        f" ef-ice-graphics ef-launch-scws ef-icon df-phonebook {_PHONEBOOK_FILES} df-multimedia ef-mml ef-mmdf"
        " df-mmss ef-mlpl ef-mspl ef-mmssmode",
    ),
    "usim": FileElement(
        "usim-header",
        "*adf-usim *ef-imsi *ef-arr ef-keys ef-keysPS ef-hpplmn *ef-ust ef-fdn ef-sms ef-smsp ef-smss *ef-spn"
        " *ef-est ef-start-hfn ef-threshold ef-psloci *ef-acc ef-fplmn ef-loci ef-ad *ef-ecc ef-netpar ef-epsloci"
        " ef-epsnsc",
    ),
    "opt-usim": FileElement(
        "optusim-header",
        "ef-li ef-acmax ef-acm ef-gid1 ef-gid2 ef-msisdn ef-puct ef-cbmi ef-cbmid ef-sdn ef-ext2 ef-ext3 ef-cbmir"
        " ef-plmnwact ef-oplmnwact ef-hplmnwact ef-dck ef-cnl ef-smsr ef-bdn ef-ext5 ef-ccp2 ef-ext4 ef-acl ef-cmi"
        " ef-ici ef-oci ef-ict ef-oct ef-vgcs ef-vgcss ef-vbs ef-vbss ef-emlpp ef-aaem ef-hiddenkey ef-pnn ef-opl"
        " ef-mbdn ef-ext6 ef-mbi ef-mwis ef-cfis ef-ext7 ef-spdi ef-mmsn ef-ext8 ef-mmsicp ef-mmsup ef-mmsucp"
        " ef-nia ef-vgcsca ef-vbsca ef-gbabp ef-msk ef-muk ef-ehplmn ef-gbanl ef-ehplmnpi ef-lrplmnsi ef-nafkca"
        " ef-spni ef-pnni ef-ncp-ip ef-ufc ef-nasconfig ef-uicciari ef-pws ef-fdnuri ef-bdnuri ef-sdnuri ef-iwl"
        " ef-ips ef-ipd",
    ),
    "isim": FileElement("isim-header", "*adf-isim *ef-impi *ef-impu *ef-domain *ef-ist ef-ad *ef-arr"),
    "opt-isim": FileElement(
        "optisim-header",
        "ef-pcscf ef-sms ef-smsp ef-smss ef-smsr ef-gbabp ef-gbanl ef-nafkca ef-uicciari",
    ),
    "phonebook": FileElement("phonebook-header", f"*df-phonebook {_PHONEBOOK_FILES}"),
    "gsm-access": FileElement("gsm-access-header", "*df-gsm-access ef-kc ef-kcgprs ef-cpbcch ef-invscan"),
    "csim": FileElement(
        "csim-header",
        "*adf-csim *ef-arr *ef-call-count *ef-imsi-m *ef-imsi-t *ef-tmsi *ef-ah *ef-aop *ef-aloc *ef-cdmahome"
        " *ef-znregi *ef-snregi *ef-distregi *ef-accolc *ef-term *ef-acp *ef-prl *ef-ruimid *ef-csim-st *ef-spc"
        " *ef-otapaspc *ef-namlock *ef-ota *ef-sp *ef-esn-meid-me *ef-li *ef-usgind *ef-ad *ef-max-prl *ef-spcs"
        " *ef-mecrp *ef-home-tag *ef-group-tag *ef-specific-tag *ef-call-prompt",
    ),
    "opt-csim": FileElement(
        "optcsim-header",
        "ef-ssci ef-fdn ef-sms ef-smsp ef-smss ef-ssfc ef-spn ef-mdn ef-ecc ef-me3gpdopc ef-3gpdopm ef-sipcap"
        " ef-mipcap ef-sipupp ef-mipupp ef-sipsp ef-mipsp ef-sippapss ef-puzl ef-maxpuzl ef-hrpdcap ef-hrpdupp"
        " ef-csspr ef-atc ef-eprl ef-bcsmscfg ef-bcsmspref ef-bcsmstable ef-bcsmsp ef-bakpara ef-upbakpara ef-mmsn"
        " ef-ext8 ef-mmsicp ef-mmsup ef-mmsucp ef-auth-capability ef-3gcik ef-dck ef-gid1 ef-gid2 ef-cdmacnl"
        " ef-sf-euimid ef-est ef-hidden-key ef-lcsver ef-lcscp ef-sdn ef-ext2 ef-ext3 ef-ici ef-oci ef-ext5"
        " ef-ccp2 ef-applabels ef-model ef-rc ef-smscap ef-mipflags ef-3gpduppext ef-ipv6cap ef-tcpconfig ef-dgc"
        " ef-wapbrowsercp ef-wapbrowserbm ef-mmsconfig ef-jdl",
    ),
    "eap": FileElement("eap-header", "*df-eap ef-eapkeys *ef-eapstatus ef-puid ef-ps ef-curid ef-reid ef-realm"),
    "df-5gs": FileElement(
        "df-5gs-header",
        "*df-df-5gs ef-5gs3gpploci ef-5gsn3gpploci ef-5gs3gppnsc ef-5gsn3gppnsc ef-5gauthkeys ef-uac-aic"
        " ef-suci-calc-info ef-opl5g ef-nsi ef-routing-indicator",
    ),
    "df-saip": FileElement("df-saip-header", "*df-df-saip ef-suci-calc-info-usim"),
}

_MCS_AND_V2X = " df-mcs ef-mst ef-mcs-config df-v2x ef-vst ef-v2x-config ef-v2xp-pc5 ef-v2xp-Uu"
_EPDG_TO_MUD = (
    " ef-epdgid ef-epdgselection ef-epdgidem ef-epdgselectionem ef-frompreferred ef-imsconfigdata ef-3gpppsdataoff"
    " ef-3gpppsdataoffservicelist ef-xcapconfigdata ef-earfcnlist ef-mudmidconfigdata"
)
_ISIM_TAIL = " ef-frompreferred ef-imsconfigdata ef-xcapconfigdata ef-webrtcuri ef-mudmidconfigdata"
_5GS_SINCE_3_1 = " ef-cag ef-sor-cmci ef-dri ef-5gsedrx ef-5gnswo-conf ef-mchpplmn ef-kausf-derivation"
_5GS_OF_IOT = (
    " df-df-5gs ef-5gs3gpploci ef-5gsn3gpploci ef-5gs3gppnsc ef-5gsn3gppnsc ef-5gauthkeys ef-uac-aic"
    " ef-suci-calc-info ef-opl5g ef-supi-nai ef-routing-indicator ef-ursp"
)
_OPT_IOT_HEAD = (
    "ef-fdn ef-sms ef-smsp ef-smss ef-spn ef-est ef-oplmnwact ef-hplmnwact ef-ehplmn ef-epsloci ef-epsnsc"
    + _5GS_OF_IOT
)
_OPT_IOT_TAIL = " df-df-saip ef-suci-calc-info-usim"


def file_elements(version: tuple[int, int], *, first_3_3: bool = False) -> dict[str, FileElement]:
    """File-creating elements of a version by name; `first_3_3` means the edition before 3.3.1."""
    table = dict(FILE_ELEMENTS)
    if version < (2, 3):
        del table["df-5gs"], table["df-saip"]
    if version < (2, 2):
        del table["eap"]
    if version >= (3, 0):
        _extend(table, "telecom", _MCS_AND_V2X)
        _extend(table, "opt-usim", _EPDG_TO_MUD)
        _extend(table, "opt-isim", _ISIM_TAIL)
        _extend(table, "df-5gs", " ef-ursp ef-tn3gppsnn", ("ef-nsi", "ef-supinai"))
    if version >= (3, 1):
        _extend(table, "df-5gs", _5GS_SINCE_3_1)
    if version >= (3, 3):
        _extend(table, "opt-usim", " ef-eaka", ("ef-iwl", "ef-ial"))
        table |= _elements_since_3_3(first_3_3)
    return table


def _extend(table: dict[str, FileElement], name: str, tail: str, renamed: tuple[str, str] | None = None) -> None:
    row = table[name]
    files = " ".join(
        renamed[1] if renamed is not None and file == renamed[0] else file for file in row.files.split()
    )
    table[name] = FileElement(row.header, files + tail)


def _elements_since_3_3(first_3_3: bool) -> dict[str, FileElement]:
    inserted = "" if first_3_3 else " ef-tn3gppsnn"
    return {
        "df-snpn": FileElement("df-snpn-header", "*df-df-snpn ef-pws-snpn"),
        "df-5gprose": FileElement(
            "df-5gprose-header",
            "*df-df-5g-prose ef-5g-prose-st ef-5g-prose-dd ef-5g-prose-dc ef-5g-prose-u2nru ef-5g-prose-ru"
            " ef-5g-prose-uir",
        ),
        "iot": FileElement(
            "iot-header",
            "mf ef-pl ef-iccid ef-dir ef-arr ef-umpc adf-usim *ef-imsi ef-arr-usim ef-keys ef-keysPS ef-hpplmn"
            " ef-ust ef-start-hfn ef-threshold ef-psloci *ef-acc ef-fplmn ef-loci ef-ad ef-ecc ef-netpar",
        ),
        "opt-iot": FileElement("optiot-header", _OPT_IOT_HEAD + inserted + _OPT_IOT_TAIL),
    }
