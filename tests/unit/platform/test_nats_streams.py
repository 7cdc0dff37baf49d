"""What the provisioner leaves as it is when it is run again."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from ferryman.platform import nats_streams
from ferryman.platform.nats_layout import STREAM_BYTES
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
