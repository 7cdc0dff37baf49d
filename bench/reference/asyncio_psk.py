"""A bare TLS-PSK server of the standard library: `asyncio` with `ssl=`, the key looked up in the callback."""

from __future__ import annotations

import asyncio
import ssl
import sys

from bench.load.psk_keys import SUITE, open_keys


class Quiet(asyncio.Protocol):
    """Accepts and says nothing; the connection ends when the peer ends it."""


def context(keys_path: str) -> ssl.SSLContext:
    """TLS 1.2 with one PSK suite, no tickets."""
    keys = open_keys(keys_path)

    def key_of(identity: str | None) -> bytes:
        row = keys.execute("SELECT key FROM psk WHERE identity = ?", (identity,)).fetchone()
        return b"" if row is None else row[0]

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(SUITE)
    made.options |= ssl.OP_NO_TICKET
    made.set_psk_server_callback(key_of)
    return made


async def main(keys_path: str) -> None:
    """Listen, print the port, serve until killed."""
    server = await asyncio.get_running_loop().create_server(
        Quiet, "127.0.0.1", 0, ssl=context(keys_path), backlog=512
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
