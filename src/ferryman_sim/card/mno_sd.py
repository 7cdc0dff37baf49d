"""The enabled Profile's MNO-SD over SCP80: ES6 of the operator (SGP.02 4.1.2)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman_sim.card.apdu import (
    CLA_GP,
    INS_STORE_DATA,
    SW_BAD_CLA,
    SW_BAD_INS,
    SW_CONDITIONS,
    SW_WRONG_DATA,
    SW_WRONG_P1P2,
    Apdu,
    CommandError,
)
from ferryman_sim.card.connectivity import check_connectivity
from ferryman_sim.card.keysets import KeySet80
from ferryman_sim.card.put_key import TYPE_AES
from ferryman_sim.card.state import ENABLED, POL1_KNOWN, Isdp, State
from ferryman_sim.card.tlv import BadTLV, as_map, read_only_dgi

DEFAULT_TAR = bytes.fromhex("B20100")
"""TAR of an MNO-SD whose package names none."""

KEY_IDS = (1, 2, 3)
"""KIc, KID and DEK of an SCP80 key set."""


@dataclass(frozen=True, slots=True)
class MnoSd:
    """The MNO-SD of one ISD-P."""

    isdp: Isdp
    aid: bytes

    def keyset(self, kvn: int) -> KeySet80 | None:
        """A copy of one SCP80 key set with the counter of this card; AES only."""
        profile = self.isdp.profile
        if profile is None:
            return None
        found = {key.kid: key.value for key in profile.mno_sd_keys if key.kvn == kvn and key.kind == TYPE_AES}
        if any(kid not in found for kid in KEY_IDS[:2]):
            return None
        kic, kid, dek = (found.get(each, b"") for each in KEY_IDS)
        return KeySet80(kvn, kic, kid, dek, self.isdp.mno_counters.get(kvn, 0))

    def execute(self, apdu: Apdu, pol1_tag: int, *, cat_tp: bool = True) -> bytes:
        """UpdatePOL1byMNO (byte in `pol1_tag`) and UpdateConnectivityParametersByMNO. Raises CommandError."""
        if apdu.cla != CLA_GP:
            raise CommandError(SW_BAD_CLA)
        if apdu.ins != INS_STORE_DATA:
            raise CommandError(SW_BAD_INS)
        if apdu.p1p2 != 0x8800:
            raise CommandError(SW_WRONG_P1P2)
        if self.isdp.state != ENABLED:
            raise CommandError(SW_CONDITIONS)
        try:
            dgi, value = read_only_dgi(apdu.data)
            if dgi == 0x3A06:
                self._set_pol1(value, pol1_tag)
            elif dgi == 0x3A07:
                check_connectivity(value, cat_tp=cat_tp)
                self.isdp.connectivity = value
            else:
                raise BadTLV("unknown DGI")
        except BadTLV as error:
            raise CommandError(SW_WRONG_DATA) from error
        return b""

    def _set_pol1(self, value: bytes, tag: int) -> None:
        fields = as_map(value)
        if fields.keys() != {tag} or len(fields[tag]) != 1 or fields[tag][0] & ~POL1_KNOWN:
            raise BadTLV("POL1")
        self.isdp.pol1 = fields[tag][0]


def enabled_mno_sd(state: State) -> tuple[MnoSd, tuple[bytes, ...]] | None:
    """The MNO-SD of the enabled Profile and its TARs."""
    enabled = state.enabled()
    if enabled is None or enabled.profile is None or enabled.profile.mno_sd is None:
        return None
    instance = enabled.profile.mno_sd.instance
    return MnoSd(enabled, instance.aid), instance.tars() or (DEFAULT_TAR,)
