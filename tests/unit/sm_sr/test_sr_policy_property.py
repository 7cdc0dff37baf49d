"""10,000 random states: the dry run and the procedures take the same decision, and it keeps what it must keep."""

from __future__ import annotations

import random
from typing import Any

import sr_steps as s
from ferryman.contracts import es3, es4
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.message import Header
from ferryman.platform.procedure import Apply, Begin, Context, Reply
from ferryman.sm_sr import policy_words
from ferryman.sm_sr.euicc_type import DISABLE_FIRST, REFUSE, Effective
from ferryman.sm_sr.functions import FUNCTIONS, KINDS
from ferryman.sm_sr.policy import Deed, Function, Question, World, decide, understood
from ferryman.sm_sr.procedures.delivery import Command
from ferryman.sm_sr.records import EUICC, ISDP, Facts, Links, SRSettings

STATES = 10_000
OWNERS = (s.OWNER, "1.3.6.1.4.1.99999.31")
DPS = (s.DP, "1.3.6.1.4.1.99999.11", "")
ACTIONS = ("ENABLE", "DISABLE", "DELETE", "EXPLODE")
QUALIFICATIONS = ("Not-Allowed", "Auto-Delete", "Sometimes")

BODIES: dict[Function, Any] = {
    Function.ENABLE: es4.ES4EnableProfile,
    Function.DISABLE: es4.ES4DisableProfile,
    Function.DELETE: es4.ES4DeleteProfile,
    Function.UPDATE_POLICY: es4.ES4UpdatePolicyRules,
    Function.UPDATE_ADDRESS: es4.ES4UpdateSubscriptionAddress,
    Function.CREATE: es3.ES3CreateISDP,
    Function.AUDIT: es4.ES4AuditEIS,
}


STEPS = {kind.name: kind.step for kind in KINDS}


def rules(chance: random.Random) -> tuple[PolicyRule, ...]:
    if chance.random() < 0.4:
        return ()
    count = chance.randrange(1, 4)
    return tuple(
        PolicyRule(
            chance.choice(ACTIONS[1:3]) if chance.random() < 0.9 else chance.choice(ACTIONS),
            chance.choice(QUALIFICATIONS[:2]) if chance.random() < 0.9 else chance.choice(QUALIFICATIONS),
            "PROFILE" if chance.random() < 0.97 else "CARD",
        )
        for _ in range(count)
    )


def profile(chance: random.Random, number: int) -> ISDP:
    return s.isdp(
        bytes(14) + bytes((number, 0)),
        iccid=f"898821100000000{number:04d}",
        owner=chance.choice(OWNERS),
        smdp_id=chance.choice(DPS),
        state=chance.choice(("InCreation", "Created", "Disabled", "Disabled", "Enabled")),
        fallback=chance.random() < 0.3,
        pol2=rules(chance),
    )


def case(chance: random.Random) -> tuple[Question, World]:
    profiles = tuple(profile(chance, number) for number in range(chance.randrange(1, 5)))
    card = s.card(*profiles, remaining_memory=chance.randrange(2000)) if chance.random() < 0.98 else None
    iccid = chance.choice([p.iccid for p in profiles] * 4 + ["8988211000000000995"])
    here = card is not None and card.by_iccid(iccid) is not None
    elsewhere = None if here or card is None or chance.random() < 0.5 else profile(chance, 9)
    question = Question(
        chance.choice(list(BODIES)),
        chance.choice((*OWNERS, *DPS[:2], "nobody")),
        iccid,
        required_memory=chance.randrange(2000),
        pol2=rules(chance),
        imsi=chance.choice(("", "001010000000001", "x")),
        msisdn=chance.choice(("", "8821", "1" * 20)),
        iccids=chance.choice(((), (iccid,))),
    )
    view = Effective(delete_enabled=chance.choice((DISABLE_FIRST, REFUSE)), transports=("sms",))
    return question, World(card, view, elsewhere)


def request(question: Question) -> Any:
    kind = BODIES[question.function]
    values: dict[str, Any] = {"eid": s.EID, "iccid": question.iccid}
    match question.function:
        case Function.CREATE:
            values |= {"owner": s.OWNER, "required_memory": question.required_memory}
        case Function.UPDATE_POLICY:
            values["pol2"] = question.pol2
        case Function.UPDATE_ADDRESS:
            values |= {"imsi": question.imsi, "msisdn": question.msisdn}
        case Function.AUDIT:
            values = {"eid": s.EID, "iccids": question.iccids}
    return kind(**values)


def begin(question: Question, world: World) -> tuple[str, list[Any]]:
    """The first step of the procedure: the code it refuses with, and what it does."""
    body = request(question)
    function = FUNCTIONS[type(body)]
    make: Any = function.state
    header = Header(
        message_id="m",
        sender="",
        requester=question.requester,
        function_call_id="c",
        deadline=s.DEADLINE,
        eid=s.EID,
    )
    facts = Facts(
        settings=SRSettings(transport="sms"), euicc=world.card, elsewhere=world.elsewhere, type=world.effective
    )
    context = Context(procedure_id="p", eid=s.EID, caller=header, now=s.NOW, entropy=bytes(32), facts=facts)
    step = STEPS[function.kind](make(request=body, requester=question.requester), Begin(), context)
    reply = next((effect.body.status for effect in step.effects if isinstance(effect, Reply)), None)
    refused = "" if reply is None or reply.ok else reply.code
    done = [e for e in step.effects if isinstance(e, Apply)] + s.signals(step, Command)
    return refused, done


def test_dry_run_and_procedure_agree_on_random_states(seed: int) -> None:
    chance = random.Random(seed)
    allowed = 0
    for _ in range(STATES):
        question, world = case(chance)
        verdict = decide(question, world)
        words = policy_words.explain(question, world, verdict, links=Links())
        refused, done = begin(question, world)
        assert refused == (verdict.refusal.code if verdict.refusal is not None else ""), (question, world)
        assert bool(done) == verdict.allowed, (question, world)
        assert (f"refused with {refused}" in words[0]) == (not verdict.allowed)
        allowed += verdict.allowed
        if verdict.allowed and world.card is not None:
            _keeps(question, world, world.card)
    assert STATES * 0.05 < allowed < STATES * 0.95, "both answers are common"


def _keeps(question: Question, world: World, card: EUICC) -> None:
    """What no decision may break, said in other words than the policy's."""
    deeds = {action.deed: action.iccid for action in decide(question, world).actions}
    touched = [card.by_iccid(iccid) for iccid in deeds.values()]
    for gone in (deeds.get(Deed.DELETE), deeds.get(Deed.AUTO_DELETE)):
        lost = card.by_iccid(gone) if gone else None
        if lost is not None and lost.state != "Created":
            assert not lost.fallback
            assert ("DELETE", "Not-Allowed") not in {(r.action, r.qualification) for r in lost.pol2}
    if Deed.ENABLE in deeds or Deed.DISABLE in deeds:
        current = card.enabled
        assert current is None or ("DISABLE", "Not-Allowed") not in {
            (r.action, r.qualification) for r in current.pol2
        }
        assert current is None or understood(current.pol2)
        assert sum(p.state == "Enabled" for p in card.profiles) <= 1
    if question.function in (Function.ENABLE, Function.DISABLE, Function.DELETE):
        assert all(p is not None and p.state != "InCreation" for p in touched)
        target = card.by_iccid(question.iccid)
        assert target is not None
        assert question.requester in (target.owner, target.smdp_id)
