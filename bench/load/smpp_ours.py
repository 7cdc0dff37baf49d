"""The product's SMPP engine as a client of the SMSC under load: PORT WINDOW COUNT; prints submit_sm a second."""

from __future__ import annotations

import asyncio
import random
import sys
import time

from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.receipt import Receipt
from ferryman.transport_sms.esme import ESME, OutcomeKind
from ferryman.transport_sms.settings import SMPPSettings

MESSAGE = bytes(range(140))


async def main(port: int, window: int, count: int) -> None:
    """As many workers as the window is wide, each waiting for its answer before it sends again."""
    settings = SMPPSettings(
        host="127.0.0.1",
        port=port,
        system_id="bench",
        password="bench",  # noqa: S106 - of an SMSC that asks for none
        window=window,
        source_addr="12345",
        registered_delivery=0,
    )

    async def on_deliver(_pdu: DeliverSM) -> int:
        return 0

    async def on_receipt(_receipt: Receipt) -> int:
        return 0

    esme = ESME(settings, on_deliver=on_deliver, on_receipt=on_receipt, entropy=random.Random(1))  # noqa: S311
    await esme.start()
    await esme.bound.wait()
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            outcome = await esme.submit(settings.submit(f"4915{number:08d}", MESSAGE, last=True))
            if outcome.kind is not OutcomeKind.ACCEPTED:
                raise RuntimeError(outcome.reason)

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(window)))
    rate = count / (time.perf_counter() - begun)
    await esme.stop()
    sys.stdout.write(f"{rate}\n")


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:4])))
