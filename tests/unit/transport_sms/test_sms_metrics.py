"""What the SMS module counts, for each account and in all."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.receipt import MessageState, Receipt, ReceiptText
from ferryman.platform.log import tell_about
from ferryman.platform.metrics import exposition
from sms_rig import CARD, EID, LONG, SILENCE, Rig, account, refused
from virtual_loop import virtual

THROTTLED, FULL = 0x58, 0x14


def page(rig: Rig) -> set[str]:
    return set(exposition(rig.role.samples()).splitlines())


@virtual
async def test_every_outcome_is_counted(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("a", window=7)).start()
    try:
        link = rig.smsc["a"]
        link.answers = [refused(THROTTLED), refused(FULL), SILENCE]
        await rig.submit(LONG)
        await rig.told()
        deliver = DeliverSM(
            source_addr=CARD, destination_addr="1", esm_class=0x40, short_message=bytes.fromhex("027100") + b"x"
        )
        await link.on_deliver(deliver)
        await link.on_deliver(DeliverSM(source_addr=CARD, destination_addr="1", short_message=b"hello"))
        for state in (MessageState.DELIVERED, MessageState.UNDELIVERABLE, None):
            await link.on_receipt(Receipt("id-3", state, CARD, "1", False, None, ReceiptText()))
        link.malformed = 4
        link.on_refused(0x0E)
        shown = page(rig)
        for line in (
            "ferryman_sms_packets_total 1",
            "ferryman_sms_mo_total 2",
            'ferryman_sms_receipts_total{state="delivered"} 1',
            'ferryman_sms_receipts_total{state="undeliverable"} 1',
            'ferryman_sms_receipts_total{state="none"} 1',
            'ferryman_smpp_submits_total{account="a",outcome="accepted"} 3',
            'ferryman_smpp_submits_total{account="a",outcome="throttled"} 1',
            'ferryman_smpp_submits_total{account="a",outcome="rejected"} 1',
            'ferryman_smpp_submits_total{account="a",outcome="unknown"} 1',
            'ferryman_smpp_binds_total{account="a",outcome="refused"} 1',
            'ferryman_smpp_links{account="a",state="wanted"} 1',
            'ferryman_smpp_links{account="a",state="bound"} 1',
            'ferryman_smpp_window{account="a",kind="size"} 7',
            'ferryman_smpp_window{account="a",kind="taken"} 0',
            'ferryman_smpp_malformed_total{account="a"} 4',
        ):
            assert line in shown, (line, shown)
        assert not any(CARD in line for line in shown)
        link.bound.clear()
        assert 'ferryman_smpp_links{account="a",state="bound"} 0' in page(rig)
    finally:
        await rig.stop()


@virtual
async def test_lines_of_the_log_carry_operation_and_eid(tmp_path: Path) -> None:
    with capture_logs(processors=[tell_about]) as logs:
        rig = await Rig(tmp_path, account("a")).start()
        rig.smsc["a"].answers = [refused(FULL)]
        await rig.submit()
        await rig.told()
        await rig.stop()
    [line] = [line for line in logs if line["event"] == "part refused for now"]
    assert (line["operation"], line["eid"], line["sms_id"]) == ("SubmitSMS", EID, "1")
