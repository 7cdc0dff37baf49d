"""Single calls replayed with the recorded card: ES3.SendData with SCP03 (`s3-connectivity`), EnableProfile by SMS.

Free, and different: the Next-URI token; over SMS the recorded EnableProfile came in a template `AE` of definite
length and without Le, ours is `AA` with Le, as TS 102 226 has it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ferryman.codec import ota_script
from ferryman.codec.apdu import ResponseAPDU
from ferryman.contracts import es3, es5
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.roles import SM_SR
from ferryman.secure import scp03, scp80
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.records import ENABLED, EUICC, SRSettings
from recorded_card import (
    EID,
    INSTALLED_ICCID,
    MSISDN,
    REAL_ISDP,
    SCP80_KEY,
    SPI,
    START,
    Bench,
    H,
    RecordedCard,
    command_tlvs,
    one,
    real_card,
    recorded,
    same_but_signature,
    scp80_keys,
    without_le,
)
from virtual_loop import run

ISDP_TARGET = "//aid/A000000559/1010FFFFFFFF8900001300"
SMDP = DPSettings().smdp_id
LIMIT = 20_000.0  # virtual seconds


@dataclass
class Caller:
    """An SM-DP that calls the SM-SR and waits."""

    bench: Bench
    answers: list[Body]

    @classmethod
    def of(cls, bench: Bench) -> Caller:
        caller = cls(bench, [])
        bench.installation.bus.register("tester", caller._taken)
        return caller

    async def _taken(self, raw: bytes) -> None:
        self.answers.append(decode(raw, es3.RESPONSE_CODEC)[1])

    async def start(self, body: Body) -> None:
        name = f"call-{len(self.answers)}"
        header = Header(
            message_id=f"tester/{name}",
            sender="tester",
            requester=SMDP,
            function_call_id=name,
            deadline=START + 3600,
            eid=EID,
        )
        await self.bench.installation.bus.deliver(SM_SR, encode(header, body))

    async def answer(self, number: int) -> Body:
        while len(self.answers) <= number:
            await asyncio.sleep(0.05)
        return self.answers[number]

    async def apdu(self, apdu: bytes) -> ResponseAPDU:
        """One C-APDU to the ISD-P."""
        number = len(self.answers)
        await self.start(es3.ES3SendData(eid=EID, sd_aid=REAL_ISDP, data=ota_script.c_apdu(apdu), more_to_do=True))
        answer = await self.answer(number)
        assert isinstance(answer, es3.ES3SendDataResponse)
        assert answer.status.ok, answer.status
        (item,) = ota_script.parse_response_script(b"\xaf\x80" + answer.euicc_response + b"\0\0").tlvs
        return ResponseAPDU.parse(item.value)


def test_recorded_scp03_session_through_send_data(tmp_path: Path) -> None:
    """UpdateConnectivityParameters and PUT KEY: our secure channel, carried by ES3.SendData, octet for octet."""
    session = recorded("s3-connectivity")
    keys = one("scp03", "sgp02-trace-7")
    static = scp03.StaticKeys(H(keys["input"]["kenc"]), H(keys["input"]["kmac"]))
    host = H(keys["expected"]["host_challenge"])

    async def scenario() -> RecordedCard:
        card = RecordedCard([session])
        async with Bench(tmp_path, card, sm_sr=SRSettings(spi=SPI)) as bench:
            await bench.put_secrets(scp80_keys())
            await bench.register(real_card(installed=True))
            caller = Caller.of(bench)
            response = await caller.apdu(scp03.initialize_update(0, host))
            channel = scp03.SecureChannel.open(static, host_challenge=host, response=response.data, aid=REAL_ISDP)
            assert (await caller.apdu(channel.external_authenticate() + b"\x00")).sw == 0x9000
            for command in keys["expected"]["commands"]:
                answer = channel.unwrap(await caller.apdu(channel.wrap(H(command["plain"]) + b"\x00")))
                assert answer.sw == 0x9000
                assert answer.data.hex() == command["rsp_plain"]
        return card

    card = run(scenario(), limit=LIMIT)
    assert card.problems == []
    assert card.left == []
    assert [exchange.tlvs for exchange in card.exchanges] == list(session.commands)
    assert [exchange.script for exchange in card.exchanges] == [answer.body for answer in session.responses]
    targets = {exchange.http.get("X-Admin-Targeted-Application") for exchange in card.exchanges}
    assert targets == {ISDP_TARGET}


def test_recorded_enable_profile_over_sms(tmp_path: Path) -> None:
    """SPI 1601: the card's PoR has no security; its notification has the AID in tag 4F."""
    enable, confirm = (one("scp80_sms_command", name) for name in ("sgp02-trace-04a", "sgp02-trace-02a"))
    notification = H(one("scp81_http", "notification-tlv")["input"]["data"])
    counter = int(enable["input"]["cntr"], 16)

    def answer(submitted: es5.SubmitSMS) -> es5.SMSReceived:
        found = scp80.unwrap_command(SCP80_KEY, SCP80_KEY, submitted.packet)
        por = scp80.wrap_response(
            None, None, spi2=0x01, kic=0x12, kid=0x12, tar=found.tar, counter=found.counter, status=0,
            data=H("af80230290000000"),
        )  # fmt: skip
        return es5.SMSReceived(
            mo_id=f"mo-{found.counter}", originator=submitted.destination, kind=0x71, packet=por
        )

    async def scenario() -> tuple[RecordedCard, Body, EUICC]:
        card = RecordedCard([recorded("s3-connectivity")])
        card.on_sms = answer
        settings = SRSettings(spi=SPI, transport="sms")
        async with Bench(tmp_path, card, sm_sr=settings) as bench:
            await bench.put_secrets(scp80_keys())
            await bench.register(real_card(installed=True, scp80_counter=counter - 1))
            caller = Caller.of(bench)
            await caller.start(es3.ES3EnableProfile(eid=EID, iccid=INSTALLED_ICCID))
            await asyncio.sleep(5)
            packet = scp80.wrap_command(
                SCP80_KEY,
                SCP80_KEY,
                spi=H("1200"),
                kic=0x12,
                kid=0x12,
                tar=H("000001"),
                counter=1,
                data=notification,
            )
            arrived = es5.SMSReceived(mo_id="notification", originator=MSISDN, kind=0x70, packet=packet)
            await card.deliver("transport-sms", arrived)
            return card, await caller.answer(0), await bench.eis()

    card, answered, eis = run(scenario(), limit=LIMIT)
    assert isinstance(answered, es3.ES3EnableProfileResponse)
    assert answered.status.ok
    assert eis.enabled is not None
    assert (eis.enabled.aid, eis.enabled.state) == (REAL_ISDP, ENABLED)
    first, second = (scp80.unwrap_command(SCP80_KEY, SCP80_KEY, sent.packet) for sent in card.submissions)
    assert [sent.packet[3:5] for sent in card.submissions] == [H(SPI)] * 2
    # The packet of the recorded server with its own script, made by us, is the recorded packet.
    for vector, script in ((enable, H(enable["input"]["data"])), (confirm, second.data)):
        given = vector["input"]
        made = scp80.wrap_command(
            SCP80_KEY, SCP80_KEY, spi=H(SPI), kic=0x12, kid=0x12, tar=H(given["tar"]),
            counter=int(given["cntr"], 16), data=script,
        )  # fmt: skip
        assert made.hex() == vector["expected"]["packet"]
    assert first.counter == counter
    recorded_apdu = H(enable["input"]["data"])[2:]
    assert [without_le(item.raw) for item in command_tlvs(first.data)] == [recorded_apdu]
    assert second.data == H(confirm["input"]["data"])
    assert same_but_signature(command_tlvs(second.data)[0].raw, H(confirm["input"]["data"])[2:])
