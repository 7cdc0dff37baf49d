"""Who may say what to whom: the only ways between roles, for every bus that carries them between processes.

A message or call on a way that is not here is refused by its sender, by the broker and by its receiver.
"""

from __future__ import annotations

from ferryman.contracts import es1, es2, es3, es4, es5, es7, events, v4
from ferryman.contracts.message import Body
from ferryman.contracts.peers import PeersKnown
from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    OPERATOR,
    REST_API,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_HTTPS,
    TRANSPORT_SMS,
)

ROLES = (SM_DP, SM_SR, CRYPTO_SERVER, TRANSPORT_SMS, TRANSPORT_HTTPS, SOAP_GATEWAY, REST_API)


def _names(kinds: tuple[type[Body], ...]) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in kinds)


# (sender, receiver) -> the messages it may send (their tags on the wire).
MESSAGES: dict[tuple[str, str], frozenset[str]] = {
    (SM_DP, SM_SR): _names((*es3.REQUESTS, *v4.ES3_REQUESTS)),
    (SM_SR, SM_DP): _names((*es3.RESPONSES, *es3.NOTIFICATIONS, *v4.ES3_RESPONSES)),
    (SM_SR, TRANSPORT_SMS): _names(es5.TO_SMS),
    (SM_SR, TRANSPORT_HTTPS): _names(es5.TO_HTTPS),
    (TRANSPORT_SMS, SM_SR): _names(es5.FROM_SMS),
    (TRANSPORT_HTTPS, SM_SR): _names(es5.FROM_HTTPS),
    # What other parties ask of us and answer us, and what we answer, ask and tell them.
    (SOAP_GATEWAY, SM_SR): _names(
        (*es1.REQUESTS, *es3.REQUESTS, *es4.REQUESTS, *es7.REQUESTS, *es7.RESPONSES, *v4.TO_SM_SR, PeersKnown)
    ),
    (SM_SR, SOAP_GATEWAY): _names(
        (
            *(*es1.RESPONSES, *es3.RESPONSES, *es4.RESPONSES, *es7.RESPONSES),
            *(*es3.NOTIFICATIONS, *es4.NOTIFICATIONS, *es7.REQUESTS, *v4.FROM_SM_SR, *v4.TOLD),
            *v4.ES3_NOTIFICATIONS,
        )
    ),
    (SOAP_GATEWAY, SM_DP): _names(
        (*es2.REQUESTS, *es3.RESPONSES, *es3.NOTIFICATIONS, *v4.TO_SM_DP, *v4.ES3_RESPONSES, *v4.ES3_NOTIFICATIONS)
    ),
    (SM_DP, SOAP_GATEWAY): _names(
        (
            *es2.RESPONSES,
            *es2.NOTIFICATIONS,
            *es3.REQUESTS,
            *v4.FROM_SM_DP,
            *v4.ES3_REQUESTS,
            *v4.ES2_NOTIFICATIONS,
        )
    ),
    (SM_SR, REST_API): _names(events.TO_REST_API),
    (SM_DP, REST_API): _names(events.TO_REST_API),
}

# Server -> roles that may call it at all; which question each may ask is the server's own table. The REST API has
# keys stored by the CryptoServer, and none used.
CALLERS: dict[str, frozenset[str]] = {
    CRYPTO_SERVER: frozenset(
        {OPERATOR, SM_SR, SM_DP, TRANSPORT_HTTPS, REST_API}
    ),  # REST_API: to store, not to use
    SM_SR: frozenset({OPERATOR, SOAP_GATEWAY, REST_API}),
    SM_DP: frozenset({OPERATOR, REST_API}),
    SOAP_GATEWAY: frozenset({OPERATOR, REST_API}),
    REST_API: frozenset({OPERATOR}),
}


def peers(role: str) -> frozenset[str]:
    """Everybody `role` exchanges messages or calls with."""
    found = {end for way in MESSAGES if role in way for end in way}
    found |= {server for server, callers in CALLERS.items() if role in callers}
    return frozenset(found | CALLERS.get(role, frozenset())) - {role}
