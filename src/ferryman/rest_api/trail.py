"""Who asked for what other roles carry out: they know the tenant, the trail here knows which key or person it was.

A record is written before the question goes out, with the name by which the other role knows what came of it: its
trail says what became of that, this one who began it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferryman.contracts.orders import order_id
from ferryman.platform.mailbox import Tx
from ferryman.rest_api import rights
from ferryman.rest_api.endpoint import Endpoint
from ferryman.rest_api.principal import Principal

ASKED = "asked"  # the outcome, as far as it is known here
ORDERING = "create_order"  # whose answer has a name of its own, made from the call's
MAX_OBJECT = 200  # characters, as the column
ELSEWHERE = frozenset(
    {
        *(rights.ORDER_WRITE, rights.OPERATION_WRITE, rights.MASTER_DELETE_WRITE, rights.QUEUE_WRITE),
        *(rights.CAMPAIGN_WRITE, rights.HOOK_WRITE, rights.TEMPLATE_WRITE, rights.STOCK_EXPORT),
        *(rights.SCRIPT_WRITE, rights.FLEET_WRITE, rights.PEER_WRITE, rights.AGREED_WRITE, rights.TRUST_WRITE),
    }
)


def is_carried_out_elsewhere(endpoint: Endpoint) -> bool:
    """Whether the trail of another role will say what came of a request, and not whose it was."""
    return endpoint.scope in ELSEWHERE


def record(
    endpoint: Endpoint, who: Principal, path: dict[str, str], body: object, call_id: str
) -> Callable[[Tx], None]:
    """What writes the record into a transaction."""
    values: dict[str, Any] = {
        "actor": who.actor,
        "action": endpoint.name,
        "eid": path.get("eid") or getattr(body, "eid", ""),
        "object": _object(endpoint, who, path, body, call_id)[:MAX_OBJECT],
        "outcome": ASKED,
        "detail": f"call {call_id}" if call_id else "",
    }
    return lambda tx: tx.audit(**values)


def _object(endpoint: Endpoint, who: Principal, path: dict[str, str], body: object, call_id: str) -> str:
    """What the path names beside a card; what is new has the name that it was given, or that of its call."""
    named = [value for name, value in path.items() if name != "eid"]
    if named:
        return named[-1]
    if endpoint.name == ORDERING:
        return order_id(who.party, call_id)
    name = getattr(body, "name", "") or getattr(body, "profile_type", "")
    return str(name or call_id)
