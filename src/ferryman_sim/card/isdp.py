"""The ISD-P: SCP03 sessions, SCP03t download, commands of the SM-DP (SGP.02 4.1.3; Amendment D)."""

from __future__ import annotations

from ferryman_sim.card import download, scp03, scp03t
from ferryman_sim.card.apdu import (
    CLA_GP,
    CLA_GP_SECURED,
    INS_EXTERNAL_AUTHENTICATE,
    INS_INITIALIZE_UPDATE,
    INS_PUT_KEY,
    INS_STORE_DATA,
    SW_BAD_CLA,
    SW_BAD_INS,
    SW_CONDITIONS,
    SW_NOT_FOUND,
    SW_OK,
    SW_SECURITY,
    SW_WRONG_DATA,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    Apdu,
    CommandError,
)
from ferryman_sim.card.connectivity import check_connectivity
from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core
from ferryman_sim.card.keysets import KeySet03
from ferryman_sim.card.put_key import TYPE_AES, read_put_key
from ferryman_sim.card.state import Isdp
from ferryman_sim.card.tlv import TLV, BadTLV, as_map, read_only_dgi

TOKEN_KEY_VERSION = 0x70
TOKEN_KEY_ID = 0x01
SEQUENCE_MAX = 0xFFFFFF
IDENTITY_MAX = 16
"""Bytes of a SIN, SDIN or application provider id."""


class IsdP:
    """Executes what is addressed to one ISD-P."""

    def __init__(self, core: Core, isdp: Isdp) -> None:
        self._core = core
        self._isdp = isdp

    # --- APDU mode (5.10 of our notes) ------------------------------------------------------------

    def execute(self, apdu: Apdu, context: Context) -> tuple[bytes, int]:
        """Run one C-APDU. Raises CommandError."""
        if apdu.cla == CLA_GP:
            if apdu.ins == INS_INITIALIZE_UPDATE:
                return self._initialize(apdu, context), SW_OK
            raise CommandError(SW_SECURITY if apdu.ins in (INS_STORE_DATA, INS_PUT_KEY) else SW_BAD_INS)
        if apdu.cla != CLA_GP_SECURED:
            raise CommandError(SW_BAD_CLA)
        if apdu.ins == INS_EXTERNAL_AUTHENTICATE:
            return self._authenticate(apdu, context), SW_OK
        return self._secured(apdu, context), SW_OK

    def _initialize(self, apdu: Apdu, context: Context) -> bytes:
        if apdu.p2 != 0:
            raise CommandError(SW_WRONG_P1P2)
        if len(apdu.data) != scp03.CHALLENGE:
            raise CommandError(SW_WRONG_LENGTH)
        keyset = self._keyset(apdu.p1)
        if keyset is None:
            raise CommandError(SW_NOT_FOUND)
        return self._open(keyset, apdu.data, context)

    def _keyset(self, kvn: int) -> KeySet03 | None:
        """The key set of a version; version 0 leaves the choice to the card, which takes the first."""
        keysets = self._isdp.keysets
        return next((item for item in keysets if kvn in (0, item.kvn)), None)

    def _open(self, keyset: KeySet03, host_challenge: bytes, context: Context) -> bytes:
        if keyset.sequence >= SEQUENCE_MAX:
            raise CommandError(SW_CONDITIONS)
        keyset.sequence += 1
        session, answer = scp03.initialize(
            keyset.enc, keyset.mac, keyset.kvn, keyset.sequence, self._isdp.aid, host_challenge
        )
        context.open_session(self._isdp.aid, session)
        return answer

    def _authenticate(self, apdu: Apdu, context: Context) -> bytes:
        session = context.session_of(self._isdp.aid)
        if session is None or session.authenticated:
            raise CommandError(SW_CONDITIONS)
        if apdu.p1 != scp03.SECURITY_LEVEL or apdu.p2 != 0:
            raise CommandError(SW_WRONG_P1P2)
        if len(apdu.data) != 16:
            raise CommandError(SW_WRONG_LENGTH)
        try:
            session.authenticate(apdu.header + b"\x10", apdu.data[:8], apdu.data[8:])
        except scp03.SecurityFailed as error:
            context.close_session()
            raise CommandError(SW_SECURITY) from error
        return b""

    def _secured(self, apdu: Apdu, context: Context) -> bytes:
        session = context.session_of(self._isdp.aid)
        if session is None or not session.authenticated:
            raise CommandError(SW_CONDITIONS)
        try:
            plain = session.unwrap(apdu.header, apdu.data)
        except scp03.SecurityFailed as error:
            context.close_session()
            raise CommandError(SW_SECURITY) from error
        if apdu.ins == INS_STORE_DATA:
            answer = self._store_data(apdu, plain)
        elif apdu.ins == INS_PUT_KEY:
            answer = self._put_key(apdu, plain, session.kvn)
        else:
            raise CommandError(SW_BAD_INS)
        return session.wrap(answer, SW_OK)

    def _store_data(self, apdu: Apdu, data: bytes) -> bytes:
        if apdu.p1p2 != 0x8800:
            raise CommandError(SW_WRONG_P1P2)
        try:
            dgi, value = read_only_dgi(data)
            if dgi == 0x3A07:
                self._set_connectivity(value)
            elif dgi == 0x0070:
                self._set_identity(value)
            else:
                raise BadTLV("unknown DGI")
        except BadTLV as error:
            raise CommandError(SW_WRONG_DATA) from error
        return b""

    def _set_connectivity(self, value: bytes) -> None:
        if self._isdp.profile is None:
            raise CommandError(SW_CONDITIONS)
        check_connectivity(value, cat_tp=not self._core.quirk("cat_tp_refused"))
        self._isdp.connectivity = value

    def _set_identity(self, value: bytes) -> None:
        fields = as_map(value)
        if len(fields) != 1 or not fields.keys() <= {0x42, 0x45, 0x5F20}:
            raise BadTLV("one identity expected")
        ((tag, identity),) = fields.items()
        if not 1 <= len(identity) <= IDENTITY_MAX:
            raise BadTLV("length of an identity")
        setattr(self._isdp, {0x42: "sin", 0x45: "sdin", 0x5F20: "provider"}[tag], identity)

    def _put_key(self, apdu: Apdu, data: bytes, kvn: int) -> bytes:
        if apdu.p1 not in (0, TOKEN_KEY_VERSION) or apdu.p2 != TOKEN_KEY_ID:
            raise CommandError(SW_WRONG_P1P2)
        keyset = self._keyset(kvn)
        if keyset is None:
            raise CommandError(SW_NOT_FOUND)
        put = read_put_key(data, (TYPE_AES,), keyset.dek)
        if put.kvn != TOKEN_KEY_VERSION:
            raise CommandError(SW_WRONG_DATA)
        self._isdp.token_key = put.keys[0]
        return put.answer

    # --- SCP03t -----------------------------------------------------------------------------------

    def execute_tlv(self, command: TLV, context: Context) -> tuple[bytes, str]:
        """Run one TLV 84, 85 or 86; returns the answer TLV and what to log. Raises scp03t.ErrorAnswer."""
        if command.tag == scp03t.INITIALIZE_UPDATE:
            return self._initialize_tlv(command, context), "ok"
        if command.tag == scp03t.EXTERNAL_AUTHENTICATE:
            try:
                session = context.session_of(self._isdp.aid)
                scp03t.external_authenticate(session, command, level_code=self._core.quirk("level_code"))
            except scp03t.ErrorAnswer:
                context.close_session()
                raise
            return b"\x85\x00", "ok"
        return self._segment(command, context)

    def _initialize_tlv(self, command: TLV, context: Context) -> bytes:
        kvn, host_challenge = scp03t.read_initialize_update(command)
        keyset = self._keyset(kvn)
        if keyset is None:
            raise scp03t.ErrorAnswer(scp03t.ERROR_NO_KEYS)
        try:
            answer = self._open(keyset, host_challenge, context)
        except CommandError as error:
            raise scp03t.ErrorAnswer(scp03t.ERROR_SECURITY) from error
        return bytes([scp03t.INITIALIZE_UPDATE, len(answer)]) + answer

    def _segment(self, command: TLV, context: Context) -> tuple[bytes, str]:
        session = context.session_of(self._isdp.aid)
        limit = self._core.limit("segment_tlv")
        try:
            piece = scp03t.open_segment(session, command, limit=limit)
        except scp03t.ErrorAnswer:
            context.close_session()
            raise
        if session is None:  # open_segment has refused this already
            raise scp03t.ErrorAnswer(scp03t.ERROR_SECURITY)
        progress = download.take(self._core, self._isdp, context, piece)
        answer = scp03t.seal_answer(session, progress.response)
        if progress.response:
            context.close_session()
        return answer, progress.outcome
