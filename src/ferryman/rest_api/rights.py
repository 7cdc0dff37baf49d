"""Who may do what over the REST API: one table, looked at before anything else of a request.

A right is the name of a scope. A key has those of its role, less what its own scopes leave out. Rights of
tenants are for keys of a tenant, those of the platform for keys of its own staff: neither has the other's.
"""

from __future__ import annotations

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.principal import Principal

EUICC_READ, ORDER_READ, ORDER_WRITE = "euicc:read", "order:read", "order:write"
OPERATION_READ, OPERATION_WRITE = "operation:read", "operation:write"
QUEUE_READ, QUEUE_WRITE = "queue:read", "queue:write"
SCRIPT_READ, SCRIPT_WRITE, TYPE_READ = "script:read", "script:write", "type:read"

OPEN = ""  # no right and no key: logging in
SELF = "self"  # whoever was let in, about himself

PLATFORM_SCOPES = frozenset({SCRIPT_READ, SCRIPT_WRITE, TYPE_READ})
_READ = frozenset({EUICC_READ, ORDER_READ, OPERATION_READ, QUEUE_READ, SCRIPT_READ, TYPE_READ})
_ALL = _READ | {ORDER_WRITE, OPERATION_WRITE, QUEUE_WRITE, SCRIPT_WRITE}

RIGHTS: dict[KeyRole, frozenset[str]] = {
    KeyRole.ADMIN: _ALL,
    KeyRole.KEY_CUSTODIAN: frozenset(),  # keys are brought by the operator's tools, at the machine
    KeyRole.OPERATOR: _ALL - {SCRIPT_WRITE},
    KeyRole.AUDITOR: _READ,
    KeyRole.DEVICE_MAKER: frozenset({EUICC_READ, TYPE_READ}),
    KeyRole.M2M_SP: frozenset({EUICC_READ, OPERATION_READ, OPERATION_WRITE, QUEUE_READ, QUEUE_WRITE}),
}
SCOPES = _ALL


def may(who: Principal, scope: str) -> bool:
    """Whether a requester who was let in has this right."""
    if scope in (OPEN, SELF):
        return True
    if (scope in PLATFORM_SCOPES) == bool(who.tenant):
        return False
    return scope in RIGHTS[who.role] and (not who.scopes or scope in who.scopes)
