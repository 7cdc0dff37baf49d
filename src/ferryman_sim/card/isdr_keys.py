"""Keys of the ISD-R, and key establishment of ISD-Ps (SGP.02 4.1.1.8, 4.1.1.9, 4.1.3.1; GlobalPlatform 11.8)."""

from __future__ import annotations

from ferryman_sim.card import crypto
from ferryman_sim.card.apdu import (
    SW_CONDITIONS,
    SW_NOT_FOUND,
    SW_SECURITY,
    SW_WRONG_DATA,
    SW_WRONG_P1P2,
    Apdu,
    CommandError,
)
from ferryman_sim.card.change import ProfileChange
from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core
from ferryman_sim.card.key_establishment import (
    CHALLENGE_BYTES,
    DELETE_EXISTING,
    ROLE_SM_DP,
    ROLE_SM_SR,
    WITH_RANDOM,
    CertificateRefused,
    Established,
    KeyParameters,
    KeyRequest,
    ParametersRefused,
    curve_of,
    establish,
    read_certificate,
    read_key_request,
    read_parameters,
)
from ferryman_sim.card.keysets import KeySet03, KeySet80, KeySet81
from ferryman_sim.card.put_key import TYPE_AES, TYPE_PSK, read_put_key
from ferryman_sim.card.state import PERSONALIZED, SELECTABLE
from ferryman_sim.card.tlv import BadTLV, read_all, read_dgi, read_only_dgi, tlv

SCP80_VERSIONS = range(0x01, 0x10)
SCP03_VERSIONS = range(0x30, 0x40)
SCP81_VERSIONS = range(0x40, 0x50)

FIRST_BLOCK = 0x0900
"""P1 P2 of the certificate: more blocks follow, DGI, answer wanted; block 0."""
SECOND_BLOCK = 0x8901
"""P1 P2 of the key parameters: last block, DGI, answer wanted; block 1."""
PUT_SEVERAL_FROM_1 = 0x81

KEY_RANGE_TAG = 0xF2


class IsdrKeys:
    """Key establishment (both kinds), PUT KEY and FinaliseISDRhandover."""

    def __init__(self, core: Core, change: ProfileChange) -> None:
        self._core = core
        self._change = change

    # --- key establishment, scenario 3 ------------------------------------------------------------

    def store(self, apdu: Apdu, context: Context) -> bytes:
        """The STORE DATA with DGI 3A01 or 3A02. Raises CommandError."""
        if apdu.data[1] == 0x01:
            if apdu.p1p2 != FIRST_BLOCK:
                raise CommandError(SW_WRONG_P1P2)
            return self._certificate(apdu.data, context)
        if apdu.p1p2 != SECOND_BLOCK:
            raise CommandError(SW_WRONG_P1P2)
        return self._key_request(apdu.data, context)

    def _certificate(self, data: bytes, context: Context) -> bytes:
        context.certificate, context.challenge = None, None
        try:
            _, encoded = read_only_dgi(data, ber_lengths=self._core.quirk("ber_dgi_lengths"))
            certificate = read_certificate(encoded, self._core.state.ecasd.ci_point)
        except (BadTLV, CertificateRefused) as error:
            raise CommandError(SW_SECURITY) from error
        if context.personalized is None and certificate.role == ROLE_SM_DP:
            # An SM-DP can only mean an ISD-P, and none was named by INSTALL [for personalization].
            raise CommandError(SW_CONDITIONS)
        if certificate.role != (ROLE_SM_SR if context.personalized is None else ROLE_SM_DP):
            raise CommandError(self._core.sw("role_sw"))
        if not certificate.names_ci and self._core.quirk("authority_key_required"):
            raise CommandError(SW_SECURITY)
        context.certificate, context.challenge = certificate, self._core.challenge(CHALLENGE_BYTES)
        return tlv(0x85, context.challenge)

    def _key_request(self, data: bytes, context: Context) -> bytes:
        certificate, challenge = context.certificate, context.challenge
        # One try per challenge: whatever happens below, it cannot be answered a second time.
        context.certificate, context.challenge = None, None
        if certificate is None or challenge is None:
            raise CommandError(SW_CONDITIONS)
        try:
            _, crt, raw, rest = read_dgi(data, ber_lengths=self._core.quirk("ber_dgi_lengths"))
            request = read_key_request(crt, raw, rest)
            curve = curve_of(self._core.state.ecasd.certificate)
            ephemeral = crypto.read_point(request.ephemeral, curve)
            crypto.verify(certificate.public, request.signed_data(challenge), request.signature)
        except (BadTLV, crypto.BadPoint) as error:
            raise CommandError(SW_WRONG_DATA) from error
        except crypto.BadSignature as error:
            raise CommandError(SW_SECURITY) from error
        versions = SCP80_VERSIONS if context.personalized is None else SCP03_VERSIONS
        parameters = self._parameters(request, versions)
        random = self._core.challenge(CHALLENGE_BYTES) if parameters.options & WITH_RANDOM else None
        state = self._core.state
        established = establish(
            parameters, state.ecasd.private, ephemeral, sin=state.sin, sdin=state.sdin, random=random
        )
        if context.personalized is None:
            self._take_isdr_keys(parameters, established)
        else:
            self._take_isdp_keys(context.personalized, parameters, established)
            context.personalized = None
        answer = established.answer(receipt_first=self._core.quirk("receipt_before_random"))
        if self._core.fault("wrong_receipt"):
            answer = answer[:-1] + bytes([answer[-1] ^ 0x01])
        return answer

    def _parameters(self, request: KeyRequest, versions: range) -> KeyParameters:
        try:
            parameters = read_parameters(request.crt, versions)
        except ParametersRefused as error:
            raise CommandError(error.sw) from error
        if parameters.sdin is not None and self._core.quirk("identities_refused"):
            raise CommandError(SW_WRONG_DATA)
        if parameters.sdin is not None and parameters.sdin != self._core.state.sdin:
            raise CommandError(SW_WRONG_DATA)
        return parameters

    def _take_isdp_keys(self, aid: bytes, parameters: KeyParameters, established: Established) -> None:
        isdp = self._core.state.isdp(aid)
        if isdp is None:
            raise CommandError(SW_NOT_FOUND)
        keyset = KeySet03(parameters.kvn, *established.keys, sequence=parameters.counter)
        kept = [] if parameters.options & DELETE_EXISTING else isdp.keysets
        isdp.keysets = [*(item for item in kept if item.kvn != keyset.kvn), keyset]
        if isdp.state == SELECTABLE:
            isdp.state = PERSONALIZED

    def _take_isdr_keys(self, parameters: KeyParameters, established: Established) -> None:
        """New SCP80 keys. "Delete existing" only replaces the same version: the others may carry this
        session.

        A packet being answered keeps its key set, so replacing that one does not change the present answer.
        """
        keyset = KeySet80(parameters.kvn, *established.keys, counter=parameters.counter)
        others = [item for item in self._core.state.scp80 if item.kvn != keyset.kvn]
        if len(others) < len(self._core.state.scp80) and not parameters.options & DELETE_EXISTING:
            raise CommandError(SW_CONDITIONS)
        self._core.state.scp80 = [*others, keyset]

    # --- PUT KEY ----------------------------------------------------------------------------------

    def put_key(self, apdu: Apdu, kvn: int | None) -> bytes:
        """PUT KEY of an SCP80 or SCP81 key set, under the DEK of the key set in use. Raises CommandError."""
        if apdu.p2 != PUT_SEVERAL_FROM_1:
            raise CommandError(SW_WRONG_P1P2)
        if not apdu.data:
            raise CommandError(SW_WRONG_DATA)
        version = apdu.data[0]
        if version in SCP81_VERSIONS:
            put = read_put_key(apdu.data, (TYPE_PSK, TYPE_AES), self._dek(kvn))
            self._replace(apdu.p1, KeySet81(version, put.keys[0], put.keys[1]), kvn)
        elif version in SCP80_VERSIONS:
            put = read_put_key(apdu.data, (TYPE_AES, TYPE_AES, TYPE_AES), self._dek(kvn))
            self._replace(apdu.p1, KeySet80(version, put.keys[0], put.keys[1], put.keys[2]), kvn)
        else:
            raise CommandError(SW_WRONG_DATA)
        return put.answer

    def _dek(self, kvn: int | None) -> bytes:
        state = self._core.state
        if kvn is not None:
            keyset = state.keyset80(kvn) or state.keyset81(kvn)
            if keyset is not None:
                return keyset.dek
        raise CommandError(SW_CONDITIONS)

    def _replace(self, replaced: int, keyset: KeySet80 | KeySet81, kvn: int | None) -> None:
        state = self._core.state
        versions = state.key_versions()
        if replaced and replaced not in versions:
            raise CommandError(SW_NOT_FOUND)
        if not replaced and keyset.kvn in versions:
            raise CommandError(SW_WRONG_DATA)
        if replaced and keyset.kvn != replaced and keyset.kvn in versions:
            raise CommandError(SW_WRONG_DATA)
        if isinstance(keyset, KeySet80):
            if replaced and replaced == kvn:
                raise CommandError(SW_CONDITIONS)
            state.scp80 = [*(item for item in state.scp80 if item.kvn != replaced), keyset]
        else:
            state.scp81 = [*(item for item in state.scp81 if item.kvn != replaced), keyset]

    # --- handover ---------------------------------------------------------------------------------

    def finalise(self, data: bytes, kvn: int | None) -> bytes:
        """FinaliseISDRhandover: keep the listed key versions, delete all others. Raises CommandError."""
        self._change.refuse_while_pending()
        listed = _read_ranges(data)
        state = self._core.state
        versions = state.key_versions()
        if not listed <= versions:
            raise CommandError(SW_NOT_FOUND)
        kept = versions - listed if self._core.quirk("finalise_deletes") else listed
        if (kvn is not None and kvn not in kept) or not kept & set(SCP80_VERSIONS):
            raise CommandError(SW_CONDITIONS)
        state.scp80 = [item for item in state.scp80 if item.kvn in kept]
        state.scp81 = [item for item in state.scp81 if item.kvn in kept]
        return b"\x00" if self._core.quirk("finalise_answers") else b""


def _read_ranges(data: bytes) -> set[int]:
    """Key versions of the F2 TLVs; each names its first and last key id too."""
    try:
        fields = read_all(data)
    except BadTLV as error:
        raise CommandError(SW_WRONG_DATA) from error
    if not fields or any(item.tag != KEY_RANGE_TAG or len(item.value) != 3 for item in fields):
        raise CommandError(SW_WRONG_DATA)
    if any(not 1 <= item.value[1] <= item.value[2] for item in fields):
        raise CommandError(SW_WRONG_DATA)
    return {item.value[0] for item in fields}
