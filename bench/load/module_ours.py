"""The product's SMS module with its durable queue: PORT COUNT FOLDER; prints when it began, then ends."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from sqlalchemy import create_engine

from ferryman.contracts.es5 import SubmitSMS
from ferryman.contracts.message import Header, encode
from ferryman.contracts.roles import SM_SR, TRANSPORT_SMS
from ferryman.platform import loop
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.transport_sms import schema
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.settings import SMPPSettings

PACKET = bytes(range(110))
IN_FLIGHT = 256
WINDOW = 100


async def main(port: int, count: int, folder: Path) -> None:
    """Hand every packet to the module and wait until the SM-SR has heard of every acceptance."""
    path = folder / f"module-{time.monotonic_ns()}.db"
    made = create_engine(f"sqlite:///{path}")
    schema.METADATA.create_all(made)
    made.dispose()
    store, bus, clock = SQLiteStore(str(path)), InProcessBus(), LoopClock()
    told, everything = 0, asyncio.Event()

    async def sm_sr(_raw: bytes) -> None:
        nonlocal told
        told += 1
        if told == count:
            everything.set()

    bus.register(SM_SR, sm_sr)
    settings = SMPPSettings(
        host="127.0.0.1",
        port=port,
        system_id="bench",
        password="bench",  # noqa: S106 - of an SMSC that asks for none
        window=WINDOW,
        source_addr="12345",
        registered_delivery=0,
    )
    mailbox = Mailbox(role=TRANSPORT_SMS, store=store, tables=schema.PLATFORM, bus=bus, clock=clock)
    module = TransportSMS(mailbox=mailbox, settings=settings, clock=clock, entropy=os.urandom)
    await module.start()
    while not module.ready:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    left = iter(range(count))

    async def hand_over() -> None:
        for number in left:
            name = f"sms-{number}"
            body = SubmitSMS(sms_id=name, destination=f"4915{number:08d}", packet=PACKET, validity=3600.0)
            head = Header(
                message_id=f"sm-sr/{name}",
                sender=SM_SR,
                requester="operator",
                function_call_id=name,
                deadline=clock.now() + 3600,
                eid=f"890490320000000000000000{number:08d}",
            )
            await module.receive(encode(head, body))

    sys.stdout.write(f"{time.perf_counter()}\n")
    sys.stdout.flush()
    await asyncio.gather(*[hand_over() for _ in range(IN_FLIGHT)])
    await everything.wait()
    await module.stop()
    await store.close()


if __name__ == "__main__":
    loop.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
