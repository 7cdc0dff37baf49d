"""A key set that the card shows after the end of the call that gave it (SGP.02 2.2.2, 5.1.1).

The answer to a PUT KEY of SCP81 was lost and nobody waits for it any more. The card then comes under the new set,
or tells in an audit that it has it and has the one in use no longer: PUT KEY has put it in its place. The EIS
follows, and the keys of the former set, which open nothing any more, are destroyed.
"""

from __future__ import annotations

from ferryman.codec.isdr_keys import SCP81_VERSIONS
from ferryman.contracts import crypto
from ferryman.platform.procedure import Apply, Ask, Effect
from ferryman.sm_sr.records import EUICC, UseKeyset

SHOWN = "shown"  # tag of the question to the CryptoServer; its answer changes nothing
ROTATION = "rotate-keys"  # kind of the procedure that sees to its own key sets


def listed(card: EUICC) -> frozenset[int]:
    """Versions of the key sets of the ISD-R as the EIS has them."""
    return frozenset(keyset.version for keyset in (card.isdr.keysets if card.isdr is not None else ()))


def by_session(card: EUICC, version: int, holder_kind: str) -> tuple[Effect, ...]:
    """What follows from a session under an SCP81 key set; nothing while it is the one in use, or one of the list.

    A card without a list may have had more sets than one from its maker: only its audit tells.
    """
    known = listed(card)
    if holder_kind == ROTATION or not known or version in known or version in (0, card.scp81_version):
        return ()
    return in_place(card, version)


def by_audit(card: EUICC, versions: frozenset[int]) -> int:
    """The one unlisted SCP81 key set that is on the card while the one in use is not; 0 when there is none."""
    if not card.scp81_version or card.scp81_version in versions:
        return 0
    found = [one for one in versions - listed(card) if one in SCP81_VERSIONS]
    return found[0] if len(found) == 1 else 0


def in_place(card: EUICC, version: int) -> tuple[Effect, ...]:
    """The key set is in use, in the place of the former one."""
    take = crypto.TakeKeyset(eid=card.eid, version=version, retired=card.scp81_version)
    return (Ask(SHOWN, take), Apply(UseKeyset(version)))
