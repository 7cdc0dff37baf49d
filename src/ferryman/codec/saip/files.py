"""Components of the file-creating profile elements (TCA profile package format, clause 8.3; our reference, 1.4).

Every such element is `A0` header, `81` template, then one File per name with context tags 2, 3, 4 ... in
this order. A leading `*` marks a mandatory file. Tags never change their meaning within 2.x, except that
PE-DF-5GS tag AB is `ef-nsi` here and becomes another file in 3.0.
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
