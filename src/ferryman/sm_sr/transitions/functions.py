"""Functions of ES3 and ES4 that ask, write or carry: no profile changes its state (SGP.02 5.3 to 5.5, 3.1.1).

`when` says what tells rows with the same event apart; codes stand in docs/conformance.md.
"""

from __future__ import annotations

from typing import Any

from ferryman.platform.transitions import START
from ferryman.sm_sr.transitions.words import table


def _sent(state: Any) -> str:
    return "sent" if state.sent else START


AUDIT = table(
    "AuditEIS",
    ("audit",),
    """
    start | begin | too late | end | reply expired
    start | begin | EID, right or ICCID not known | end | reply failed
    start | begin | | sent | to card
    start | deadline | | end | reply expired
    sent | card 9000, card 6A88 | read; drift is corrected, and an alarm where there was some | end | EIS, reply success, ?alarm, ?UseKeyset, ?ask TakeKeyset
    sent | card 9000, card 6310, card 6A88 | the last word of several; the card has more to tell | = | to card
    sent | card 6985, card unknown, card unreadable | a place in the list, an answer or the end of one was lost: from the start | = | to card
    sent | card 9000, card SW, card unknown, card unreadable | again too often, or no sense in it | end | reply failed
    sent | card rejected, card unreachable | | end | reply failed
    sent | deadline | a script not yet sent is withdrawn | end | reply expired, withdraw
    """,
    _sent,
)

CREATE_ISDP = table(
    "CreateISDP",
    ("create-isdp",),
    """
    start | begin | too late | end | reply expired
    start | begin | requester, EID, ICCID or memory | end | reply failed
    start | begin | the lowest free AID; InCreation | creating | EIS, to card
    start | deadline | | end | reply expired
    creating | card 9000 | Created | end | EIS, ?reply success
    creating | card SW, card rejected, card unreachable | the entry is removed | end | EIS, ?reply failed
    creating | card 6985, card unknown, card unreadable | it may be there | asking | to card
    creating | card 6985, card unknown, card unreadable | the caller heard EXPIRED: Created, for its clean-up | end | EIS
    creating | deadline | | = | reply expired, withdraw
    asking | card 9000 | it is there | end | EIS, ?reply success
    asking | card 6A88 | it is not there | creating | to card
    asking | card 6A88 | it is not there after all attempts | end | EIS, ?reply failed
    asking | card unknown, card unreadable, card rejected, card unreachable, card 9000 | no answer, or one without the ISD-P | = | timer ask
    asking | ask | | = | to card
    asking | card unknown, card unreadable, card rejected, card unreachable, ask | the caller heard EXPIRED: Created, for its clean-up | end | EIS
    asking | deadline | | = | reply expired, withdraw
    """,
)

_CARRIED = """
    start | begin | too late | end | reply expired
    start | begin | EID, domain, right or commands | end | reply failed
    start | begin | cut into scripts | sent | to card
    start | deadline | | end | reply expired
    sent | card 9000, card unreadable | SCP03t answers have no status word; the next script | = | to card
    sent | card 9000, card unreadable | the last one | end | reply success
    sent | card SW, card rejected, card unreachable, card unknown, card unreadable | what the card or the channel said | end | reply failed
    sent | card 9000, card SW, card rejected, card unknown, card unreachable, card unreadable | the caller heard EXPIRED | end |
    sent | deadline | | = | reply expired, withdraw
"""
SEND_DATA = table(
    "SendData, UpdateConnectivityParameters, raw scripts",
    ("send-data", "connectivity", "run-script"),
    _CARRIED,
    _sent,
)

_AT_ONCE = """
    start | begin | | end | EIS, reply success
    start | begin | EID, ICCID, right or rules | end | reply failed
"""
COMPLETED = table(
    "ProfileDownloadCompleted",
    ("completed",),
    _AT_ONCE + "start | deadline | | end | reply expired",
)
UPDATE = table("UpdatePolicyRules, UpdateSubscriptionAddress", ("update",), _AT_ONCE)
PREPARE_CHANGE = table(
    "PrepareSMSRChange",
    ("prepare-change",),
    """
    start | begin | | end | Prepare, reply success
    start | begin | managed here, or no ES7 link to that SM-SR | end | reply failed
    start | deadline | | end | reply expired
    """,
)


def _asking(state: Any) -> str:
    if not state.sent:
        return START
    return "asking" if state.asking else "commanded"


ONE_COMMAND = table(
    "MasterDelete, SetFallbackAttribute, UpdateSMSRAddressingParameters",
    ("master-delete", "set-fallback", "addressing"),
    """
    start | begin | too late | end | reply expired
    start | begin | EID, ICCID or policy | end | reply failed
    start | begin | | commanded | to card
    start | deadline | | end | reply expired
    commanded | card 9000 | done; addressing parameters stand in no EIS | end | ?reply success, ?EIS
    commanded | card unknown, card unreadable, card 6A88 | an ISD-P can be asked for | asking | to card
    commanded | card unknown | addressing parameters are written again | = | to card
    commanded | card SW, card rejected, card unreachable, card unknown | refused, not reached, or silent too often | end | ?reply failed
    commanded | card unknown | the caller heard EXPIRED; an ISD-P is left in doubt | end | ?doubt
    commanded | deadline | | = | reply expired, withdraw
    asking | card 9000, card 6A88 | it has happened | end | EIS, ?reply success
    asking | card 6A88 | there was none to delete | end | EIS, reply warning
    asking | card 9000 | it has not happened | commanded | to card
    asking | card 9000, card 6A88 | it cannot happen, or did not in all attempts | end | ?reply failed
    asking | card unknown, card unreadable, card rejected, card unreachable, card 9000 | no answer, or one without the ISD-P | = | timer ask
    asking | card unknown, ask | the caller heard EXPIRED | end | doubt
    asking | deadline | | = | reply expired, withdraw
    asking | ask | | = | to card
    """,
    _asking,
)
