"""The HTTPS module as an operator runs it, with its database; beside it somebody who has no work for any card."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.load.psk_keys import identity_of, open_keys
from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, SM_SR, TRANSPORT_HTTPS
from ferryman.platform import loop
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.log import configure
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import SQLiteStore
from ferryman.transport_https import schema
from ferryman.transport_https.role import TransportHTTPS
from ferryman.transport_https.session import HTTPSSettings

ASKED: Codec[Body] = Codec(*es5.FROM_HTTPS)
KEYS: Codec[Body] = Codec(crypto.GetPSK)


async def main(keys_path: str, folder: str) -> None:
    """Listen, print the port, serve until killed."""
    keys, bus, clock = open_keys(keys_path), InProcessBus(), LoopClock()
    store = SQLiteStore(str(Path(folder) / "transport-https.db"), threaded=True)
    await upgrade(store, TRANSPORT_HTTPS)
    mailbox = Mailbox(role=TRANSPORT_HTTPS, store=store, tables=schema.PLATFORM, bus=bus, clock=clock)
    settings = HTTPSSettings("127.0.0.1", 0, idle_timeout=3600.0)
    module = TransportHTTPS(mailbox=mailbox, calls=bus, settings=settings, clock=clock, entropy=system_entropy)

    async def no_work(raw: bytes) -> None:
        header, body = decode(raw, ASKED)
        if isinstance(body, es5.HTTPSPosted):
            answer = es5.HTTPSAnswer(post_id=body.post_id, session_id=body.session_id)
            await module.receive(encode(_answer_to(header), answer))

    async def key(_caller: str, raw: bytes) -> bytes:
        header, body = decode(raw, KEYS)
        assert isinstance(body, crypto.GetPSK)
        row = keys.execute("SELECT key FROM psk WHERE identity = ?", (identity_of(body.eid),)).fetchone()
        return encode(header, crypto.PSK(key=row[0] if row is not None else b""))

    bus.register(SM_SR, no_work)
    bus.serve(CRYPTO_SERVER, key)
    await module.start()
    sys.stdout.write(f"{module.server.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def _answer_to(header: Header) -> Header:
    return Header(
        message_id=f"answer/{header.message_id}",
        sender=SM_SR,
        requester=SM_SR,
        function_call_id=header.function_call_id,
        deadline=header.deadline,
        eid=header.eid,
    )


if __name__ == "__main__":
    configure("error")
    loop.run(main(sys.argv[1], sys.argv[2]))
