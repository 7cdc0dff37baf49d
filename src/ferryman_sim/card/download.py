"""Feeds the plaintext of SCP03t segments to the Profile interpreter (SGP.02 4.1.3.3; sections 5.8 and 5.9
of our notes).

The 86 TLVs cut the package anywhere; the interpreter says itself when the package is complete or wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core
from ferryman_sim.card.state import DISABLED, PERSONALIZED, Isdp
from ferryman_sim.card.tlv import tlv
from ferryman_sim.profile import Installation, InstallOutcome

STATUS_NOT_ENOUGH_MEMORY = 4
STATUS_INVALID_FORMAT = 5

STREAM_MARGIN = 4096
"""Bytes a package may be longer than the free memory before the card gives up: tags and headers of the
elements are not stored, so near the limit the interpreter decides; far above it the card must not go on
buffering."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`response` is empty while more is to come, else the EUICCResponse that ends the download."""

    response: bytes
    outcome: str


def refusal(status: int) -> bytes:
    """EUICCResponse of an installation aborted before any element could be named."""
    pe_status = tlv(0x30, tlv(0x80, bytes([status])))
    return tlv(0x30, tlv(0xA0, pe_status) + tlv(0x81, b""))


def take(core: Core, isdp: Isdp, context: Context, piece: bytes) -> Progress:
    """Add one plaintext segment; the last one puts the Profile on the ISD-P and makes it DISABLED."""
    if isdp.state != PERSONALIZED:
        return Progress(refusal(STATUS_INVALID_FORMAT), "refused: the ISD-P holds a Profile")
    free = isdp.quota or core.state.free_nvm()
    if context.installation is None:
        context.installation = Installation(free_memory=free, limits=core.state.limits.get("profile"))
        if context.download:
            context.installation.feed(bytes(context.download))
    context.download += piece
    outcome = context.installation.feed(piece)
    if outcome is not None:
        return _finish(isdp, outcome)
    if len(context.download) > free + STREAM_MARGIN:
        return Progress(refusal(STATUS_NOT_ENOUGH_MEMORY), "aborted: larger than the memory")
    return Progress(b"", "segment")


def _finish(isdp: Isdp, outcome: InstallOutcome) -> Progress:
    if outcome.profile is None:
        return Progress(outcome.response, f"aborted: {outcome.reason}")
    isdp.profile = outcome.profile
    isdp.used = outcome.memory
    isdp.pol1 = outcome.profile.pol1
    isdp.connectivity = outcome.profile.connectivity
    isdp.state = DISABLED
    return Progress(outcome.response, f"installed {outcome.profile.iccid}")
