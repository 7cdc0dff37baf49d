"""A card's HTTPS channel when a session is lost between two commands (SGP.02 2.4.4; GP Amendment B)."""

from __future__ import annotations

from ferryman.contracts import es5
from ferryman.contracts.message import Body, Header
from ferryman.platform.procedure import Context, Event, Received, SetTimer, Signalled, Step
from ferryman.sm_sr.procedures import channel
from ferryman.sm_sr.procedures.channel_https import ANSWER, LINGER
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, Settled
from ferryman.sm_sr.records import Facts, SRSettings

EID = "89033023000000000061494360000191"
NOW = 1_000.0
SETTINGS = SRSettings()


def step(state: Channel, event: Event) -> Step[Channel]:
    context = Context(
        procedure_id=f"channel/{EID}",
        eid=EID,
        caller=None,
        now=NOW,
        entropy=bytes(32),
        facts=Facts(SETTINGS, None),
    )
    return channel.step(state, event, context)


def received(body: Body) -> Received:
    header = Header(
        message_id="m", sender="transport-https", requester="transport-https", function_call_id="f", deadline=NOW
    )
    return Received(header, body)


def timers(found: Step[Channel]) -> dict[str, float]:
    return {effect.name: effect.at for effect in found.effects if isinstance(effect, SetTimer)}


def posted(session: str) -> es5.HTTPSPosted:
    return es5.HTTPSPosted(
        post_id=f"{session}/1",
        session_id=session,
        eid=EID,
        key_version=1,
        uri="/gsma/adminagent?s=aa",
        resume=True,
        script_status="",
        body=b"",
        notification=b"",
    )


def test_card_that_resumes_is_held_for_the_announced_command() -> None:
    # The last command said MoreToDo; our process died, and its successor reports the session as closed.
    state = Channel(session="old", token="aa", announced=True)
    state = step(state, received(es5.HTTPSClosed(session_id="old", eid=EID, reason="restarted"))).state
    assert (state.session, state.announced) == ("", True)
    found = step(state, received(posted("new")))
    assert timers(found)[LINGER] == NOW + SETTINGS.hold


def test_dismissed_card_is_not_held_again() -> None:
    state = step(Channel(session="old", token="aa"), received(posted("old"))).state
    assert timers(step(state, received(posted("old"))))[LINGER] == NOW + SETTINGS.linger


def test_answer_that_a_reset_has_cut_off_is_not_waited_for() -> None:
    first = Command(id="1", owner="enable", tlvs=(b"\x22\x00",), target_aid=b"", transport="https")
    following = Command(id="2", owner="audit", tlvs=(b"\x22\x00",), target_aid=b"", transport="https")
    state = Channel(inflight=first, https_queue=(following,), token="aa")
    found = step(state, Signalled("enable", Settled(command_id="1")))
    assert found.state.inflight is None
    # The next command no longer waits for the time of that answer to pass: the card is called.
    assert found.state.triggers == 1
    assert ANSWER not in timers(found)
    # Another command's answer is still waited for.
    assert step(state, Signalled("enable", Settled(command_id="9"))).state.inflight == first
