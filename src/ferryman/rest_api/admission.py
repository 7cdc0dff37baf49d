"""Who asks, and may he now: what is looked at before anything else of a request."""

from __future__ import annotations

import ipaddress
import math

from ferryman.contracts import codes
from ferryman.contracts.rest import KeyRole
from ferryman.errors import Refused
from ferryman.platform.clock import Clock
from ferryman.rest_api import rights
from ferryman.rest_api.answers import No
from ferryman.rest_api.endpoint import Endpoint
from ferryman.rest_api.incoming import Incoming
from ferryman.rest_api.keys import KeyBook
from ferryman.rest_api.limits import RateLimit
from ferryman.rest_api.principal import ACCOUNT, Principal
from ferryman.rest_api.sessions import COOKIE, CSRF, SessionBook, is_csrf
from ferryman.rest_api.settings import RESTSettings

SAFE = ("GET", "HEAD", "OPTIONS")
NOBODY = Principal("nobody", "", "", KeyRole.AUDITOR, "")  # at a route that asks for no right
_CSRF = CSRF.lower().encode()
SITE_BITS = 64  # of an IPv6 address, behind the network of a site
MAX_ADDRESS = 64  # characters; an IPv6 address has at most 39


class Admission:
    """Lets requests in: by address, by key, by right."""

    def __init__(self, *, settings: RESTSettings, clock: Clock, keys: KeyBook, sessions: SessionBook) -> None:
        self._proxies = frozenset(settings.proxies)
        self._clock = clock
        self._keys = keys
        self._sessions = sessions
        self._logins = RateLimit(settings.login_rate, settings.login_burst)
        self._by_address = RateLimit(settings.rate_per_address, settings.burst_per_address)
        self._by_key = RateLimit(settings.rate_per_key, settings.burst_per_key)

    def address(self, http: Incoming) -> str:
        """The client's; behind a proxy of ours what that proxy says, which is the last that it added."""
        found = http.host
        if found in self._proxies:
            named = http.field(b"x-forwarded-for").rpartition(",")[2].strip()
            found = named[:MAX_ADDRESS] or found
        return found

    def meet(self, address: str) -> None:
        """Count a request of this address; raises No when there were too many."""
        self._within(self._by_address, place_of(address))

    async def admit(self, http: Incoming, endpoint: Endpoint, address: str) -> Principal:
        """Who asks, from the `address` that was found; raises No, or Refused when the right is missing."""
        self.meet(address)
        if endpoint.scope == rights.OPEN:
            self._within(self._logins, place_of(address))
            return NOBODY
        who = await self._who(http)
        self._within(self._by_key, who.actor)
        if who.must_change and endpoint.scope != rights.SELF:
            raise Refused(*codes.REQUESTER_NOT_ALLOWED, "change your password first (POST /session/password)")
        if not rights.may(who, endpoint.scope):
            raise Refused(*codes.REQUESTER_NOT_ALLOWED, f"the right {endpoint.scope} is needed for this")
        return who

    async def _who(self, http: Incoming) -> Principal:
        """By key, or by cookie; what changes something by cookie takes the token that only our pages know."""
        given = http.field(b"authorization")
        cookie = "" if given else http.cookies.get(COOKIE, "")
        if not cookie:
            scheme, _, token = given.partition(" ")
            who = await self._keys.holder(token.strip()) if scheme.lower() == "bearer" else None
        else:
            who = await self._sessions.holder(cookie)
        if who is None:
            raise No(401, "show a valid API key as Authorization: Bearer, or log in", WWW_Authenticate="Bearer")
        by_cookie = who.kind == ACCOUNT and http.method not in SAFE
        if by_cookie and not is_csrf(cookie, http.field(_CSRF)):
            raise No(403, f"{CSRF}: the token of this login is needed (GET /session tells it)")
        return who

    def _within(self, limit: RateLimit, name: str) -> None:
        wait = limit.wait(name, self._clock.now())
        if wait:
            raise No(429, "too many requests; wait a moment", Retry_After=str(math.ceil(wait)))


def place_of(address: str) -> str:
    """Whose bucket it is: of IPv6 the network of a site, which has 2^64 addresses to choose from (RFC 6177).

    Some proxies add a port, which makes nobody another.
    """
    if ":" not in address:
        return address
    host = address.partition(":")[0] if address.count(":") == 1 else address.lstrip("[").partition("]")[0]
    try:
        found = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(found) >> SITE_BITS << SITE_BITS))
