"""An entry as the row that is added (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferryman.contracts.message import encode_body
from ferryman.contracts.queue import EntryState, QueueItem
from ferryman.platform.clock import Entropy
from ferryman.sm_sr.queue.functions import request

NANO = 1_000_000_000  # arrivals are ordered by time in ns
ID_BYTES = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of one eUICC: `iccid` is the profile that is meant, `pulled`: it comes by itself."""

    owner: str
    eid: str
    item: QueueItem
    iccid: str
    pulled: bool
    key: str | None = None
    campaign: str | None = None


class RowMaker:
    """Makes rows that arrive one after another."""

    def __init__(self, entropy: Entropy, raw_requesters: tuple[str, ...]) -> None:
        self._entropy = entropy
        self._raw_requesters = raw_requesters
        self._last = 0

    def row(self, wish: Wish, now: float) -> dict[str, Any]:
        """The row of a new entry; raises Refused for a raw script of somebody who may not send one."""
        item = wish.item
        asked = request(item, wish.eid, wish.iccid, self._raw_requesters, wish.owner)
        self._last = max(self._last + 1, int(now * NANO))
        return {
            "id": self._entropy(ID_BYTES).hex(),
            "seq": self._last,
            "eid": wish.eid,
            "owner": wish.owner,
            "function": item.function,
            "iccid": wish.iccid,
            "request": encode_body(asked),
            "priority": item.priority,
            "not_before": item.not_before,
            "expires": max(now, item.not_before) + item.validity,
            "state": (EntryState.HELD if item.hold else EntryState.QUEUED).value,
            "reason": "",
            "result": "",
            "pulled": wish.pulled,
            "key": wish.key,
            "campaign": wish.campaign,
            "created": now,
            "updated": now,
        }
