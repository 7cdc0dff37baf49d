"""What the card says of itself (SGP.02 ES5.eUICCCapabilityAudit, 4.1.1.6), and the EIS corrected from it.

GET STATUS of all ISD-Ps, GET DATA of the memory and of the key sets. One script is enough until the card says
6310, more data: then the pages are fetched in a chain of scripts, because a card forgets between two that are not.
"""

from __future__ import annotations

import msgspec

from ferryman.codec import isdr, ota_script
from ferryman.codec.isdr_answers import ISDPStatus, parse_card_resources, parse_key_versions, parse_status
from ferryman.codec.isdr_keys import SCP80_VERSIONS, SCP81_VERSIONS
from ferryman.errors import PeerError
from ferryman.platform.procedure import Apply, Audit, Effect
from ferryman.sm_sr.procedures import shown_keys
from ferryman.sm_sr.procedures.delivery import Outcome, OutcomeKind, read
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import (
    EUICC,
    ISDP,
    STATE_OF_CARD,
    Audited,
    HoldKeyset,
    RemoveISDP,
    SetAllocatedMemory,
    SetFallback,
    SetState,
)

WHOLE, FIRST, NEXT, REST = "whole", "first", "next", "rest"
SW_OK, SW_MORE, SW_NOT_FOUND, SW_CONDITIONS = 0x9000, 0x6310, 0x6A88, 0x6985
# The script's answer was full: this one is cut off, the commands behind it were not run (TS 102 226 5.2.1).
SW_CUT_OFF = (0x62F1, 0x62F3)
MAX_PAGES = 100  # of GET STATUS; a card has room for far fewer ISD-Ps than they would list
MAX_RESTARTS = 3  # times a card may lose the place where it was

CLAUSE = "SGP.02 ES5.eUICCCapabilityAudit"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Where an audit is: everything at once, or page by page; `isdps` were told before."""

    stage: str = WHOLE
    isdps: tuple[ISDPStatus, ...] = ()
    pages: int = 0
    restarts: int = 0

    @property
    def chained(self) -> bool:
        """Whether another script follows that belongs to this one."""
        return self.stage in (FIRST, NEXT)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is known after an answer; `follow` is asked next, None at the end.

    `free_nvm` in bytes; `key_versions` None when the card does not tell its key sets.
    """

    isdps: tuple[ISDPStatus, ...]
    free_nvm: int | None = None
    key_versions: frozenset[int] | None = None
    follow: Question | None = None


def audit_script(question: Question) -> tuple[bytes, ...]:
    """Command TLVs of one script."""
    # The key sets last: a card that does not know this object ends the script there.
    rest = (isdr.get_card_resources(), isdr.get_key_information())
    apdus = {
        WHOLE: (isdr.get_status(None), *rest),
        FIRST: (isdr.get_status(None),),
        NEXT: (isdr.get_status(None, following=True),),
        REST: rest,
    }[question.stage]
    return tuple(ota_script.c_apdu(apdu) for apdu in apdus)


def read_page(question: Question, outcome: Outcome) -> Page:
    """The answer to `audit_script(question)`. Raises PeerError when it says nothing."""
    if outcome.kind is not OutcomeKind.ANSWERED:
        raise PeerError(outcome.detail or "no answer", field="response script", clause=CLAUSE)
    apdus = read(outcome.script).apdus
    if not apdus:
        raise PeerError("no R-APDU", field="response script", clause=CLAUSE)
    if question.stage == REST:
        return _resources(question.isdps, apdus)
    data, sw = apdus[0]
    if sw == SW_NOT_FOUND and question.stage != NEXT:
        return Page(isdps=(), follow=replace(question, stage=REST, isdps=()))  # a card without any ISD-P
    if sw == SW_CONDITIONS and question.stage == NEXT and question.restarts < MAX_RESTARTS:
        again = Question(stage=FIRST, restarts=question.restarts + 1)
        return Page(isdps=(), follow=again)
    if sw in SW_CUT_OFF and question.stage == WHOLE:
        return Page(isdps=(), follow=Question(stage=FIRST))
    if sw not in (SW_OK, SW_MORE):
        raise PeerError(f"GET STATUS answered {sw:04X}", field="R-APDU", clause=CLAUSE)
    if sw == SW_MORE and question.stage == WHOLE:
        return Page(isdps=(), follow=Question(stage=FIRST))
    found = (*question.isdps, *parse_status(data))
    if sw == SW_MORE:
        if question.pages >= MAX_PAGES:
            raise PeerError(f"more than {MAX_PAGES} pages", field="GET STATUS", clause=CLAUSE)
        return Page(isdps=found, follow=replace(question, stage=NEXT, isdps=found, pages=question.pages + 1))
    if not found:
        # It may be the answer to anything, or the data of a 61xx that was not fetched; believing it would empty
        # the EIS.
        raise PeerError("neither ISD-Ps nor 6A88", field="GET STATUS", clause=CLAUSE)
    if question.stage == WHOLE and len(apdus) > 1 and apdus[1][1] not in SW_CUT_OFF:
        return _resources(found, apdus[1:])
    return Page(isdps=found, follow=replace(question, stage=REST, isdps=found))


def _resources(isdps: tuple[ISDPStatus, ...], apdus: tuple[tuple[bytes, int], ...]) -> Page:
    data, sw = apdus[0]
    if sw != SW_OK:
        raise PeerError(f"GET DATA answered {sw:04X}", field="R-APDU", clause=CLAUSE)
    told = len(apdus) > 1 and apdus[1][1] == SW_OK
    return Page(
        isdps=isdps,
        free_nvm=parse_card_resources(data).free_nvm,
        key_versions=parse_key_versions(apdus[1][0]) if told else None,
    )


def correct(card: EUICC, page: Page) -> tuple[EUICC, tuple[Effect, ...]]:
    """The card's word against the EIS: the EIS after it, and the changes with an alarm for each drift."""
    on_card = {status.aid: status for status in page.isdps}
    effects: list[Effect] = []
    kept: list[ISDP] = []
    for profile in card.profiles:
        status = on_card.pop(profile.aid, None)
        if status is None:
            effects += [Apply(RemoveISDP(profile.aid)), _drift(profile.aid, "in the EIS, not on the card")]
            continue
        corrected, changes = _corrected(profile, status)
        effects += changes
        kept.append(corrected)
    effects += [_drift(aid, "on the card, not in the EIS") for aid in on_card]
    effects += _key_drift(card, page.key_versions)
    memory = card.remaining_memory if page.free_nvm is None else page.free_nvm
    effects.append(Apply(Audited(page.free_nvm)))
    return replace(card, profiles=tuple(kept), remaining_memory=memory), tuple(effects)


def _corrected(profile: ISDP, status: ISDPStatus) -> tuple[ISDP, list[Effect]]:
    effects: list[Effect] = []
    state = STATE_OF_CARD.get(status.state, profile.state)
    if state != profile.state:
        drift = _drift(profile.aid, f"{profile.state}, card says {state}")
        effects += [Apply(SetState(profile.aid, state)), drift]
    fallback = profile.fallback if status.fallback is None else status.fallback
    if fallback != profile.fallback:
        said = "has" if fallback else "has not"
        drift = _drift(profile.aid, f"card says that it {said} the fall-back attribute")
        effects += [Apply(SetFallback(profile.aid, fallback)), drift]
    allocated = profile.allocated_memory
    # Without a quota the card counts what the profile takes, which is not what was allocated: 0 stays 0.
    if allocated and status.granted is not None and status.granted != allocated:
        drift = _drift(profile.aid, f"{allocated} bytes allocated, card says {status.granted}")
        effects += [Apply(SetAllocatedMemory(profile.aid, status.granted)), drift]
        allocated = status.granted
    return msgspec.structs.replace(profile, state=state, fallback=fallback, allocated_memory=allocated), effects


def _key_drift(card: EUICC, versions: frozenset[int] | None) -> list[Effect]:
    """A key set that the card has, and the EIS not, is listed; one that it has not can only be told.

    But SCP81: what the card has instead of the one in use has taken its place.
    """
    if versions is None:
        return []
    effects: list[Effect] = []
    if instead := shown_keys.by_audit(card, versions):
        detail = f"key set {instead:02X} is on the card instead of {card.scp81_version:02X}"
        effects += [*shown_keys.in_place(card, instead), _key_alarm(card, detail)]
    used = [version for version in (card.scp80_version, 0 if instead else card.scp81_version) if version]
    listed = {*used, instead, *shown_keys.listed(card)}
    for version in sorted(versions - listed):
        if version in SCP80_VERSIONS or version in SCP81_VERSIONS:
            alarm = _key_alarm(card, f"key set {version:02X} is on the card, not in the EIS")
            effects += [Apply(HoldKeyset(version)), alarm]
    missing = (f"the card has no key set {version:02X}" for version in used if version not in versions)
    return effects + [_key_alarm(card, detail) for detail in missing]


def _key_alarm(card: EUICC, detail: str) -> Audit:
    return Audit("0500 eUICCCapabilityAudit", "alarm", object=card.eid, detail=detail)


def _drift(aid: bytes, detail: str) -> Audit:
    return Audit("0500 eUICCCapabilityAudit", "alarm", object=aid.hex().upper(), detail=detail)
