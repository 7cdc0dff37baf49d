"""ES5 commands of the ISD-R: profile and platform management (SGP.02 4.1.1; GlobalPlatform 11)."""

from __future__ import annotations

from collections.abc import Callable

from ferryman_sim.card import crypto
from ferryman_sim.card.addressing import LOAD_FILE_AID, MODULE_AID, is_isdp_aid, read_address
from ferryman_sim.card.apdu import (
    CLA_GP,
    INS_DELETE,
    INS_GET_DATA,
    INS_GET_STATUS,
    INS_INITIALIZE_UPDATE,
    INS_INSTALL,
    INS_PUT_KEY,
    INS_STORE_DATA,
    SW_BAD_CLA,
    SW_BAD_INS,
    SW_CONDITIONS,
    SW_NO_MEMORY,
    SW_NOT_FOUND,
    SW_OK,
    SW_POL1,
    SW_WRONG_DATA,
    SW_WRONG_P1P2,
    Apdu,
    CommandError,
)
from ferryman_sim.card.audit import get_data, get_status
from ferryman_sim.card.change import ProfileChange
from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core
from ferryman_sim.card.isdr_keys import IsdrKeys
from ferryman_sim.card.session_trigger import read_parameters
from ferryman_sim.card.state import DISABLED, ENABLED, POL1_NO_DELETE, POL1_NO_DISABLE, Isdp
from ferryman_sim.card.tlv import BadTLV, as_map, read_lvs, read_only_dgi, read_tlv

PRIVILEGES = bytes.fromhex("80C000")
"""Security Domain; Trusted Path and Authorized Management."""

SCP03_I70 = bytes.fromhex("81020370")
"""Value of C9 in the install parameters: SCP03 with option i = 70."""

INSTALL_AND_SELECTABLE, INSTALL_PERSONALIZATION = 0x0C00, 0x2000
DELETE_KEYS, DELETE_RELATED = 0x0000, 0x0040
STORE_LAST, STORE_LAST_ANSWER, STORE_MORE_ANSWER = 0x88, 0x89, 0x09
DONE = b"\x00"
"""Response data of INSTALL and DELETE: no confirmation follows."""


class IsdR:
    """Executes the APDUs addressed to the ISD-R."""

    def __init__(self, core: Core, change: ProfileChange) -> None:
        self._core = core
        self._change = change
        self._keys = IsdrKeys(core, change)

    def execute(self, apdu: Apdu, context: Context, kvn: int | None) -> tuple[bytes, int]:
        """Run one command; `kvn` is the key version that protects the transport. Raises CommandError."""
        if apdu.ins == INS_INITIALIZE_UPDATE:
            # There is no SCP03 on the ISD-R; recorded cards say so with 6A80.
            raise CommandError(SW_WRONG_DATA)
        if apdu.cla != CLA_GP:
            raise CommandError(SW_BAD_CLA)
        if apdu.ins == INS_GET_STATUS:
            return get_status(self._core, context, apdu)
        if apdu.ins == INS_INSTALL:
            return self._install(apdu, context), SW_OK
        if apdu.ins == INS_DELETE:
            return self._delete(apdu, context, kvn), SW_OK
        if apdu.ins == INS_GET_DATA:
            return get_data(self._core, apdu), SW_OK
        if apdu.ins == INS_PUT_KEY:
            return self._keys.put_key(apdu, kvn), SW_OK
        if apdu.ins == INS_STORE_DATA:
            return self._store_data(apdu, context), SW_OK
        raise CommandError(SW_BAD_INS)

    # --- INSTALL ----------------------------------------------------------------------------------

    def _install(self, apdu: Apdu, context: Context) -> bytes:
        if apdu.p1p2 == INSTALL_AND_SELECTABLE:
            self._create(apdu.data)
        elif apdu.p1p2 == INSTALL_PERSONALIZATION:
            self._personalize(apdu.data, context)
        else:
            raise CommandError(SW_WRONG_P1P2)
        return DONE

    def _create(self, data: bytes) -> None:
        self._change.refuse_while_pending()
        state = self._core.state
        load_file, module, aid, privileges, parameters, token = _lvs(data, 6)
        if load_file != LOAD_FILE_AID or module != MODULE_AID:
            raise CommandError(SW_NOT_FOUND)
        if not is_isdp_aid(aid) or privileges != PRIVILEGES or token:
            raise CommandError(SW_WRONG_DATA)
        quota, volatile = _quotas(parameters)
        if state.isdp(aid) is not None:
            raise CommandError(SW_CONDITIONS)
        full = len(state.isdps) >= self._core.limit("max_profiles")
        if full or quota > state.free_nvm() or volatile > state.free_ram():
            raise CommandError(SW_NO_MEMORY)
        state.isdps.append(Isdp(aid, quota=quota, volatile_quota=volatile))

    def _personalize(self, data: bytes, context: Context) -> None:
        load_file, module, aid, privileges, parameters, token = _lvs(data, 6)
        if load_file or module or privileges or parameters or token:
            raise CommandError(SW_WRONG_DATA)
        if self._core.state.isdp(aid) is None:
            raise CommandError(SW_NOT_FOUND)
        context.personalized, context.certificate, context.challenge = aid, None, None

    # --- DELETE -----------------------------------------------------------------------------------

    def _delete(self, apdu: Apdu, context: Context, kvn: int | None) -> bytes:
        if apdu.p1p2 == DELETE_KEYS:
            return self._keys.finalise(apdu.data, kvn)
        if apdu.p1p2 != DELETE_RELATED:
            raise CommandError(SW_WRONG_P1P2)
        self._change.refuse_while_pending()
        fields = _fields(apdu.data)
        aid = fields.get(0x4F, b"")
        if len(aid) != 16:
            raise CommandError(SW_WRONG_DATA)
        target = self._core.state.isdp(aid)
        if fields.keys() == {0x4F}:
            self._check_delete(target)
        elif fields.keys() == {0x4F, 0xB6, 0x9E}:
            self._check_master_delete(target, apdu, fields)
        else:
            raise CommandError(SW_WRONG_DATA)
        self._core.state.isdps = [item for item in self._core.state.isdps if item.aid != aid]
        context.forget(aid)
        return DONE

    def _check_delete(self, target: Isdp | None) -> None:
        if target is None:
            raise CommandError(SW_NOT_FOUND)
        if target.state == ENABLED or target.fallback:
            raise CommandError(SW_CONDITIONS)
        if target.pol1 & POL1_NO_DELETE:
            raise CommandError(SW_POL1)

    def _check_master_delete(self, target: Isdp | None, apdu: Apdu, fields: dict[int, bytes]) -> None:
        if target is None or target.token_key is None:
            raise CommandError(SW_NOT_FOUND)
        if target.state != DISABLED or target.fallback:
            raise CommandError(SW_CONDITIONS)
        authority = _fields(fields[0xB6])
        if authority.keys() != {0x42, 0x45, 0x5F20, 0x93}:
            raise CommandError(SW_WRONG_DATA)
        stored = {0x42: target.sin, 0x45: target.sdin, 0x5F20: target.provider}
        named = all(authority[tag] == value for tag, value in stored.items())
        covered = _before_token(apdu.data)
        message = bytes([apdu.p1, apdu.p2, len(covered)]) + covered
        if not named or not crypto.same(crypto.cmac(target.token_key, message), fields[0x9E]):
            raise CommandError(self._core.sw("token_sw"))

    # --- STORE DATA -------------------------------------------------------------------------------

    def _store_data(self, apdu: Apdu, context: Context) -> bytes:
        if apdu.data.startswith((b"\x3a\x01", b"\x3a\x02")):
            return self._keys.store(apdu, context)
        try:
            dgi, value = read_only_dgi(apdu.data)
        except BadTLV as error:
            raise CommandError(SW_WRONG_DATA) from error
        handlers: dict[int, tuple[int, Callable[[bytes], bytes]]] = {
            0x3A03: (STORE_LAST, self._enable),
            0x3A04: (STORE_LAST, self._disable),
            0x3A05: (STORE_LAST, self._set_fallback),
            0x3A07: (STORE_LAST, self._update_addressing),
            0x3A08: (STORE_LAST_ANSWER, self._confirm),
        }
        if dgi not in handlers:
            raise CommandError(SW_WRONG_DATA)
        p1, handler = handlers[dgi]
        if apdu.p1 != p1 or apdu.p2 != 0:
            raise CommandError(SW_WRONG_P1P2)
        return handler(value)

    def _enable(self, value: bytes) -> bytes:
        self._change.enable(_only_aid(value))
        return b""

    def _disable(self, value: bytes) -> bytes:
        self._change.disable(_only_aid(value))
        return b""

    def _set_fallback(self, value: bytes) -> bytes:
        self._change.refuse_while_pending()
        state = self._core.state
        target = state.isdp(_only_aid(value))
        if target is None:
            raise CommandError(SW_NOT_FOUND)
        if target.profile is None:
            raise CommandError(SW_CONDITIONS)
        enabled = state.enabled()
        bound = enabled is not None and bool(enabled.pol1 & POL1_NO_DISABLE)
        if self._core.quirk("fallback_frozen") and bound and not target.fallback:
            raise CommandError(SW_POL1)
        for item in state.isdps:
            item.fallback = item is target
        return b""

    def _confirm(self, value: bytes) -> bytes:
        fields = _fields(value)
        if fields.keys() != {0x4E} or len(fields[0x4E]) != 2:
            raise CommandError(SW_WRONG_DATA)
        deleted = self._change.confirm(int.from_bytes(fields[0x4E]))
        content = b"".join(b"\x4f" + bytes([len(aid)]) + aid for aid in deleted)
        if not content and not self._core.quirk("confirmation_empty_tag"):
            return b""
        return bytes([0x80, len(content)]) + content

    def _update_addressing(self, value: bytes) -> bytes:
        self._change.refuse_while_pending()
        fields = _fields(value)
        if not fields or not fields.keys() <= {0xA3, 0xA4, 0xA5}:
            raise CommandError(SW_WRONG_DATA)
        state = self._core.state
        address, https = state.smsr_address, state.https
        try:
            if 0xA3 in fields:
                sms = as_map(fields[0xA3])
                if sms.keys() != {0x81}:
                    raise BadTLV("SMS parameters")
                address = read_address(sms[0x81], digit_count=True)
            if 0xA4 in fields and self._core.quirk("cat_tp_refused"):
                raise BadTLV("CAT_TP")
            if 0xA4 in fields:
                as_map(fields[0xA4])
            if 0xA5 in fields:
                https = read_parameters(fields[0xA5], self._core.trigger_form()).over(state.https)
        except BadTLV as error:
            raise CommandError(SW_WRONG_DATA) from error
        state.smsr_address, state.https = address, https
        state.cattp = fields.get(0xA4, state.cattp)
        return b""


def _lvs(data: bytes, count: int) -> list[bytes]:
    try:
        return read_lvs(data, count)
    except BadTLV as error:
        raise CommandError(SW_WRONG_DATA) from error


def _fields(data: bytes) -> dict[int, bytes]:
    try:
        return as_map(data)
    except BadTLV as error:
        raise CommandError(SW_WRONG_DATA) from error


def _only_aid(value: bytes) -> bytes:
    fields = _fields(value)
    if fields.keys() != {0x4F} or len(fields[0x4F]) != 16:
        raise CommandError(SW_WRONG_DATA)
    return fields[0x4F]


def _quotas(parameters: bytes) -> tuple[int, int]:
    """Non-volatile and volatile quota in bytes, 0 for none, out of the install parameters."""
    fields = _fields(parameters)
    if fields.get(0xC9) != SCP03_I70 or not fields.keys() <= {0xC9, 0xEF}:
        raise CommandError(SW_WRONG_DATA)
    system = _fields(fields.get(0xEF, b""))
    if not system.keys() <= {0x82, 0x83} or any(len(value) not in (2, 4) for value in system.values()):
        raise CommandError(SW_WRONG_DATA)
    return int.from_bytes(system.get(0x83, b"")), int.from_bytes(system.get(0x82, b""))


def _before_token(data: bytes) -> bytes:
    """The 4F and B6 TLVs as sent, which the delete token covers. Raises CommandError for another order."""
    first, at = read_tlv(data)
    second, at = read_tlv(data, at)
    if (first.tag, second.tag) != (0x4F, 0xB6):
        raise CommandError(SW_WRONG_DATA)
    return data[:at]
