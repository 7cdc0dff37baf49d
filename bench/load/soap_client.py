"""A peer that asks the same over and over on kept connections, and leaves the last answer in a file."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path

CONNECTIONS = 8


async def _ask(port: int, context: ssl.SSLContext, octets: bytes, count: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
    body = b""
    for _ in range(count):
        writer.write(octets)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        body = await reader.readexactly(int(fields[b"Content-Length"]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode("latin-1"))
    writer.close()
    return body


async def _main(port: int, folder: Path, count: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(str(folder / "ours.pem"))
    context.load_cert_chain(folder / "peer.pem", folder / "peer.key")
    body = (folder / "request.xml").read_bytes()
    head = (
        "POST /es4 HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    octets = head.encode() + body
    each = count // CONNECTIONS
    answers = await asyncio.gather(*(_ask(port, context, octets, each) for _ in range(CONNECTIONS)))
    (folder / "answer.xml").write_bytes(answers[0])


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
