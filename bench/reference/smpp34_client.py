"""smpp34 (PyPI) as a client of the SMSC under load: PORT WINDOW COUNT; prints submit_sm a second.

Runs in a virtual environment of its own, which knows nothing of the product. Sends what `load/smpp_ours.py` sends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import smpp34

MESSAGE = bytes(range(140))


async def main(port: int, window: int, count: int) -> None:
    """As many workers as the window is wide, each waiting for its answer before it sends again."""
    client = smpp34.Client("127.0.0.1", port, "bench", "bench", window_size=window)
    smsc = await client.connect()
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            answer = await smsc.submit_sm(
                f"4915{number:08d}",
                MESSAGE,
                source_addr="12345",
                source_addr_ton=1,
                source_addr_npi=1,
                dest_addr_ton=1,
                dest_addr_npi=1,
                esm_class=0x40,
                protocol_id=0x7F,
                data_coding=0xF6,
            )
            if not answer.is_success:
                raise RuntimeError(f"status {answer.command_status}")

    begun = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(window)])
    rate = count / (time.perf_counter() - begun)
    await client.stop()
    sys.stdout.write(f"{rate}\n")
    sys.stdout.flush()
    os._exit(0)  # smpp34 1.5.0 now and then breaks down while the interpreter ends


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:4])))
