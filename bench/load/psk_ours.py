"""The product's TLS-PSK server in a process of its own, with the same key table as the reference."""

from __future__ import annotations

import asyncio
import itertools
import sys

from bench.load.psk_keys import open_keys
from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.platform import loop
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import HTTPSSettings, Session


async def main(keys_path: str) -> None:
    """Listen, print the port, serve until killed."""
    keys = open_keys(keys_path)
    numbers = itertools.count()

    def lookup(identity: bytes) -> bytes | None:
        row = keys.execute("SELECT key FROM psk WHERE identity = ?", (identity.decode(),)).fetchone()
        return None if row is None else row[0]

    async def handler(_session: Session, _request: AdminRequest) -> AdminResponse:
        return AdminResponse.end()

    server = PSKServer(
        HTTPSSettings("127.0.0.1", 0, idle_timeout=3600.0),
        lookup=lookup,
        handler=handler,
        new_session_id=lambda: str(next(numbers)),
    )
    await server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    loop.run(main(sys.argv[1]))
