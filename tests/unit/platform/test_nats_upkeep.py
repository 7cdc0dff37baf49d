"""What stays when the provisioner runs again, and when a connection that seems to be up is made anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from ferryman.errors import Unavailable
from ferryman.platform import nats_streams
from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.clock import system_entropy
from ferryman.platform.nats_credentials import make
from ferryman.platform.nats_layout import STREAM_BYTES
from ferryman.platform.nats_link import NatsLink
from virtual_loop import virtual


class Broker:
    """JetStream with one stream at most."""

    def __init__(self) -> None:
        self.config: StreamConfig | None = None

    async def stream_info(self, _name: str) -> Any:
        if self.config is None:
            raise NotFoundError
        return SimpleNamespace(config=self.config)

    async def add_stream(self, config: StreamConfig) -> None:
        self.config = config

    update_stream = add_stream


@virtual
async def test_copies_that_an_operator_asked_for_stay() -> None:
    """In a cluster `num_replicas` is the operator's business; everything else is ours and is put right."""
    broker: Any = Broker()
    wanted = nats_streams._way("sm-sr", "sm-dp")
    await nats_streams._stream(broker, wanted)
    assert broker.config == wanted
    broker.config = replace(wanted, num_replicas=3, max_bytes=1)
    await nats_streams._stream(broker, wanted)
    assert (broker.config.num_replicas, broker.config.max_bytes) == (3, STREAM_BYTES)


@virtual
async def test_a_broker_that_leaves_two_requests_in_a_row_unanswered_is_connected_to_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = NatsLink(BusSettings(kind="nats", url="nats://127.0.0.1:1"), make(tmp_path, system_entropy)["sm-sr"])
    monkeypatch.setattr(link._client, "jetstream", lambda **_: None)
    closed: list[object] = []

    async def close(client: object) -> None:
        closed.append(client)

    monkeypatch.setattr(link, "_close", close)
    link._connected.set()

    async def silence(_: object) -> None:
        await asyncio.sleep(1_000)

    async def answer(_: object) -> str:
        return "answer"

    async def nothing_there(_: object) -> None:
        raise NotFoundError

    async def ask(what: Any) -> None:
        with pytest.raises((Unavailable, NotFoundError)):
            await link.use(what)

    await ask(silence)
    assert await link.use(answer) == "answer"
    await ask(silence)
    await ask(nothing_there)  # which is an answer
    await ask(silence)
    assert link.is_up
    assert not closed
    await ask(silence)
    assert not link.is_up
    assert closed == [link._client]
