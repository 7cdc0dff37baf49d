"""A client of the REST API on kept connections; how long answers took, and the last one, are left in a file.

Arguments: port, folder, number of requests. The folder has `head` (request line and header fields) and `bodies`, a
line for each request, each with an Idempotency-Key of its own, or nothing for requests without a body.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from pathlib import Path

CONNECTIONS = 16


async def _ask(port: int, head: str, bodies: list[str], expected: bytes) -> tuple[list[float], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[float] = []
    content = b""
    for body in bodies:
        sent = body.encode()
        more = f"Idempotency-Key: {secrets.token_hex(16)}\r\nContent-Length: {len(sent)}\r\n" if sent else ""
        begun = time.perf_counter()
        writer.write(f"{head}{more}\r\n".encode() + sent)
        got = await reader.readuntil(b"\r\n\r\n")
        length = got.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        content = await reader.readexactly(int(length))
        took.append(time.perf_counter() - begun)
        if not got.startswith(b"HTTP/1.1 " + expected):
            raise RuntimeError((got + content).decode("latin-1"))
    writer.close()
    return took, content


async def _main(port: int, folder: Path, count: int) -> None:
    head = "".join(f"{line}\r\n" for line in (folder / "head").read_text().splitlines())
    bodies = (folder / "bodies").read_text().splitlines()
    expected = b"201" if bodies else b"200"
    bodies = bodies or [""] * count
    done = await asyncio.gather(*(_ask(port, head, bodies[n::CONNECTIONS], expected) for n in range(CONNECTIONS)))
    times = sorted(one for took, _ in done for one in took)
    found = {"p99": times[len(times) * 99 // 100], "p50": times[len(times) // 2], "body": done[0][1].decode()}
    (folder / "answer").write_text(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
