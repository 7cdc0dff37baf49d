"""Any event in any state: procedures and channel keep their rules, whatever comes in whatever order."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import sr_steps as s
from ferryman.codec import ids, ota_script
from ferryman.contracts import crypto, es3, es5
from ferryman.contracts.message import Header
from ferryman.contracts.status import failed
from ferryman.platform.procedure import (
    Answered,
    Ask,
    Begin,
    Received,
    Send,
    Signal,
    Signalled,
    TimerFired,
)
from ferryman.sm_sr.procedures import audit, change, channel, create_isdp, notification, send_data
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Cancel, Command, Outcome, OutcomeKind, Settled
from ferryman.sm_sr.procedures.notification_state import NotificationState
from ferryman.sm_sr.records import SetState, SRSettings

PROCEDURES = {
    "create": (create_isdp, s.REQUESTS["create"]),
    "enable": (change, s.REQUESTS["enable"]),
    "disable": (change, s.REQUESTS["disable"]),
    "delete": (change, s.REQUESTS["delete"]),
    "delete-enabled": (change, s.REQUESTS["delete"]),
    "audit": (audit, s.REQUESTS["audit"]),
    "send": (send_data, es3.ES3SendData(eid=s.EID, sd_aid=s.NEW, data=b"\x86\x02\x01\x02" * 2)),
}
CARDS = {
    "create": s.card(s.isdp(s.BOOT)),
    "disable": s.card(
        s.isdp(s.BOOT, state="Disabled"), s.isdp(state="Enabled", pol2=(s.rule("DISABLE", "Auto-Delete"),))
    ),
    "delete-enabled": s.card(s.isdp(s.BOOT, state="Disabled"), s.isdp(state="Enabled")),
}
PHASES = {"", "commanded", "changing", "confirming", "asking", "returning", "creating", "deleting", "looking"}

APDUS = st.tuples(
    st.sampled_from(
        [
            b"",
            b"\x00",
            s.status_of(s.NEW, 0x1F),
            s.status_of(s.NEW, 0x3F),
            s.status_of(s.NEW, 7),
            s.resources(9),
            b"\x80\x55",
        ]
    ),
    st.sampled_from([0x9000, 0x6985, 0x6A88, 0x69E1, 0x6A84, 0x6310]),
)
SCRIPTS = st.one_of(
    st.lists(APDUS, max_size=3).map(lambda items: s.script(*items)),
    st.sampled_from(
        [b"", b"?", s.raw_script(b"\x83\x01\x01"), s.raw_script(b"\x9f\x46\x01\x02"), s.raw_script(b"\x86\x00")]
    ),
    st.binary(max_size=6),
)
OUTCOMES = st.tuples(st.sampled_from(list(OutcomeKind)), SCRIPTS, st.booleans())
NOTIFICATIONS = st.builds(
    s.told,
    st.integers(0, 6),
    st.sampled_from([s.BOOT, s.NEW, bytes(16), b""]),
    st.integers(0, 4),
    via=st.sampled_from(["sms", "https"]),
    imei=st.sampled_from([b"", bytes(8)]),
)
EVENTS = st.one_of(
    st.just(Begin()),
    st.sampled_from(["deadline", "ask", "grace", "no such timer"]).map(TimerFired),
    NOTIFICATIONS.map(lambda n: Signalled("c", n)),
    OUTCOMES,
    OUTCOMES,
)
GAPS = st.sampled_from([0.0, 1.0, 60.0, 1000.0, 3600.0])


@pytest.mark.parametrize("name", PROCEDURES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(st.tuples(EVENTS, GAPS), max_size=14), no_card=st.booleans())
def test_any_events(name: str, events: list[Any], no_card: bool) -> None:
    module, request = PROCEDURES[name]
    state: Any = module.State(request=request, requester=s.DP)
    euicc = CARDS.get(name, s.card())
    now, replies, decided, over, alive = s.NOW, 0, [], False, True
    sent: dict[str, Command] = {}
    begun = False
    for event, gap in events:
        now += gap
        if isinstance(event, Begin):
            if begun:
                continue
            begun = True
        elif not begun and not (isinstance(event, TimerFired) and event.name == "deadline"):
            continue  # the engine begins a procedure before it gets anything else, but its deadline
        if isinstance(event, tuple):
            kind, script, own = event
            event = s.outcome(
                f"procedure/{state.sent if own and not isinstance(state.sent, bool) else 1}", kind, script=script
            )
        euicc_now = None if no_card else euicc
        taken = module.step(state, event, s.context(euicc_now, now=now, no_card=no_card))
        state = taken.state
        msgspec.json.decode(msgspec.json.encode(state), type=module.State)
        assert getattr(state, "phase", "") in PHASES
        replies += len(s.replies(taken))
        for command in s.commands(taken):
            assert command.id not in sent, "every command has a name of its own"
            sent[command.id] = command
            if command.confirms is not None and command.confirms.type == 2:
                if command.confirms not in decided:
                    assert now < s.DEADLINE, "decided after the deadline"
                    assert replies == 0, "decided after the caller was answered"
                decided.append(command.confirms)
        if name == "enable" and any(
            isinstance(c, SetState) and c == SetState(s.NEW, "Enabled") for c in s.changes(taken)
        ):
            assert decided, "success without a decision"
        assert replies <= 1, "one answer"
        if over:
            assert not s.replies(taken)
        over = over or replies > 0
        if s.done(taken):
            alive = False
            break
    if not alive:
        assert replies == 1, "a procedure that has ended has answered"
    assert len({c.id for c in sent.values()}) == len(sent)


@settings(max_examples=100, deadline=None)
@given(events=st.lists(st.one_of(NOTIFICATIONS.map(lambda n: Signalled("c", n)), OUTCOMES), max_size=12))
def test_any_notifications(events: list[Any]) -> None:
    state = NotificationState()
    for event in events:
        if isinstance(event, tuple):
            event = s.outcome(f"n/{state.sent}", event[0], script=event[1])
        taken = notification.step(state, event, s.context(procedure_id="n", caller=False))
        state = taken.state
        for command in s.commands(taken):
            assert command.confirms is not None
            assert command.confirms.type in (1, 3, 5), "02 is confirmed by a change only"


HEADER = Header(message_id="m", sender="t", requester="t", function_call_id="f", deadline=s.DEADLINE, eid=s.EID)
TOKENS = ["", "current", "previous", "stale"]


class ChannelMachine(RuleBasedStateMachine):
    """Transports, CryptoServer and procedures round one channel, in any order."""

    @initialize(transport=st.sampled_from(["sms", "https"]))
    def begin(self, transport: str) -> None:
        self.settings = SRSettings(transport=transport, sms_attempts=2, trigger_attempts=2)
        self.state = Channel()
        self.number = self.posts = self.tick = 0
        self.counters: dict[int, bytes] = {}
        self.packets: dict[bytes, int] = {}
        self.open: set[str] = set()
        self.outcomes: dict[str, str] = {}
        self.scripts: dict[str, str] = {}
        self.waiting: set[str] = set()

    def feed(self, event: Any) -> None:
        self.tick += 1
        entropy = self.tick.to_bytes(12) + bytes(20)
        taken = channel.step(
            self.state,
            event,
            s.context(now=s.NOW + self.tick, entropy=entropy, caller=False, settings=self.settings),
        )
        self.state = taken.state
        msgspec.json.decode(msgspec.json.encode(self.state), type=Channel)
        for effect in taken.effects:
            self.look(effect)
            if isinstance(effect, Ask) and isinstance(effect.body, crypto.SCP80Wrap):
                assert effect.body.counter not in self.counters, "a counter is used once"
                packet = f"packet {effect.body.counter}".encode()
                self.counters[effect.body.counter] = packet
                self.feed(Answered("wrap", reply=crypto.SCP80Wrapped(packet=packet)))

    def look(self, effect: Any) -> None:
        if isinstance(effect, Send) and isinstance(effect.body, es5.SubmitSMS):
            assert self.state.flight is None or effect.body.packet == self.state.flight.packet, (
                "one packet in flight"
            )
        if isinstance(effect, Send) and isinstance(effect.body, es5.HTTPSAnswer):
            assert effect.body.post_id in self.waiting, "one answer for one POST"
            self.waiting.discard(effect.body.post_id)
            if effect.body.body:
                known = self.scripts.setdefault(effect.body.next_uri, effect.body.body.hex())
                assert known == effect.body.body.hex(), "a step is never two different scripts"
        if isinstance(effect, Signal) and isinstance(effect.value, Outcome):
            name = effect.value.command_id
            assert name in self.open, "one outcome for each command"
            self.open.discard(name)
            self.outcomes[name] = effect.value.kind

    @rule(transport=st.sampled_from(["sms", "https"]), chain=st.booleans(), number=st.sampled_from(["", "88211"]))
    def command(self, transport: str, chain: bool, number: str) -> None:
        self.number += 1
        name = f"c{self.number}"
        self.open.add(name)
        apdu = bytes.fromhex("80F24002") + self.number.to_bytes(2)
        value = Command(
            id=name, owner="p", tlvs=(ota_script.c_apdu(apdu),), target_aid=ids.ISDR_AID, transport=transport,
            chain=chain, destination=number,
        )  # fmt: skip
        self.feed(Signalled("p", value))

    @rule(number=st.integers(0, 9))
    def withdraw(self, number: int) -> None:
        self.feed(Signalled("p", Cancel(command_id=f"c{self.number - number}")))

    @rule()
    def settle(self) -> None:
        flight = self.state.flight
        if flight is not None and flight.command is not None:
            self.open.discard(flight.command.id)
            self.feed(Signalled("p", Settled(command_id=flight.command.id)))

    @rule(name=st.sampled_from(["sms", "linger", "session", "answer"]))
    def timer(self, name: str) -> None:
        self.feed(TimerFired(name))

    @rule(status=st.integers(0, 13), mine=st.booleans(), script=SCRIPTS)
    def proof(self, status: int, mine: bool, script: bytes) -> None:
        flight = self.state.flight
        counter = flight.counter if flight is not None and mine else 1
        reply = crypto.SCP80Response(tar=ids.ISDR_TAR, counter=counter, status=status, data=script)
        self.feed(Answered("open", reply=reply))

    @rule(current=st.booleans(), nothing=st.booleans(), permanent=st.booleans())
    def rejected(self, current: bool, nothing: bool, permanent: bool) -> None:
        flight = self.state.flight
        name = flight.sms_id if flight is not None and current and flight.sms_id else "old"
        body = es5.SMSRejected(sms_id=name, nothing_sent=nothing, permanent=permanent, reason="r")
        self.feed(Received(HEADER, body))

    @rule()
    def refused(self) -> None:
        self.feed(Answered("open", refusal=failed("1", "1", "MAC")))

    @rule(
        token=st.sampled_from(TOKENS),
        resume=st.booleans(),
        status=st.sampled_from(["", "ok", "security-error"]),
        body=st.sampled_from([b"", b"result"]),
        fresh=st.booleans(),
    )
    def posted(self, token: str, resume: bool, status: str, body: bytes, fresh: bool) -> None:
        self.posts += 1
        session = f"s{self.posts}" if fresh or not self.state.session else self.state.session
        answer = self.state.answer
        found = {"": "", "current": self.state.token, "previous": answer.token if answer else "", "stale": "5e"}[
            token
        ]
        post_id = f"{session}/{self.posts}"
        self.waiting.add(post_id)
        value = es5.HTTPSPosted(
            post_id=post_id, session_id=session, eid=s.EID, key_version=64, uri=f"/a?s={found}" if found else "/a",
            resume=resume, script_status=status, body=body, notification=b"",
        )  # fmt: skip
        self.feed(Received(HEADER, value))

    @rule(current=st.booleans())
    def closed(self, current: bool) -> None:
        name = self.state.session if current and self.state.session else "old"
        self.feed(Received(HEADER, es5.HTTPSClosed(session_id=name, eid=s.EID, reason="")))

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if not hasattr(self, "state"):
            return
        kept = [*self.state.sms_queue, *self.state.https_queue, self.state.inflight]
        kept.append(self.state.flight.command if self.state.flight is not None else None)
        assert sorted(c.id for c in kept if c is not None) == sorted(self.open)
        if self.state.flight is not None:
            assert self.state.flight.doubt >= 0
            assert self.state.flight.counter == max(self.counters)
            assert self.state.flight.attempt <= self.settings.sms_attempts


ChannelMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestChannelMachine = ChannelMachine.TestCase
