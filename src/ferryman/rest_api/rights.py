"""Who may do what over the REST API: one table, looked at before anything else of a request.

A right is the name of a scope. A requester has those of the role, less what own scopes leave out. Rights of
tenants are for people and keys of a tenant, those of the platform for its own staff, and a few are for both: each
then about his own.
"""

from __future__ import annotations

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.principal import Principal

OPEN = ""  # no right and no key: logging in
SELF = "self"  # whoever was let in, about himself

EUICC_READ, ORDER_READ, ORDER_WRITE = "euicc:read", "order:read", "order:write"
OPERATION_READ, OPERATION_WRITE = "operation:read", "operation:write"
QUEUE_READ, QUEUE_WRITE = "queue:read", "queue:write"
CAMPAIGN_READ, CAMPAIGN_WRITE = "campaign:read", "campaign:write"
SCRIPT_READ, SCRIPT_WRITE, TYPE_READ = "script:read", "script:write", "type:read"
USER_READ, USER_WRITE = "user:read", "user:write"
KEY_READ, KEY_WRITE = "api-key:read", "api-key:write"
STOCK_READ, STOCK_WRITE = "stock:read", "stock:write"
RAW_WRITE = "raw-script:write"
MASTER_DELETE_WRITE = "master-delete:write"  # against the policy of a profile: not every OPERATION_WRITE
TEMPLATE_WRITE = "template:write"
FLEET_READ, FLEET_WRITE = "fleet:read", "fleet:write"
PEER_READ, PEER_WRITE = "peer:read", "peer:write"
AUDIT_READ, STATISTICS_READ, ALARM_READ = "audit:read", "statistics:read", "alarm:read"
EVENT_READ, WEBHOOK_READ, WEBHOOK_WRITE = "event:read", "webhook:read", "webhook:write"
HOOK_READ, HOOK_WRITE = "hook:read", "hook:write"
APPROVAL_READ, APPROVAL_DECIDE = "approval:read", "approval:decide"
STOCK_EXPORT = "stock:export"  # keys of subscriptions, encrypted, for the HLR
AGREED_WRITE = "agreed-key:write"  # transport keys, OPs, OpenPGP keys
OPENPGP_READ = "openpgp:read"
TRUST_READ, TRUST_WRITE = "certificate:read", "certificate:write"

PLATFORM_SCOPES = frozenset(
    {
        *(SCRIPT_READ, SCRIPT_WRITE, TYPE_READ, FLEET_READ, FLEET_WRITE, PEER_READ, PEER_WRITE),
        *(AGREED_WRITE, TRUST_READ, TRUST_WRITE),
    }
)
SHARED_SCOPES = frozenset(
    {
        *(USER_READ, USER_WRITE, KEY_READ, KEY_WRITE, APPROVAL_READ, APPROVAL_DECIDE),
        *(AUDIT_READ, STATISTICS_READ, ALARM_READ, OPENPGP_READ),
    }
)
_READ = frozenset(
    {
        *(EUICC_READ, ORDER_READ, OPERATION_READ, QUEUE_READ, SCRIPT_READ, TYPE_READ),
        *(USER_READ, KEY_READ, STOCK_READ, APPROVAL_READ, CAMPAIGN_READ),
        *(FLEET_READ, PEER_READ, AUDIT_READ, STATISTICS_READ, ALARM_READ),
        *(EVENT_READ, WEBHOOK_READ, HOOK_READ, OPENPGP_READ, TRUST_READ),
    }
)
_WRITE = frozenset(
    {
        *(ORDER_WRITE, OPERATION_WRITE, QUEUE_WRITE, SCRIPT_WRITE, USER_WRITE, KEY_WRITE, STOCK_WRITE),
        *(TEMPLATE_WRITE, FLEET_WRITE, PEER_WRITE, WEBHOOK_WRITE, CAMPAIGN_WRITE, HOOK_WRITE),
        *(STOCK_EXPORT, AGREED_WRITE, TRUST_WRITE),
    }
)
_OF_ADMINS = frozenset(
    {
        *(SCRIPT_WRITE, USER_READ, USER_WRITE, KEY_READ, KEY_WRITE, STOCK_WRITE, FLEET_WRITE, PEER_WRITE),
        *(STOCK_EXPORT, AGREED_WRITE, TRUST_WRITE),
    }
)
SCOPES = _READ | _WRITE | {RAW_WRITE, MASTER_DELETE_WRITE, APPROVAL_DECIDE}

RIGHTS: dict[KeyRole, frozenset[str]] = {
    KeyRole.ADMIN: SCOPES,
    KeyRole.KEY_CUSTODIAN: frozenset(
        {
            *(STOCK_READ, STOCK_WRITE, STOCK_EXPORT, APPROVAL_READ, APPROVAL_DECIDE),
            *(AGREED_WRITE, OPENPGP_READ, TRUST_READ, TRUST_WRITE),
        }
    ),
    KeyRole.OPERATOR: SCOPES - _OF_ADMINS,
    KeyRole.AUDITOR: _READ,
    KeyRole.DEVICE_MAKER: frozenset({EUICC_READ, TYPE_READ}),
    KeyRole.M2M_SP: frozenset({EUICC_READ, OPERATION_READ, OPERATION_WRITE, QUEUE_READ, QUEUE_WRITE, EVENT_READ}),
}


def may(who: Principal, scope: str) -> bool:
    """Whether a requester who was let in has this right."""
    if scope in (OPEN, SELF):
        return True
    if scope not in SHARED_SCOPES and (scope in PLATFORM_SCOPES) == bool(who.tenant):
        return False
    return scope in RIGHTS[who.role] and (not who.scopes or scope in who.scopes)
