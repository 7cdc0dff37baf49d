"""Makes the streams and consumers of an installation; running it again changes nothing that is right already."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from ferryman.platform import nats_layout as layout
from ferryman.platform.nats_link import NatsLink


async def make_streams(link: NatsLink) -> int:
    """Make what is missing; the number of streams. Raises Unavailable."""
    made = 0
    for sender, dest in layout.ways():
        await link.use(partial(_make_way, sender=sender, dest=dest))
        made += 1
    for dest in layout.receivers():
        await link.use(partial(_stream, config=_parked(dest)))
        made += 1
    return made


async def _make_way(js: JetStreamContext, sender: str, dest: str) -> None:
    await _stream(js, _way(sender, dest))
    name = layout.stream_name(sender, dest)
    await asyncio.gather(
        *(js.add_consumer(name, config=_consumer(sender, dest, lane)) for lane in range(layout.LANES))
    )


async def _stream(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        found = await js.stream_info(config.name or "")
    except NotFoundError:
        await js.add_stream(config)
    else:
        # How many copies a cluster keeps is its operator's decision.
        await js.update_stream(replace(config, num_replicas=found.config.num_replicas))


def _way(sender: str, dest: str) -> StreamConfig:
    return StreamConfig(
        name=layout.stream_name(sender, dest),
        subjects=[layout.message_subject(sender, dest, "*")],
        retention=RetentionPolicy.WORK_QUEUE,  # a message is gone when its receiver has committed it
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,  # a full stream refuses; nothing that was accepted is thrown away
        max_bytes=layout.STREAM_BYTES,
        max_msg_size=layout.MAX_PAYLOAD,
        duplicate_window=layout.DUPLICATES,
        num_replicas=1,
    )


def _parked(dest: str) -> StreamConfig:
    return StreamConfig(
        name=layout.parked_stream(dest),
        subjects=[layout.parked_subject(dest)],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=layout.PARKED_BYTES,
        max_msg_size=layout.MAX_PAYLOAD,
        duplicate_window=layout.DUPLICATES,
        num_replicas=1,
    )


def _consumer(sender: str, dest: str, lane: int) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=layout.consumer_name(lane),
        filter_subject=layout.message_subject(sender, dest, lane),
        deliver_subject=layout.delivery_subject(dest, sender, lane),
        deliver_group=dest,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=layout.ACK_WAIT,
        max_ack_pending=1,  # the next of a lane waits for this one, also while it waits to be tried again
        max_deliver=-1,
    )
