"""`ferryman parked`: what was set aside in an outbox, at the broker and by the SMS transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from structlog.testing import capture_logs

from cli_run import Said, ferryman, one_sentence
from ferryman.cli.serve import serving
from ferryman.cli.settings import FILE, load
from ferryman.cli.up import running
from ferryman.cli.wiring import Installation
from ferryman.contracts.es3 import ES3GetEIS
from ferryman.contracts.message import Header, encode
from ferryman.contracts.roles import SM_DP, SM_SR, TRANSPORT_SMS
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.nats_bus import NatsBus
from ferryman.transport_sms import schema as sms_schema
from nats_server import NatsServer, find_server
from patience import until_async

EID = "89049032123456789012345678901203"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the platform logs meanwhile is not what a command says."""
    with capture_logs():
        yield


async def said(*words: object) -> Said:
    return await asyncio.to_thread(ferryman, "parked", *words)


async def parked(data: Path) -> list[dict[str, object]]:
    answer = await said("list", "--data", data, "--json")
    assert answer.code == 0, answer.err
    messages: list[dict[str, object]] = answer.json["messages"]
    return messages


def header(sender: str = SM_SR) -> Header:
    return Header(
        message_id=f"{sender}/poison", sender=sender, requester="x", function_call_id="x", deadline=4e9, eid=EID
    )


def mailbox_of(installation: Installation, role: str) -> Mailbox:
    [found] = [one for one in installation.mailboxes if one.role == role]
    return found


async def test_a_letter_is_shown_and_released_once_its_receiver_is_repaired(
    tmp_path: Path,
) -> None:
    async with running(load(tmp_path)) as (installation, _):
        assert await parked(tmp_path) == []
        assert "nothing is set aside" in (await said("list", "--data", tmp_path)).out
        # A request on the way of answers: the SM-DP does not understand it.
        await mailbox_of(installation, SM_SR).transact(lambda tx: tx.send(SM_DP, header(), ES3GetEIS(eid=EID)))

        async def there() -> bool:
            return bool(await parked(tmp_path))

        await until_async(there)
        [message] = await parked(tmp_path)
        number = message.pop("number")
        assert float(str(message.pop("since"))) > 1.7e9
        assert str(message.pop("reason")).startswith("PeerError")
        assert message == {"role": SM_SR, "place": "outbox", "sender": SM_SR, "dest": SM_DP, "eid": EID}
        shown = await said("list", "--data", tmp_path)
        assert EID in shown.out
        assert "PeerError" in shown.out

        taken: list[bytes] = []

        async def take(raw: bytes) -> None:
            taken.append(raw)

        installation.bus.register(SM_DP, take)
        done = await said("release", SM_SR, "outbox", number, "--data", tmp_path)
        assert done.code == 0
        assert "on its way" in done.out

        async def arrived() -> bool:
            return len(taken) == 1

        await until_async(arrived)
        assert await parked(tmp_path) == []
        for words, reason in (
            ((SM_SR, "outbox", number), "nothing of number"),
            (("console", "outbox", 1), "no outbox of console"),
            ((SM_SR, "broker", 1), "no broker of sm-sr"),
            ((TRANSPORT_SMS, "sms", 1), "no receiver"),
        ):
            refused = await said("release", *words, "--data", tmp_path)
            assert refused.code == 1
            assert reason in one_sentence(refused)


async def test_short_messages_that_nobody_understands_are_shown(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        '[smpp]\nhost = "127.0.0.1"\nport = 9\nsystem_id = "x"\npassword = "y"\nsource_addr = "1"\n'
    )
    async with running(load(tmp_path)) as (installation, _):
        row = {"digest": bytes(range(32)), "originator": "4477", "destination": "1", "esm_class": 0x40}
        row |= {"data_coding": 0xF6, "user_data": b"\xff", "reason": "UDHL: too long", "times": 1, "first": 1.7e9}
        await mailbox_of(installation, TRANSPORT_SMS).store.write(
            lambda c: c.execute(insert(sms_schema.mo_poison).values(row)).rowcount
        )
        [message] = await parked(tmp_path)
        assert (message["place"], message["reason"], message["number"]) == (
            "sms",
            "UDHL: too long",
            0x000102030405,
        )
        assert "4477" not in str(message)


async def test_nothing_runs(tmp_path: Path) -> None:
    answer = await said("list", "--data", tmp_path)
    assert answer.code == 1
    assert "a ferryman that runs on" in one_sentence(answer)


@pytest.mark.timeout(120)
async def test_the_brokers_parked_messages_of_a_service_of_its_own(tmp_path: Path) -> None:
    find_server()
    (tmp_path / "nats").mkdir()
    server = NatsServer(tmp_path / "nats")
    await server.start()
    data = tmp_path / "sm-dp"
    data.mkdir()
    (data / FILE).write_text(
        f'[bus]\nkind = "nats"\nurl = "{server.settings.url}"\ncredentials = "{server.credentials}"\n'
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(server.kill)
        await server.provision()
        await stack.enter_async_context(serving(load(data), frozenset({SM_DP}), asyncio.Event()))
        assert await parked(data) == []
        other = NatsBus(
            settings=server.settings, credential=server.made[SM_SR], clock=LoopClock(), entropy=system_entropy
        )
        await other.start()
        stack.push_async_callback(other.stop)
        await other.deliver(SM_DP, encode(header("crypto-server"), ES3GetEIS(eid=EID)))

        async def there() -> bool:
            return bool(await parked(data))

        await until_async(there)
        [message] = await parked(data)
        assert (message["role"], message["place"], message["sender"]) == (SM_DP, "broker", SM_SR)
        assert "speaks as" in str(message["reason"])
        refused = await said("release", SM_DP, "broker", message["number"], "--data", data)
        assert "still not taken" in one_sentence(refused)
        assert await parked(data) == [message]
        assert "nothing of number" in one_sentence(await said("release", SM_DP, "broker", 77, "--data", data))
