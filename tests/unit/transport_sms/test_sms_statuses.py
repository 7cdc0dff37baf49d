"""Every command_status of a submit_sm_resp, on the module whole: what is told, what is sent again, what is bound
again, and that a number's own trouble is no other number's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.status import CommandStatus, Reaction, classify
from ferryman.contracts.es5 import SMSAccepted, SMSRejected
from ferryman.transport_sms.esme import ESME
from ferryman.transport_sms.pace import Pace
from ferryman.transport_sms.schema import part
from scripted_smsc import Caller, ScriptedSMSC
from sms_rig import SILENCE, Rig, account, refused
from virtual_loop import virtual

OTHER_VERSIONS = (0x100, 0x112, 0x400, 0x4FF, 0xFFFFFFFF)  # SMPP v5.0, vendors, nobody


@pytest.mark.parametrize(
    "status",
    [int(status) for status in CommandStatus if status] + list(OTHER_VERSIONS),
    ids=lambda status: f"{status:X}",
)
def test_what_a_status_means_for_the_submission(tmp_path: Path, status: int) -> None:
    """Permanent and defect: refused at once. Everything else: again with a wait, and accepted in the end."""

    @virtual
    async def run() -> None:
        rig = await Rig(tmp_path, account("a")).start()
        rig.smsc["a"].answers = [refused(status)]
        with capture_logs() as lines:
            await rig.submit()
            [news] = await rig.told()
        alarms = [line for line in lines if line["log_level"] == "error"]
        [row] = await rig.rows(part)
        if classify(status) in (Reaction.PERMANENT, Reaction.DEFECT):
            assert isinstance(news, SMSRejected)
            assert (news.nothing_sent, news.permanent) == (True, True)
            assert len(rig.sent) == 1
            assert (row.status, row.smpp_status) == ("refused", status)
            assert bool(alarms) == (classify(status) is Reaction.DEFECT)
        else:
            assert news == SMSAccepted(sms_id="1")
            assert rig.sent[1][0] - rig.sent[0][0] >= 0.5
            assert (row.status, row.attempts, row.unknowns) == ("accepted", 2, 0)
            assert not alarms
        await rig.stop()

    run()


@pytest.mark.parametrize(
    ("status", "reaction"),
    [
        (0x58, Reaction.THROTTLE),
        (0x14, Reaction.TRANSIENT),
        (0x08, Reaction.TRANSIENT),
        (0xFF, Reaction.TRANSIENT),
        (0x64, Reaction.TRANSIENT),
        (0x45, Reaction.TRANSIENT),
        (0x0A, Reaction.PERMANENT),
        (0x0B, Reaction.PERMANENT),
        (0x65, Reaction.PERMANENT),
        (0x66, Reaction.PERMANENT),
        (0x04, Reaction.REBIND),
        (0x05, Reaction.REBIND),
        (0x01, Reaction.DEFECT),
        (0x02, Reaction.DEFECT),
        (0x03, Reaction.DEFECT),
        (0xC0, Reaction.DEFECT),
        (0xC4, Reaction.DEFECT),
    ],
)
def test_the_classes_are_those_of_the_standard(status: int, reaction: Reaction) -> None:
    assert classify(status) is reaction


@virtual
async def test_a_bind_state_error_binds_again_and_sends_again(tmp_path: Path) -> None:
    sent: list[bytes] = []

    async def confused(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        sent.append(pdu.short_message)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, status=4, body_omitted=True))
        request = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=request.sequence))

    async def serves(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        sent.append(pdu.short_message)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="x"))
        request = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=request.sequence))

    async with ScriptedSMSC(confused, serves) as smsc:
        rig = real(tmp_path, smsc)
        await rig.start()
        await rig.submit()
        assert await rig.told() == [SMSAccepted(sms_id="1")]
        await rig.stop()
    assert len(set(sent)) == 1
    assert len(sent) == 2


class RealRig(Rig):
    """With ESMEs that talk to a scripted SMSC."""

    def _link(self, settings: Any, **arguments: Any) -> Any:
        return ESME(settings, **arguments)


def real(folder: Path, smsc: ScriptedSMSC, **changes: Any) -> RealRig:
    return RealRig(folder, account("a", host="127.0.0.1", port=smsc.port, **changes))


@virtual
async def test_a_full_queue_holds_up_its_own_number_only(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("a")).start()
    full = {"447700900001"}
    link = rig.smsc["a"]
    submit = link.submit

    async def judge(pdu: m.SubmitSM, **_: Any) -> Any:
        link.always = refused(0x14) if pdu.destination_addr in full else None
        return await submit(pdu)

    link.submit = judge  # type: ignore[method-assign]
    for number in range(20):
        await rig.submit(sms_id=str(number), to=f"4477009000{number % 4:02d}")
        await asyncio.sleep(0.1)
    await rig.told(15)
    assert {one.sms_id for one in rig.news if isinstance(one, SMSAccepted)} == {
        str(number) for number in range(20) if number % 4 != 1
    }
    assert rig.sent[-1][0] < 10
    tries = [at for at, _, pdu in rig.sent if pdu.destination_addr in full]
    assert len(tries) <= 5  # with growing waits, and the ones behind the first wait for it
    full.clear()
    await rig.told(20)
    order = [one.sms_id for one in rig.news if isinstance(one, SMSAccepted)][-5:]
    assert order == ["1", "5", "9", "13", "17"]
    await rig.stop()


@virtual
async def test_silence_repeats_the_same_octets_and_is_counted(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("a")).start()
    rig.smsc["a"].answers = [SILENCE, SILENCE, refused(0x64)]
    await rig.submit()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert len({pdu.short_message for _, _, pdu in rig.sent}) == 1
    [row] = await rig.rows(part)
    assert (row.attempts, row.unknowns) == (4, 2)
    await rig.stop()


def test_a_window_full_of_throttled_answers_halves_the_rate_once() -> None:
    pace = Pace(100.0)
    for number in range(50):
        pace.sent(number / 100)
    for _ in range(10):
        pace.throttled(0.6)
    assert pace.rate == 25.0  # half of what was reached
    pace.throttled(1.5)
    assert pace.rate == 25.0
    pace.throttled(1.7)
    assert pace.rate == 12.5


@virtual
async def test_a_throttled_account_slows_down_as_a_whole(tmp_path: Path) -> None:
    """40 a second get through, then the SMSC says 58: what follows keeps to 20 a second at first."""
    times: list[float] = []

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        while isinstance(pdu := await caller.next(), m.SubmitSM):
            times.append(asyncio.get_running_loop().time())
            status = 0x58 if len(times) == 40 else 0
            caller.send(m.SubmitSMResp(sequence=pdu.sequence, status=status, message_id=f"{len(times)}"))
        assert pdu is not None
        caller.send(m.UnbindResp(sequence=pdu.sequence))

    async with ScriptedSMSC(script) as smsc:
        rig = real(tmp_path, smsc, window=1)
        await rig.start()
        while not rig.role.ready:
            await asyncio.sleep(0.1)
        for number in range(60):
            await rig.submit(sms_id=str(number), to=str(447_700_900_000 + number))
        assert len(await rig.told(60)) == 60
        assert times[39] - times[0] < 0.1
        assert times[59] - times[39] > 19 / 24  # 20 a second, a tenth more after each second
        await rig.stop()


@virtual
async def test_what_waits_for_its_turn_leaves_with_the_time_that_it_has_left_or_not_at_all(tmp_path: Path) -> None:
    """One a second: a message valid for 5 s must not leave after 8, nor after 3 with a validity of 5."""
    left: list[tuple[float, str]] = []

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        while isinstance(pdu := await caller.next(), m.SubmitSM):
            left.append((asyncio.get_running_loop().time(), pdu.validity_period))
            caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id=f"{len(left)}"))
        assert pdu is not None
        caller.send(m.UnbindResp(sequence=pdu.sequence))

    async with ScriptedSMSC(script) as smsc:
        rig = real(tmp_path, smsc, max_rate=1)
        await rig.start()
        while not rig.role.ready:
            await asyncio.sleep(0.1)
        since = asyncio.get_running_loop().time()
        for number in range(9):
            await rig.submit(sms_id=str(number), to=str(447_700_900_000 + number), validity=5)
        news = await rig.told(9)
        assert all(at - since < 5 for at, _ in left)
        assert all(abs(int(validity[10:12]) - (since + 5 - at)) <= 1 for at, validity in left)
        late = [one for one in news if isinstance(one, SMSRejected)]
        assert len(late) == 9 - len(left) >= 3
        assert all(one.nothing_sent and not one.permanent for one in late)
        await rig.stop()
