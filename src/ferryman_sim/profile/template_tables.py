"""File templates by profile element: field order, file identifiers and defaults (profile-package.md 1.4, 2.1).

File identifiers: 3GPP TS 31.102, 31.103, ETSI TS 102 221, 3GPP2 C.S0065. One row a file:

    field[*]  FID|-  kind  size|-  SFI|-  [content]

`*` = the element must have the field. Kind: D directory, A application directory, T transparent, L<n> linear
fixed with records of n bytes, C<n> cyclic, B BER-TLV; L and C without a number take the record length from the
package. `-` as file identifier or size: it has to come from the package (size: also from the content). Content:
`!` = must come from the package, `=hex` = these bytes, `hex+` = these bytes, the last one to the end of each
record; nothing = FF. A bound before a colon
restricts a row to format versions, e.g. `<3.0:`; rows out of range take no tag.
"""

from __future__ import annotations

MF = """
mf* 3F00 D
ef-pl 2F05 T 2 05
ef-iccid* 2FE2 T 10 - !
ef-dir* 2F00 L - 1E !
ef-arr* 2F06 L - - !
ef-umpc 2F08 T 5 08
"""

CD = """
df-cd* 7F11 D
ef-launchpad 6F01 T - -
ef-icon - T - -
"""

PHONEBOOK_FILES = """
ef-pbr 4F30 L - -
ef-ext1 - L13 - - 00FF+
ef-aas - L - -
ef-gas - L - -
ef-psc 4F22 T 4 - 00+
ef-cc 4F23 T 2 - 00+
ef-puid 4F24 T 2 - 00+
ef-iap - L - -
ef-adn - L - -
ef-pbc - L2 - - 00+
ef-anr - L - -
ef-puri - L - -
ef-email - L - -
ef-sne - L - -
ef-uid - L2 - - 00+
ef-grp - L - - 00+
ef-ccp1 - L15 - -
"""

TELECOM = (
    """
df-telecom* 7F10 D
ef-arr 6F06 L - -
ef-rma 6F53 L - -
ef-sume 6F54 T - -
ef-ice-dn 6FE0 L24 - -
ef-ice-ff 6FE1 L - -
ef-psismsc 6FE5 L - -
df-graphics 5F50 D
ef-img 4F20 L - - 00FF+
ef-iidf - T - -
ef-ice-graphics 4F21 B - -
ef-launch-scws 4F01 T - -
ef-icon - T - -
df-phonebook 5F3A D
"""
    + PHONEBOOK_FILES
    + """
df-multimedia 5F3B D
ef-mml 4F47 B - -
ef-mmdf 4F48 B - -
df-mmss 5F3C D
ef-mlpl 4F20 T - 01
ef-mspl 4F21 T - 02
ef-mmssmode 4F22 T 1 03
df-mcs 5F3D D
ef-mst 4F01 T - 01
ef-mcs-config 4F02 B - -
df-v2x 5F3E D
ef-vst 4F01 T - 01
ef-v2x-config 4F02 B - -
ef-v2xp-pc5 4F03 T - -
ef-v2xp-Uu 4F04 T - -
"""
)

USIM = """
adf-usim* - A
ef-imsi* 6F07 T 9 07 !
ef-arr* 6F06 L - 17 !
ef-keys 6F08 T 33 08 07FF+
ef-keysPS 6F09 T 33 09 07FF+
ef-hpplmn 6F31 T 1 12 0A+
ef-ust* 6F38 T 14 04 !
ef-fdn 6F3B L26 520 -
ef-sms 6F3C L176 1760 - 00FF+
ef-smsp 6F42 L38 38 -
ef-smss 6F43 T 2 -
ef-spn* 6F46 T 17 - !
ef-est* 6F56 T 1 05 !
ef-start-hfn 6F5B T 6 0F =F00000F00000
ef-threshold 6F5C T 3 10
ef-psloci 6F73 T 14 0C =FFFFFFFFFFFFFFFFFFFF0000FF01
ef-acc* 6F78 T 2 06 !
ef-fplmn 6F7B T 12 0D
ef-loci 6F7E T 11 0B =FFFFFFFFFFFFFF0000FF01
ef-ad 6FAD T 4 03 =00000002
ef-ecc* 6FB7 L4 4 01 !
ef-netpar 6FC4 T 128 -
ef-epsloci 6FE3 T 18 1E =FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000001
ef-epsnsc 6FE4 L80 80 18
"""

OPT_USIM = """
ef-li 6F05 T 6 02
ef-acmax 6F37 T 3 - 00+
ef-acm 6F39 C3 3 1C 00+
ef-gid1 6F3E T - -
ef-gid2 6F3F T - -
ef-msisdn 6F40 L - -
ef-puct 6F41 T 5 - =FFFFFF0000
ef-cbmi 6F45 T - -
ef-cbmid 6F48 T - 0E
ef-sdn 6F49 L - -
ef-ext2 6F4B L13 - - 00FF+
ef-ext3 6F4C L13 - - 00FF+
ef-cbmir 6F50 T - -
ef-plmnwact 6F60 T 40 0A =FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000
ef-oplmnwact 6F61 T 40 11 =FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000
ef-hplmnwact 6F62 T 5 13 =FFFFFF0000
ef-dck 6F2C T 16 -
ef-cnl 6F32 T - -
ef-smsr 6F47 L30 - - 00FF+
ef-bdn 6F4D L - -
ef-ext5 6F4E L13 - - 00FF+
ef-ccp2 6F4F L15 15 16
ef-ext4 6F55 L13 - - 00FF+
ef-acl 6F57 T - - 00FF+
ef-cmi 6F58 L - -
ef-ici 6F80 C - 14
ef-oci 6F81 C - 15
ef-ict 6F82 C3 3 - 00+
ef-oct 6F83 C3 3 - 00+
ef-vgcs 6FB1 T - -
ef-vgcss 6FB2 T 7 - 00+
ef-vbs 6FB3 T - -
ef-vbss 6FB4 T 7 - 00+
ef-emlpp 6FB5 T 2 - 00+
ef-aaem 6FB6 T 1 - 00+
ef-hiddenkey 6FC3 T 4 -
ef-pnn 6FC5 L - 19
ef-opl 6FC6 L8 - 1A
ef-mbdn 6FC7 L - -
ef-ext6 6FC8 L13 - - 00FF+
ef-mbi 6FC9 L - -
ef-mwis 6FCA L - - 00+
ef-cfis 6FCB L16 - -
ef-ext7 6FCC L13 - - 00FF+
ef-spdi 6FCD T - 1B
ef-mmsn 6FCE L - - 000000FF+
ef-ext8 6FCF L13 13 - 00FF+
ef-mmsicp 6FD0 T - -
ef-mmsup 6FD1 L - -
ef-mmsucp 6FD2 T - -
ef-nia 6FD3 L - -
ef-vgcsca 6FD4 T - - 00+
ef-vbsca 6FD5 T - - 00+
ef-gbabp 6FD6 T - -
ef-msk 6FD7 L - - FF0000FF+
ef-muk 6FD8 L - -
ef-ehplmn 6FD9 T - 1D
ef-gbanl 6FDA L - -
ef-ehplmnpi 6FDB T 1 - 00+
ef-lrplmnsi 6FDC T 1 - 00+
ef-nafkca 6FDD L - -
ef-spni 6FDE T - - 00FF+
ef-pnni 6FDF L - - 00FF+
ef-ncp-ip 6FE2 L - -
ef-ufc 6FE6 T 30 -
ef-nasconfig 6FE8 T - -
ef-uicciari 6FE7 L - -
ef-pws 6FEC T - -
ef-fdnuri 6FED L - -
ef-bdnuri 6FEE L - -
ef-sdnuri 6FEF L - -
ef-ial 6FF0 L - -
ef-ips 6FF1 C4 4 -
ef-ipd 6FF2 L - -
>=3.0:ef-epdgid 6FF3 T - -
>=3.0:ef-epdgselection 6FF4 T - -
>=3.0:ef-epdgidem 6FF5 T - -
>=3.0:ef-epdgselectionem 6FF6 T - -
>=3.0:ef-frompreferred 6FF7 T 1 - 00+
>=3.0:ef-imsconfigdata 6FF8 B - -
>=3.0:ef-3gpppsdataoff 6FF9 T 4 -
>=3.0:ef-3gpppsdataoffservicelist 6FFA L - -
>=3.0:ef-xcapconfigdata 6FFC B - -
>=3.0:ef-earfcnlist 6FFD T - -
>=3.0:ef-mudmidconfigdata 6FFE B - -
>=3.3:ef-eaka 6F01 T - -
"""

PHONEBOOK = "df-phonebook* 5F3A D\n" + PHONEBOOK_FILES

GSM_ACCESS = """
df-gsm-access* 5F3B D
ef-kc 4F20 T 9 01 =FFFFFFFFFFFFFFFF07
ef-kcgprs 4F52 T 9 02 =FFFFFFFFFFFFFFFF07
ef-cpbcch 4F63 T - -
ef-invscan 4F64 T 1 - 00+
"""

DF_5GS_FILES = """
ef-5gs3gpploci 4F01 T 20 01 =FFFFFFFFFFFFFFFFFFFFFFFFFF42F61800000001
ef-5gsn3gpploci 4F02 T 20 02 =FFFFFFFFFFFFFFFFFFFFFFFFFF42F61800000001
ef-5gs3gppnsc 4F03 L57 57 03
ef-5gsn3gppnsc 4F04 L57 57 04
ef-5gauthkeys 4F05 T 110 05
ef-uac-aic 4F06 T 4 06
ef-suci-calc-info 4F07 T - 07
ef-opl5g 4F08 L10 - 08
"""

DF_5GS = (
    "df-df-5gs* 5FC0 D\n"
    + DF_5GS_FILES
    + """
<3.0:ef-nsi 4F09 T - 09
>=3.0:ef-supinai 4F09 T - 09
ef-routing-indicator 4F0A T 4 0A =F0FFFFFF
ef-ursp 4F0B B - -
ef-tn3gppsnn 4F0C T 1 0C
ef-cag 4F0D T - -
ef-sor-cmci 4F0E B - -
ef-dri 4F0F T 7 0F
ef-5gsedrx 4F10 T 2 10
ef-5gnswo-conf 4F11 T 1 11
ef-mchpplmn 4F15 T 1 15
ef-kausf-derivation 4F16 T 1 16
"""
)

DF_SAIP = """
df-df-saip* 5FD0 D
ef-suci-calc-info-usim 4F01 T - -
"""

DF_SNPN = """
df-df-snpn* 5FE0 D
ef-pws-snpn 4F01 T 1 -
"""

DF_5GPROSE = """
df-df-5g-prose* 5FF0 D
ef-5g-prose-st 4F01 T 1 01
ef-5g-prose-dd 4F02 B - 02
ef-5g-prose-dc 4F03 B - 03
ef-5g-prose-u2nru 4F04 B - 04
ef-5g-prose-ru 4F05 B - 05
ef-5g-prose-uir 4F06 B - 06
"""

ISIM = """
adf-isim* - A
ef-impi* 6F02 T - 02 !
ef-impu* 6F04 L - 04 !
ef-domain* 6F03 T - 05 !
ef-ist* 6F07 T - 07 !
ef-ad 6FAD T 3 03 00+
ef-arr* 6F06 L - 06 !
"""

OPT_ISIM = """
ef-pcscf 6F09 L - -
ef-sms 6F3C L176 - - 00FF+
ef-smsp 6F42 L - -
ef-smss 6F43 T 2 -
ef-smsr 6F47 L30 - - 00FF+
ef-gbabp 6FD5 T - -
ef-gbanl 6FD7 L - -
ef-nafkca 6FDD L - -
ef-uicciari 6FE7 L - -
ef-frompreferred 6FF7 T 1 - 00+
ef-imsconfigdata 6FF8 B - -
ef-xcapconfigdata 6FFC B - -
ef-webrtcuri 6FFA L - -
ef-mudmidconfigdata 6FFE B - -
"""

CSIM = """
adf-csim* - A
ef-arr* 6F06 L - 17 !
ef-call-count* 6F21 C2 2 - 00+
ef-imsi-m* 6F22 T 10 -
ef-imsi-t* 6F23 T 10 -
ef-tmsi* 6F24 T 16 - =000000000000000000FFFFFFFF000000
ef-ah* 6F25 T 2 - 00+
ef-aop* 6F26 T 1 - 00+
ef-aloc* 6F27 T 7 - 00+
ef-cdmahome* 6F28 L5 - -
ef-znregi* 6F29 L8 - - 00+
ef-snregi* 6F2A T 7 - 00+
ef-distregi* 6F2B T 8 - 00+
ef-accolc* 6F2C T 1 -
ef-term* 6F2D T 1 - 00+
ef-acp* 6F2F T 7 - 00+
ef-prl* 6F30 T - -
ef-ruimid* 6F31 T 8 -
ef-csim-st* 6F32 T - -
ef-spc* 6F33 T 3 - 00+
ef-otapaspc* 6F34 T 1 - 00+
ef-namlock* 6F35 T 1 - 00+
ef-ota* 6F36 T - -
ef-sp* 6F37 T 1 - 00+
ef-esn-meid-me* 6F38 T 8 - 00+
ef-li* 6F3A T - -
ef-usgind* 6F42 T 1 -
ef-ad* 6F43 T 3 - 00+
ef-max-prl* 6F45 T 4 -
ef-spcs* 6F46 T 1 - 00+
ef-mecrp* 6F55 T 3 - 00+
ef-home-tag* 6F70 T - -
ef-group-tag* 6F71 T - -
ef-specific-tag* 6F72 T - -
ef-call-prompt* 6F73 T - -
"""

OPT_CSIM = """
ef-ssci 6F2E T 1 -
ef-fdn 6F3B L - -
ef-sms 6F3C L - - 00FF+
ef-smsp 6F3D L - -
ef-smss 6F3E T - -
ef-ssfc 6F3F T - - 00FF+
ef-spn 6F41 T 35 -
ef-mdn 6F44 L11 - -
ef-ecc 6F47 T - -
ef-me3gpdopc 6F48 T 1 - 00+
ef-3gpdopm 6F49 T 1 - 00+
ef-sipcap 6F4A T 4 -
ef-mipcap 6F4B T 5 -
ef-sipupp 6F4C T - -
ef-mipupp 6F4D T - -
ef-sipsp 6F4E T 1 - 00+
ef-mipsp 6F4F T - -
ef-sippapss 6F50 T - - 00FF+
ef-puzl - T - -
ef-maxpuzl - T 5 -
ef-hrpdcap 6F56 T 3 -
ef-hrpdupp 6F57 T - -
ef-csspr 6F58 T 1 - 00+
ef-atc 6F59 T 1 -
ef-eprl 6F5A T - -
ef-bcsmscfg 6F5B T 1 -
ef-bcsmspref 6F5C T 1 -
ef-bcsmstable 6F5D L - -
ef-bcsmsp 6F5E L2 - -
ef-bakpara 6F63 L - -
ef-upbakpara 6F64 L - -
ef-mmsn 6F65 L - - 000000FF+
ef-ext8 6F66 L13 - - 00FF+
ef-mmsicp 6F67 T - -
ef-mmsup 6F68 L - -
ef-mmsucp 6F69 T - -
ef-auth-capability 6F6A L5 - -
ef-3gcik 6F6B T 32 -
ef-dck 6F6C T 20 -
ef-gid1 6F6D T - -
ef-gid2 6F6E T - -
ef-cdmacnl 6F6F T - -
ef-sf-euimid 6F74 T 7 -
ef-est 6F75 T - -
ef-hidden-key 6F76 T 4 -
ef-lcsver - T 1 -
ef-lcscp - T - -
ef-sdn 6F79 L - -
ef-ext2 6F7A L13 - - 00FF+
ef-ext3 6F7B L13 - - 00FF+
ef-ici 6F7C C - -
ef-oci 6F7D C - -
ef-ext5 6F7E L13 - - 00FF+
ef-ccp2 6F7F L15 15 -
ef-applabels 6F80 T - -
ef-model 6F81 T 126 -
ef-rc - T - -
ef-smscap - T 4 -
ef-mipflags - T 1 -
ef-3gpduppext - T - -
ef-ipv6cap - T 21 -
ef-tcpconfig - T 2 -
ef-dgc - T 3 -
ef-wapbrowsercp - L - -
ef-wapbrowserbm - L - -
ef-mmsconfig - T 8 -
ef-jdl - T - -
"""

EAP = """
df-eap* - D
ef-eapkeys 4F01 T - -
ef-eapstatus* 4F02 T 1 - 00+
ef-puid 4F03 T - -
ef-ps 4F04 T - -
ef-curid 4F20 T - -
ef-reid 4F21 T - -
ef-realm 4F22 T - -
"""

IOT = """
mf 3F00 D
ef-pl 2F05 T 2 05
ef-iccid 2FE2 T 10 -
ef-dir 2F00 L - 1E
ef-arr 2F06 L - -
ef-umpc 2F08 T 5 08
adf-usim - A
ef-imsi* 6F07 T 9 07 !
ef-arr-usim 6F06 L - 17
ef-keys 6F08 T 33 08 07FF+
ef-keysPS 6F09 T 33 09 07FF+
ef-hpplmn 6F31 T 1 12 0A+
ef-ust 6F38 T 17 04
ef-start-hfn 6F5B T 6 0F =F00000F00000
ef-threshold 6F5C T 3 10
ef-psloci 6F73 T 14 0C =FFFFFFFFFFFFFFFFFFFF0000FF01
ef-acc* 6F78 T 2 06 !
ef-fplmn 6F7B T 12 0D
ef-loci 6F7E T 11 0B =FFFFFFFFFFFFFF0000FF01
ef-ad 6FAD T 4 03 =00000002
ef-ecc 6FB7 L4 4 01
ef-netpar 6FC4 T 128 -
"""

OPT_IOT = (
    """
ef-fdn 6F3B L26 520 -
ef-sms 6F3C L176 1760 - 00FF+
ef-smsp 6F42 L38 38 -
ef-smss 6F43 T 2 -
ef-spn 6F46 T 17 -
ef-est 6F56 T 1 05
ef-oplmnwact 6F61 T 40 11 =FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000FFFFFF0000
ef-hplmnwact 6F62 T 5 13 =FFFFFF0000
ef-ehplmn 6FD9 T - 1D
ef-epsloci 6FE3 T 18 1E =FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000001
ef-epsnsc 6FE4 L80 80 18
df-df-5gs 5FC0 D
"""
    + DF_5GS_FILES
    + """
ef-supi-nai 4F09 T - 09
ef-routing-indicator 4F0A T 4 0A =F0FFFFFF
ef-ursp 4F0B B - -
ef-tn3gppsnn 4F0C T 1 0C
df-df-saip 5FD0 D
ef-suci-calc-info-usim 4F01 T - -
"""
)
