"""Who asks, and may he now: what is looked at before anything else of a request."""

from __future__ import annotations

import math

from starlette.requests import HTTPConnection

from ferryman.contracts import codes
from ferryman.errors import Refused
from ferryman.platform.clock import Clock
from ferryman.rest_api.answers import No
from ferryman.rest_api.endpoint import Endpoint
from ferryman.rest_api.keys import KeyBook
from ferryman.rest_api.limits import RateLimit
from ferryman.rest_api.principal import Principal
from ferryman.rest_api.rights import may
from ferryman.rest_api.settings import RESTSettings

MAX_ADDRESS = 64  # characters; an IPv6 address has at most 39


class Admission:
    """Lets requests in: by address, by key, by right."""

    def __init__(self, *, settings: RESTSettings, clock: Clock, keys: KeyBook) -> None:
        self._proxies = frozenset(settings.proxies)
        self._clock = clock
        self._keys = keys
        self._by_address = RateLimit(settings.rate_per_address, settings.burst_per_address)
        self._by_key = RateLimit(settings.rate_per_key, settings.burst_per_key)

    def address(self, http: HTTPConnection) -> str:
        """The client's; behind a proxy of ours what that proxy says, which is the last that it added."""
        found = http.client.host if http.client is not None else ""
        if found in self._proxies:
            named = http.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
            found = named[:MAX_ADDRESS] or found
        return found

    async def admit(self, http: HTTPConnection, endpoint: Endpoint) -> Principal:
        """Who asks; raises No, or Refused when the right is missing."""
        self._within(self._by_address, self.address(http))
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        who = await self._keys.holder(token.strip()) if scheme.lower() == "bearer" else None
        if who is None:
            raise No(401, "show a valid API key as Authorization: Bearer", WWW_Authenticate="Bearer")
        self._within(self._by_key, who.actor)
        if not may(who, endpoint.scope):
            raise Refused(*codes.REQUESTER_NOT_ALLOWED, f"the right {endpoint.scope} is needed for this")
        return who

    def _within(self, limit: RateLimit, name: str) -> None:
        wait = limit.wait(name, self._clock.now())
        if wait:
            raise No(429, "too many requests; wait a moment", Retry_After=str(math.ceil(wait)))
