"""Holds of orders: an order waits until the Operator's own system (HLR, UDM, billing) has answered.

No standard speaks of it. The system is asked by an HTTP hook, or nobody is asked and somebody releases the order.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body

BEFORE_DOWNLOAD, AFTER_ENABLE = "before-download", "after-enable"
HOLDS = (BEFORE_DOWNLOAD, AFTER_ENABLE)
KEEP_ENABLED, DISABLE, DELETE = "keep", "disable", "delete"
UNDO = (KEEP_ENABLED, DISABLE, DELETE)


class SetHook(Body, frozen=True, kw_only=True, tag=True):
    """Where and how orders of `owner` hold; `profile_type` empty: those of every type without a hook of its own.

    `url` empty: nobody is asked, the orders wait for a release. `key` names the key under which the calls are
    signed (CryptoServer). `limit` in seconds; what follows it, or a refusal, behind the enabling is `undo`: keep
    the profile enabled and raise an alarm, disable it, or disable and delete it. `confined`: a tenant names the
    address, so it may be public alone, or in `sm_dp.hook_networks`; whatever comes over the REST API is.
    """

    owner: str
    profile_type: str = ""
    url: str = ""
    key: str = ""
    holds: tuple[str, ...] = HOLDS
    limit: float = 3_600.0
    undo: str = DISABLE
    confined: bool = False


class RemoveHook(Body, frozen=True, kw_only=True, tag=True):
    """Orders hold no more; those that hold now go on doing so, and nobody is asked about them any more."""

    owner: str
    profile_type: str = ""


class ListHooks(Body, frozen=True, kw_only=True, tag=True):
    """The hooks of an owner."""

    owner: str


class HookView(msgspec.Struct, frozen=True, kw_only=True):
    """A hook, how many of its calls are open, and the last answer that was none."""

    profile_type: str
    url: str
    key: str
    holds: tuple[str, ...]
    limit: float
    undo: str
    open_calls: int = 0
    trouble: str = ""


class HookPage(Body, frozen=True, kw_only=True, tag=True):
    """Hooks by profile type."""

    hooks: tuple[HookView, ...]


class ReleaseOrder(Body, frozen=True, kw_only=True, tag=True):
    """The order may go on. `hold` names the hold that is meant; empty: the one in which the order is."""

    owner: str
    order_id: str
    hold: str = ""


class RefuseOrder(Body, frozen=True, kw_only=True, tag=True):
    """The order must not go on: it ends, and behind the enabling what the hook says is done."""

    owner: str
    order_id: str
    hold: str = ""
    reason: str = ""


class HoldVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a held order is told, by the hook's answer or by a person; `by` names who said so."""

    hold: str
    go: bool
    reason: str = ""
    by: str = ""


REQUESTS: tuple[type[Body], ...] = (SetHook, RemoveHook, ListHooks, ReleaseOrder, RefuseOrder)
ANSWERS: tuple[type[Body], ...] = (HookPage,)
