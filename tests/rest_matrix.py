"""Who may do what over the REST API, as agreed: written down apart from the program's own table."""

from __future__ import annotations

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.endpoint import Endpoint

# A admin, K key custodian, O operator, R auditor, D device maker, M M2M service provider.
LETTERS = dict(zip("AKORDM", KeyRole, strict=True))
EVERYBODY = "AKORDM"
AGREED = {
    "euiccs": {"GET": "AORDM", "POST": "AORDM"},
    "orders": {"GET": "AOR", "POST": "AO"},
    "profile-types": {"GET": "AOR", "PUT": "AO"},
    "operations": {"GET": "AORM", "POST": "AOM"},
    "queue": {"GET": "AORM", "POST": "AOM"},
    "es2-calls": {"GET": "AORM", "POST": "AOM"},
    "campaigns": {"GET": "AOR", "POST": "AO"},
    "batches": {"GET": "AOR", "POST": "AO"},
    "scripts": {"GET": "AOR", "POST": "A"},
    "looking": {"POST": "AOR"},  # without any effect
    "euicc-types": {"GET": "AORD", "PUT": "A"},
    "fleet": {"GET": "AOR", "PUT": "A", "POST": "A"},
    "peers": {"GET": "AOR", "POST": "A", "DELETE": "A"},
    "audit": {"GET": "AOR"},
    "statistics": {"GET": "AOR"},
    "alarms": {"GET": "AOR"},
    "templates": {"POST": "AO"},
    "users": {"GET": "AR", "POST": "A"},
    "api-keys": {"GET": "AR", "POST": "A", "DELETE": "A"},
    "approvals": {"GET": "AKOR", "POST": "AKO"},
    "imports": {"GET": "AKOR", "POST": "AK", "DELETE": "AK"},
    "uploads": {"GET": "AKOR", "POST": "AK"},
    "ranges": {"POST": "AK"},
    "keys": {"GET": "AK"},  # of subscriptions, encrypted
    "envelopes": {"POST": "AK"},
    "transport-keys": {"PUT": "AK"},
    "openpgp-keys": {"GET": "AKOR", "POST": "AK", "PUT": "AK"},
    "signing-keys": {"PUT": "AK"},
    "certificates": {"GET": "AKOR", "PUT": "AK"},
    "revocation-lists": {"PUT": "AK"},
    "raw-scripts": {"POST": "AO"},
    "master-deletes": {"POST": "AO"},
    "delete-tokens": {"POST": "AO"},
    "events": {"GET": "AORM"},
    "order-hooks": {"GET": "AOR", "PUT": "AO", "DELETE": "AO"},
    "hook-keys": {"POST": "AO", "PUT": "AO"},
    "webhooks": {"GET": "AOR", "POST": "AO", "DELETE": "AO"},
    "session": {"GET": EVERYBODY, "POST": EVERYBODY, "DELETE": EVERYBODY},
}
PLATFORM = {  # of the platform's own staff alone
    *("scripts", "euicc-types", "fleet", "peers"),
    *("transport-keys", "signing-keys", "certificates", "revocation-lists"),
}
BOTH = {
    "audit",
    "statistics",
    "alarms",
    "users",
    "api-keys",
    "approvals",
    "session",
}  # of tenants and of the staff


def area(path: str) -> str:
    words = path.strip("/").split("/")
    inner = ("operations", "queue", "raw-scripts", "master-deletes", "delete-tokens", "keys", "envelopes")
    return next((word for word in inner if word in words), words[0])


def allowed(role: KeyRole, tenant: str, endpoint: Endpoint) -> bool:
    what = area(endpoint.path)
    looks = endpoint.path in ("/scripts/check", "/scripts/try", "/campaigns/count")
    if role not in {LETTERS[letter] for letter in AGREED["looking" if looks else what][endpoint.method]}:
        return False
    if what == "openpgp-keys":  # ours is shown to tenants, too
        return endpoint.method == "GET" or not tenant
    return what in BOTH or (what in PLATFORM) == (not tenant)
