"""Enable, Disable, Delete, and notifications that come by themselves (SGP.02 3.2, 3.4, 3.6, 3.15, 3.16)."""

from __future__ import annotations

from typing import Any

from ferryman.sm_sr.transitions.words import table

CHANGE = table(
    "EnableProfile, DisableProfile, DeleteProfile",
    ("enable", "disable", "delete-isdp"),
    """
    start | begin | too late | end | reply expired
    start | begin | EID, ICCID, right, state or policy | end | reply failed
    start | begin | Enable, Disable; Delete of an enabled profile | commanded | to card
    start | begin | Delete | deleting | to card
    start | deadline | | end | reply expired
    start | notification | not begun: a matter of its own | = | pass on
    commanded | card 9000, card unknown, card unreadable | it has begun, or may have | changing | timer ask
    commanded | card SW, card rejected, card unreachable | nothing has happened | end | ?reply failed
    changing | ask | the card has not notified | asking | to card
    commanded, changing, asking | notification 02, notification 05 | it tells the change, in time: confirmed; 05 after a Disable | confirming | to card, withdraw, ?EIS
    confirming, returning | notification 02 | it tells the change once more, later than all before | confirming | to card, withdraw, ?EIS
    commanded, changing, asking, confirming, returning | notification 03, notification 05 | it went back, or fell back | returning | to card, withdraw, ?EIS
    changing | notification 03, notification 05 | may be a replay, and the call is over: not confirmed, the card is asked | asking | to card
    commanded, changing, asking, confirming, returning | notification 03 | the end of an earlier change, by the profile that failed | = | pass on
    commanded, changing, asking, confirming, returning | notification | of an unknown type: not confirmed | = | alarm
    confirming | card 9000 | Enabled | end | ?EIS, ?reply success
    confirming | card 9000 | and another one is to be deleted | deleting | to card, ?EIS
    confirming | card SW | what cards of this type say when nothing is pending | asking | to card
    confirming | card 9000 | of a card that does not count: something was pending, its state says what | asking | to card
    confirming | card SW, card unknown | of one that may be a replay: the card has told no such thing, or is not there | asking | to card
    confirming | card SW, card rejected, card unreachable, card unknown, card 9000, card unreadable | confirmed again, later | = | timer ask
    confirming | ask | | = | to card
    returning | card 9000 | the card has gone back | end | ?EIS, ?reply failed
    returning | card 9000 | it fell back onto the target | end | ?EIS, reply warning
    returning | card 9000 | of a card that does not count: something was pending, its state says what | asking | to card
    returning | card SW, card rejected, card unreachable, card unknown, card unreadable, ask | only its state proves it | asking | to card
    asking | card 9000, card 6A88 | Enabled, confirmed, nothing pending | end | ?EIS, ?reply success
    asking | card 9000 | and another one is to be deleted | deleting | to card, ?EIS
    asking | card 9000 | it fell back onto the target | end | ?EIS, reply warning
    asking | card 9000, card 6A88 | Disabled: it did not happen, or the card is back | end | ?EIS, ?doubt, ?reply failed
    asking | card 9000 | Enabled, the fate of the confirmation unknown | confirming | to card
    asking | card 9000, card 6A88 | Enabled and it waits for us: its notification is to come | changing | timer ask
    asking | card 9000, card 6A88 | Disabled, a replay was told, the command may be about to show | changing | timer ask
    asking | card 9000, card 6A88 | Disabled, and the command was never answered | commanded | to card
    asking | card 9000, card 6A88 | Disabled, and a roll-back was told that may be a replay: it is confirmed now | returning | to card
    asking | card unknown, card unreachable, card rejected, card unreadable, card SW, card 9000 | no answer, or not to the question: later | changing | timer ask
    asking | card unknown, card unreachable, card rejected, card unreadable, card SW, card 9000 | the same, confirmed | confirming | timer ask
    asking | card unknown, card unreachable, card rejected, card unreadable, card SW, card 9000 | the same, told of a roll-back | returning | timer ask
    commanded, changing, asking | deadline | nothing is confirmed any more | = | reply expired, withdraw, timer grace
    asking, confirming, returning | deadline | decided: the card's answer is the caller's | = | timer grace
    commanded, changing, asking, confirming, returning | grace | the card's last word did not come | end | doubt, ?reply expired
    deleting | card 9000, card 6A88 | deleted | end | EIS, ?reply success
    deleting | card 6A88 | there was none | end | EIS, reply warning
    deleting | card SW, card rejected, card unreachable | refused or not reached | end | ?reply failed
    deleting | card SW, card rejected, card unreachable | the same, by POL2 after a change: that one stands | end | alarm, ?reply warning
    deleting | card unknown, card unreadable | | looking | to card
    deleting, looking | card unknown, card unreadable | the caller heard EXPIRED | end | doubt
    deleting, looking | deadline | | = | reply expired, withdraw
    deleting, looking | deadline | by POL2 after a change: it goes on | = | reply warning
    deleting, looking | notification | a matter of its own | = | pass on
    looking | card 6A88 | it is gone | end | EIS, ?reply success
    looking | card 9000 | it is there | deleting | to card
    looking | card 9000 | after all attempts | end | ?reply failed
    looking | card 9000 | the same, by POL2 after a change: that one stands | end | alarm, ?reply warning
    looking | card unknown, card unreadable, card 9000 | no answer, or one without the ISD-P | = | timer ask
    looking | ask | | = | to card
    looking | ask | the caller heard EXPIRED | end | doubt
    """,
)


def _confirming(state: Any) -> str:
    if state.asked is not None:
        return "asking"
    return "confirming" if state.pending is not None else "idle"


NOTIFICATION = table(
    "Default notification outside a change",
    ("notification",),
    """
    idle, confirming, asking | notification | of no known type: not confirmed | = | alarm
    idle, confirming | notification 01, notification 02, notification 03, notification 05 | confirmed the way it came; what it proves goes into the EIS | confirming | to card, ?EIS, ?doubt
    asking | notification 01, notification 02, notification 03, notification 05 | the same, of another one | = | to card, ?EIS, ?doubt
    idle, confirming | notification 01, notification 02, notification 03, notification 05 | may be a replay: the card is asked | asking | to card, ?timer elsewhere
    idle, confirming, asking | notification 03 | may be a replay, names the one that failed, and nobody knows another | = | doubt
    idle, confirming, asking | notification 01, notification 02, notification 03, notification 05 | may be a replay, while a change goes on | = | doubt
    asking | elsewhere | it is silent there: asked under the number that the EIS has | = | withdraw, to card
    asking | card 9000, card 6A88 | the card says the same: it is confirmed, the EIS follows | confirming | to card, ?EIS
    asking | card 9000, card 6A88 | the card says otherwise: a replay | idle, confirming | ?doubt
    asking | card SW, card 9000, card rejected, card unreachable, card unknown, card unreadable | no answer, or history by now | idle, confirming | doubt
    asking | card 9000, card SW, card rejected, card unreachable, card unknown, card unreadable | the same, and another one came meanwhile | asking | to card, ?EIS, ?doubt, ?timer elsewhere
    asking | card 9000, card unknown | the outcome of the confirmation of another one | = | ?EIS, ?doubt
    confirming | card 9000 | profiles that the card deleted go | idle | ?EIS, ?doubt
    confirming | card SW, card rejected, card unreachable, card unknown, card unreadable | it proves nothing; the card repeats what was not confirmed | idle | ?doubt
    """,
    _confirming,
)
