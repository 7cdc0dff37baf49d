"""An answer of the card that never arrives, for each class of command, on both bearers (SGP.02 3.1.4, 3.2)."""

from __future__ import annotations

import pytest

from e2e import checks
from e2e.bench import bench
from ferryman.contracts.status import Status
from ferryman_sim.card import scp03
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


@pytest.mark.parametrize(
    "command",
    [
        "CreateISDP",
        "StoreCertificate",
        "EstablishKeySet",
        "SCP03t InitializeUpdate",
        "SCP03t Segment",
        "EnableProfile",
        "HandleNotificationConfirmation",
    ],
)
@BOTH
@virtual
async def test_lost_answer(transport: str, command: str) -> None:
    async with bench(transport) as b:
        struck = b.lose_answer_of(command)
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert struck, "the fault struck"
        assert status.status is Status.SUCCESS, status
        assert len(checks.effects(b, b.eid, "CreateISDP")) == 1
        assert len(checks.effects(b, b.eid, "EnableProfile")) == 1
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.iccid == view.iccid


@BOTH
@virtual
async def test_lost_answer_to_the_last_segment_is_settled_by_an_audit(transport: str) -> None:
    """The card is asked, not loaded again: EXECUTED_WITHWARNING, for the report on the elements is lost."""
    async with bench(transport) as b:
        struck: list[str] = []

        def hook(_names: list[str]) -> None:
            log = b.device().card.log
            if not struck and log and log[-1]["sw"].startswith("installed"):
                struck.append("last")
                b.device().card.faults["lost_answer"] = 1

        b.on_script(hook)
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert struck
        assert (status.status, status.code) == (Status.WARNING, "1.6/5.4")
        assert [step.name for step in view.steps].count("AuditEIS") == 1
        assert b.log().count("GetData FF21") == 1, "of an audit, and of nothing else"
        assert len(checks.effects(b, b.eid, "SCP03t Segment")) == 2, "nothing was loaded again"
        card = await checks.eis(b, b.eid)
        assert card.remaining_memory == b.device().card._core.state.free_nvm()


@BOTH
@virtual
async def test_lost_answer_to_the_clean_up(transport: str) -> None:
    """DeleteProfile of a failed download: asked for, and gone from card and EIS alike (SGP.02 3.1.4)."""
    async with bench(transport) as b:
        await b.fault(wrong_receipt=1)
        struck = b.lose_answer_of("DeleteProfile")
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert struck
        assert status.status is Status.FAILED
        assert len(checks.effects(b, b.eid, "DeleteProfile")) == 1
        assert len((await checks.eis(b, b.eid)).profiles) == 1


@BOTH
@virtual
async def test_answers_lost_more_often_than_they_are_asked_for(transport: str) -> None:
    """Whatever is lost for good, the order ends and nothing is left half-done."""
    async with bench(transport) as b:
        b.lose_answer_of("EstablishKeySet", times=10)
        view, status = await b.run_order(validity=3600.0)
        await checks.everything(b, view)
        assert status.status is Status.FAILED
        assert status.code == "1.6/5.4"
        assert len((await checks.eis(b, b.eid)).profiles) == 1


@BOTH
@virtual
async def test_a_stale_counter_is_read_again_and_the_package_begun_anew(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind our INITIALIZE UPDATE the card opens sessions for somebody else: 9F45 02, then a session of ours."""
    initialize = scp03.initialize
    opened: list[int] = []

    def disturbed(
        enc: bytes, mac: bytes, kvn: int, sequence: int, aid: bytes, challenge: bytes
    ) -> tuple[scp03.Session, bytes]:
        session, answer = initialize(enc, mac, kvn, sequence, aid, challenge)
        opened.append(sequence)
        if len(opened) == 1:
            # The answer is ours; the session that is open now is the third one behind it.
            session, _ = initialize(enc, mac, kvn, sequence + 3, aid, bytes(8))
        return session, answer

    monkeypatch.setattr(scp03, "initialize", disturbed)
    async with bench(transport) as b:
        _, status = await b.run_order()
        assert status.status is Status.SUCCESS, b.log()
        log = [(entry["command"], entry["sw"]) for entry in b.device().card.log if "SCP03t" in entry["command"]]
        names = [command.split()[1] for command, _ in log]
        assert names[:4] == ["InitializeUpdate", "ExternalAuthenticate"] * 2
        assert "9F45" in log[1][1], log
        assert opened == [1, 2], "the counter of the second session is the one that was read"
        assert names.count("Segment") >= 2
