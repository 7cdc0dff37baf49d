"""New key sets, and the change of SM-SR in both roles (GlobalPlatform 11.8; SGP.02 3.8, 5.6)."""

from __future__ import annotations

from typing import Any

from ferryman.sm_sr.transitions.words import table

ROTATE = table(
    "New keys of an ISD-R",
    ("rotate-keys",),
    """
    start | begin | too late | end | reply expired
    start | begin | EID | end | reply failed
    start | begin | | putting | ask MakeKeyset
    start | deadline | | end | reply expired
    putting, clearing | crypto make | made, or made before and never shown | = | ask WrapKeyset
    putting, clearing | crypto wrap | | = | to card
    putting, clearing | card 9000 | the right check values | = | ask TakeKeyset
    putting | card unknown, card unreadable, card 6A80, card 6A88, card rejected | again: replacing itself, the former set or nothing; or under the DEK of the session that came | = | ask WrapKeyset
    putting | card unknown, card 6A88, card 6985 | in sessions, SCP81: seen by the next ones | proving | to card
    putting | card rejected | a session under the new keys | = | ask TakeKeyset
    putting | card 9000, card SW, card rejected, card unreachable, card unknown | other check values, refused, not reached, silent too often | end | ?reply failed, ?doubt
    putting | crypto make refused, crypto wrap refused, crypto take refused | | end | ?reply failed
    putting | crypto take | SCP80: in the list, to be proved | proving | to card, EIS
    putting | crypto take | SCP80 in sessions: the check values prove it | clearing | UseKeyset, ask MakeKeyset
    putting, proving | crypto take | SCP81: in use | end | UseKeyset, ?reply success
    putting | crypto take | SCP80, the caller heard EXPIRED: in the list | end | EIS
    putting | deadline | | = | reply expired, withdraw
    proving | card 9000, card SW | SCP80: any answer proves it | clearing | UseKeyset, ask MakeKeyset
    proving | card 9000, card SW | SCP80, the caller heard EXPIRED: in use, the former keys stay valid | end | UseKeyset, alarm
    proving | card 9000, card rejected | SCP81: an answer in, or just, a session under the new keys | = | ask TakeKeyset
    proving | card rejected | SCP81: a session under the former keys | putting | ask WrapKeyset
    proving | card rejected, card unknown | SCP81: a session that goes on under keys that are gone, or none | = | timer look
    proving | look | | = | to card
    proving | card unknown, card rejected, card unreachable | SCP80 | = | to card
    proving | card unknown, card rejected, card unreachable | too often, or the caller heard EXPIRED | end | ?reply failed, ?doubt
    proving | deadline | | = | reply expired, withdraw
    clearing | crypto take | | end | ?reply success
    clearing | card unknown, card 6A80, card 6A88 | again | = | ask WrapKeyset
    clearing | card 9000, card SW, card rejected, card unreachable, card unknown | the former keys stay valid | end | alarm, ?reply warning
    clearing | crypto make refused, crypto wrap refused, crypto take refused | the same | end | alarm, ?reply warning
    clearing | deadline | | = | reply warning, withdraw
    """,
)

SMSR_CHANGE = table(
    "SMSRChange, the SM-SR that gives",
    ("smsr-change",),
    """
    start | begin | too late | end | reply expired
    start | begin | EID, right, or an SM-SR that we do not know | end | reply failed
    start | begin | the lease is the lock | offered | ES7HandoverEUICC, timer expiry
    start | deadline | | end | reply expired
    offered | ES7AuthenticateSMSR | from the target | = | ask VerifySMSRCertificate
    offered, keyed | ES7AuthenticateSMSR | from another, or not at this point | = | ES7AuthenticateSMSRResponse failed
    offered | ES7CreateAdditionalKeySet | not at this point | = | ES7CreateAdditionalKeySetResponse failed
    offered | crypto certificate | | certifying | to card
    offered | crypto certificate refused | | = | ES7AuthenticateSMSRResponse failed, timer expiry
    certifying | card 9000 | a challenge | challenged | ES7AuthenticateSMSRResponse success, timer expiry
    certifying | card 9000, card SW, card unknown, card rejected, card unreachable | no challenge in it, refused, silent | offered | ES7AuthenticateSMSRResponse failed, timer expiry
    challenged | ES7CreateAdditionalKeySet | | keying | to card
    challenged | ES7CreateAdditionalKeySet | parameters that cannot be | offered | ES7CreateAdditionalKeySetResponse failed, timer expiry
    keying | card 9000 | a receipt | keyed | ES7CreateAdditionalKeySetResponse success, timer again
    keying | card 9000, card SW, card unknown, card rejected, card unreachable | no receipt in it, refused, silent | offered | ES7CreateAdditionalKeySetResponse failed, timer expiry
    keyed | ES7HandoverEUICCResponse success, ES7HandoverEUICCResponse warning | theirs | = | ask DropCardKeys
    keyed | crypto drop | | end | HandOver, ?reply success
    keyed | again | the very same call | = | ES7HandoverEUICC, alarm, timer again
    keyed | deadline | it stays locked | = | reply expired
    offered | ES7HandoverEUICCResponse failed, expiry | nothing is on the card | end | reply failed
    offered, certifying, challenged | deadline | | end | reply expired
    certifying, challenged | ES7HandoverEUICCResponse failed | | end | reply failed
    challenged | expiry | | end | reply failed
    keying | deadline | a key set of theirs may be on the card | cleaning | reply expired, to card
    offered | expiry | the same | cleaning | reply failed, to card
    keying, keyed | ES7HandoverEUICCResponse failed | a key set of theirs is on the card | cleaning | reply failed, to card
    cleaning | card 9000, card 6A88 | a card that deletes what is listed: the next version | = | to card
    cleaning | card 9000, card 6A88 | | end |
    cleaning | card unknown, card SW, card rejected, card unreachable | | end | alarm, owe
    """,
)

HANDOVER = table(
    "HandoverEUICC, the SM-SR that takes",
    ("handover",),
    """
    start | begin | too late, or not prepared | end | reply failed
    start | begin | it is ours already | end | reply warning
    start | begin | | = | ask VerifyEUICC
    start | crypto euicc | | = | ask MakeSigningKey
    start | crypto euicc refused, crypto own refused, crypto own, deadline | a certificate that is wrong, or none of our own | end | reply failed
    start | crypto own | | authenticating | ES7AuthenticateSMSR, timer peer
    authenticating | ES7AuthenticateSMSRResponse success | | = | ask SignKeyParameters
    authenticating | crypto sign | | keying | ES7CreateAdditionalKeySet, timer peer
    authenticating | ES7AuthenticateSMSRResponse failed, crypto sign refused, peer, deadline | refused, or no answer | end | reply failed
    keying | ES7CreateAdditionalKeySetResponse success | | = | ask DeriveISDRKeyset
    keying | ES7CreateAdditionalKeySetResponse failed | with another key version | authenticating | ES7AuthenticateSMSR, timer peer
    keying | ES7CreateAdditionalKeySetResponse failed, crypto derive refused, peer, deadline | the last version, a wrong receipt, too late | end | reply failed
    keying | crypto derive | the right receipt: the commit point | finalising | TakeOver, timer next
    finalising, addressing | next | | = | to card
    finalising, addressing | card SW, card unknown, card rejected, card unreachable | again, a few times | = | timer next
    finalising | card 9000, card SW, card unknown | done, or owed | addressing | to card
    finalising | card 9000, card 6A88 | a card that deletes what is listed: the next version | = | to card
    addressing | card 9000 | an owner without a way to him is an alarm | end | reply success, ?ES4HandleSMSRChangeNotification, ?alarm
    addressing | card 9000, card SW, card unknown | keys or address of the former SM-SR are owed | end | reply warning, alarm, owe, ?ES4HandleSMSRChangeNotification
    """,
)


def _settling(state: Any) -> str:
    if state.question is not None:
        return "asking"
    return "open" if state.open else "settled"


SETTLE = table(
    "Open outcomes",
    ("settle",),
    """
    settled, open | doubt | an operation ended without the card's last word | open | timer look
    asking | doubt | once more | = | timer look
    open | look | | asking | to card, timer look
    open | look | another operation has the card | = | timer look
    asking | card 9000, card 6310, card 6A88 | the last word of several; more to tell | = | to card, timer look
    asking | card 9000, card SW, card unknown, card unreadable, card rejected, card unreachable | no answer, or history by now | open | timer look
    asking | look | an outcome was lost | = | to card, timer look
    asking | card 9000, card 6A88 | | settled | EIS, ?alarm, ?UseKeyset, ?ask TakeKeyset
    open, asking | look | the card went to another SM-SR | settled |
    asking | card 9000 | the same | settled |
    """,
    _settling,
)


def _owing(state: Any) -> str:
    if state.waiting:
        return "told"
    return "due" if state.duties else "nothing"


OWED = table(
    "What an SM-SR change left undone",
    ("owed",),
    """
    nothing, due | owe | | due | timer again
    due | again | | told | to card, timer again
    due | again | another operation has the card | = | timer again
    due | again | the address is no longer wanted | nothing |
    due | again | a month is over | nothing | alarm
    due | again | the card went to another SM-SR | nothing |
    told | again | an outcome was lost | = | withdraw, to card, timer again
    told | card 9000 | the next duty | due | timer again
    told | card 9000, card 6A88 | the last one | nothing |
    told | card SW, card unknown, card unreadable, card rejected, card unreachable | later | due | timer again
    told | card SW | a month is over | nothing | alarm
    """,
    _owing,
)
