"""The built-in policy: the transport that is preferred for the card, as often as the settings say, then an end."""

from __future__ import annotations

from ferryman.workflow.plan import GiveUp, Plan, Send, Transport
from ferryman.workflow.question import Moment, Question

ENDS = frozenset((Moment.SILENCE, Moment.REJECTED, Moment.POR, Moment.NO_SESSION))


def decide(question: Question) -> Plan:
    """The answer to a question; it never waits and never changes the transport.

    Where the preferred transport has no module, a card can still come by itself: that is all a platform without
    an SMSC has. A receipt of the SMSC is a hint, and changes nothing. A command that a script let wait, and that
    may have been executed, is given up: whoever sent it asks the card.
    """
    if question.moment is Moment.RECEIPT:
        return Send(transport=Transport.SMS)
    if question.moment in ENDS or question.doubt:
        return GiveUp()
    for transport in (*question.card.transports[:1], Transport.HTTPS_PULL):
        if transport in question.installed:
            return Send(transport=Transport(transport))
    return GiveUp(why="no transport is installed that could carry it")
